"""Degradation options shared by `degrade`, `batch` and `evaluate`."""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from ..errors import ConfigError
from .options import number_or_none, whole_or_none

if TYPE_CHECKING:
    from ..degradation.degradation import Degradation

__all__ = ["Bits", "Cutoff", "Order", "Phase", "Power", "Rate", "Seed", "Snr", "degradation", "mean_square"]

Cutoff: TypeAlias = Annotated[str, typer.Option(metavar="HZ", help="Cut-off of the Butterworth low-pass, or none.")]
Order: TypeAlias = Annotated[int, typer.Option(help="Order of the low-pass.")]
Phase: TypeAlias = Annotated[
    Literal["zero", "causal"], typer.Option(help="zero: forward and backward; causal: forward only.")
]
Rate: TypeAlias = Annotated[str, typer.Option(metavar="HZ", help="Rate to sample down to and back, or none.")]
Bits: TypeAlias = Annotated[str, typer.Option(metavar="N", help="Word length, with TPDF dither, or none.")]
Snr: TypeAlias = Annotated[str, typer.Option(metavar="DB", help="Gaussian noise this far below the signal, or none.")]
Power: TypeAlias = Annotated[
    float | None,
    typer.Option(metavar="DBFS", help="Mean square of what the noise is added to, in dB of full scale, "
                 "instead of measuring it: without it a file is read twice, a pipe goes through a temporary "
                 "file, and what comes before the noise is kept on the disk meanwhile."),
]  # fmt: skip
Seed: TypeAlias = Annotated[int, typer.Option(help="Of dither and noise.")]


def degradation(
    *, cutoff: str, order: int, phase: Literal["zero", "causal"], rate: str, bits: str, snr: str, seed: int
) -> "Degradation":
    """The `Degradation` of the options."""
    from ..degradation.degradation import Degradation

    return Degradation(
        cutoff_hz=number_or_none(cutoff, "--cutoff"),
        order=order,
        phase=phase,
        sample_rate=whole_or_none(rate, "--rate"),
        bits=whole_or_none(bits, "--bits"),
        snr_db=number_or_none(snr, "--snr"),
        seed=seed,
    )


def mean_square(power: float | None) -> float | None:
    """Of --power, which is in dB of full scale."""
    if power is not None and not abs(power) <= 300:
        raise ConfigError(f"--power takes -300 to 300 dB of full scale, got {power:g}")
    return None if power is None else float(10 ** (power / 10))
