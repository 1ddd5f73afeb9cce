"""Degradation options shared by `degrade` and `evaluate`."""

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from .options import number_or_none, whole_or_none

if TYPE_CHECKING:
    from ..degradation.degradation import Degradation

__all__ = ["Bits", "Cutoff", "Order", "Phase", "Rate", "Seed", "Snr", "degradation"]

Cutoff: TypeAlias = Annotated[str, typer.Option(metavar="HZ", help="Cut-off of the Butterworth low-pass, or none.")]
Order: TypeAlias = Annotated[int, typer.Option(help="Order of the low-pass.")]
Phase: TypeAlias = Annotated[
    Literal["zero", "causal"], typer.Option(help="zero: forward and backward; causal: forward only.")
]
Rate: TypeAlias = Annotated[str, typer.Option(metavar="HZ", help="Rate to sample down to and back, or none.")]
Bits: TypeAlias = Annotated[str, typer.Option(metavar="N", help="Word length, with TPDF dither, or none.")]
Snr: TypeAlias = Annotated[str, typer.Option(metavar="DB", help="Gaussian noise this far below the signal, or none.")]
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
