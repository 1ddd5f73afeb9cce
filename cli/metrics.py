"""`stream-restore metrics`."""

import json
import math
from typing import TYPE_CHECKING, Annotated

import typer

from . import options, paths
from .messages import warn
from .progress import progress as meter

if TYPE_CHECKING:
    from ..measure.comparison import Findings

__all__ = ["command"]


def command(
    reference: Annotated[
        str, typer.Argument(metavar="REFERENCE", help="The clean recording, or -.", parser=paths.file_or_stream)
    ],
    estimate: Annotated[
        str,
        typer.Argument(metavar="ESTIMATE", help="The restored or degraded one, or -.", parser=paths.file_or_stream),
    ],
    every: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Also the SDR of each segment of this length.")
    ] = None,
    split: Annotated[
        float, typer.Option(metavar="HZ", help="Where the bands meet whose SDR is given separately.")
    ] = 7000.0,
    align: Annotated[
        bool,
        typer.Option("--align", help="First compensate a delay of up to 2 s, a factor and a sign flip of ESTIMATE, and "
                     "compare what both have in common."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    raw: options.Raw = None,
    on_damage: options.OnDamage = "conceal",
    quiet: options.Quiet = False,
    progress: options.ProgressMode = "auto",
) -> None:  # fmt: skip
    """Figures of one recording against another: SDR, SI-SDR, BSS-eval SDR and more, in bounded memory."""
    from ..measure.comparison import compare

    options.refuse_stdin_twice([reference, estimate])
    with meter(progress, quiet) as shown:
        found = compare(
            reference,
            estimate,
            split_hz=split,
            every_seconds=1.0 if every is None else every,
            align=align,
            raw=options.parsed_raw(raw),
            on_damage=on_damage,
            progress=shown,
        )
    warnings = _warnings(found, every)
    if not quiet:
        for warning in warnings:
            warn(warning, as_json=progress == "json")
    typer.echo(json.dumps(_object(found, every) | {"warnings": warnings}) if as_json else _text(found, every, align))


def _warnings(found: "Findings", every: float | None) -> list[str]:
    """The warnings of `compare`, and one if segments were joined."""
    segments = found.figures.segments
    if every is None or segments.joined == 1:
        return list(found.warnings)
    seconds = segments.frames / found.spec.sample_rate
    return [
        *found.warnings,
        f"there are too many segments of {every:g} s to keep: every {segments.joined} of them were joined to one of"
        f" {seconds:g} s",
    ]


def _object(found: "Findings", every: float | None) -> dict[str, object]:
    facts: dict[str, object] = {"sample_rate": found.spec.sample_rate, "channels": found.spec.channels}
    facts |= {name: _plain(value) for name, value in found.figures.as_dict().items()}
    facts |= {"delay_frames": found.delay.frames, "delay_correlation": found.delay.correlation}
    facts |= {"shifted_frames": found.shift, "gain": found.gain}
    if every is not None:
        segments = [_plain(value) for value in found.figures.segments.sdr_db]
        facts |= {"every_seconds": found.figures.segments.frames / found.spec.sample_rate, "segments_sdr_db": segments}
    return facts


def _text(found: "Findings", every: float | None, align: bool) -> str:
    figures, split = found.figures.as_dict(), found.figures.spectral.split_hz
    rows = {
        "SDR": figures["sdr_db"],
        "SI-SDR": figures["si_sdr_db"],
        "SI-SDR, means removed": figures["si_sdr_zero_mean_db"],
        "SNR, means removed": figures["snr_db"],
        "BSS-eval SDR": figures["bss_sdr_db"],
        "segmental SDR": figures["segmental_sdr_db"],
        f"SDR below {split:g} Hz": figures["sdr_below_db"],
        f"SDR above {split:g} Hz": figures["sdr_above_db"],
        "log-spectral distance": figures["lsd_db"],
    }
    lines = [f"{name:24}{value:9.3f} dB" for name, value in rows.items()]
    if align:
        lines.append(f"compared after moving the estimate {found.shift} frames earlier, times {found.gain:.6g}")
    if every is not None:
        step = found.figures.segments.frames / found.spec.sample_rate
        lines += [
            f"{index * step:12.3f} s {value:18.3f} dB" for index, value in enumerate(found.figures.segments.sdr_db)
        ]
    return "\n".join(lines)


def _plain(value: float) -> float | str | None:
    """JSON has neither infinity nor NaN: they become "inf", "-inf" and null."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)
