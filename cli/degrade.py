"""`stream-restore degrade`."""

from typing import Annotated, Literal

import typer

from ..errors import ConfigError
from . import options
from .progress import progress as meter

__all__ = ["command"]


def command(
    input: options.Input,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="OUT", help="A file, or - for stdout.  [default: NAME.degraded.SUFFIX "
                     "beside IN; - for stdin]", show_default=False),
    ] = None,
    cutoff: Annotated[str, typer.Option(metavar="HZ", help="Cut-off of the Butterworth low-pass, or none.")] = "7000",
    order: Annotated[int, typer.Option(help="Order of the low-pass.")] = 6,
    phase: Annotated[
        Literal["zero", "causal"], typer.Option(help="zero: forward and backward; causal: forward only.")
    ] = "zero",
    rate: Annotated[str, typer.Option(metavar="HZ", help="Rate to sample down to and back, or none.")] = "16000",
    bits: Annotated[str, typer.Option(metavar="N", help="Word length, with TPDF dither, or none.")] = "8",
    snr: Annotated[str, typer.Option(metavar="DB", help="Gaussian noise this far below the signal, or none.")] = "20",
    power: Annotated[
        float | None,
        typer.Option(metavar="DBFS", help="Mean square of what the noise is added to, in dB of full scale, "
                     "instead of measuring it: without it a file is read twice, a pipe goes through a temporary "
                     "file."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of dither and noise.")] = 0,
    float32: Annotated[bool, typer.Option("--float32", help="32-bit float samples.")] = False,
    int24: Annotated[bool, typer.Option("--int24", help="24-bit samples.")] = False,
    int16: Annotated[bool, typer.Option("--int16", help="16-bit samples.  [default: as the input]")] = False,
    clip_mode: options.ClipMode = "clamp",
    raw: options.Raw = None,
    container: options.FormatName = None,
    force: options.Force = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    progress: options.ProgressMode = "auto",
) -> None:  # fmt: skip
    """Degrade a recording: low-pass, down-sampling, quantisation, noise, up-sampling. `none` leaves a step out."""
    from .. import api
    from ..degradation import Degradation

    degradation = Degradation(
        cutoff_hz=options.number_or_none(cutoff, "--cutoff"),
        order=order,
        phase=phase,
        sample_rate=options.whole_or_none(rate, "--rate"),
        bits=options.whole_or_none(bits, "--bits"),
        snr_db=options.number_or_none(snr, "--snr"),
        seed=seed,
    )
    target = options.default_output(input, output, "degraded")
    stored = api.Output(container, options.encoding(float32, int24, int16), clip_mode, seed, force)
    with meter(progress, quiet) as shown:
        report = api.degrade(
            input,
            target,
            degradation=degradation,
            power=_mean_square(power) if power is not None else None,
            raw=options.parsed_raw(raw),
            stored=stored,
            resume=resume,
            progress=shown,
        )
    options.report_to_stderr(report, target, quiet, as_json=progress == "json")


def _mean_square(level: float) -> float:
    if not abs(level) <= 300:
        raise ConfigError(f"--power takes -300 to 300 dB of full scale, got {level:g}")
    return float(10 ** (level / 10))
