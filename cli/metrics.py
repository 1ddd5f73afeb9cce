"""`stream-restore metrics`."""

import json
from collections.abc import Sequence
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
    only: Annotated[
        str | None,
        typer.Option(metavar="NAME,...", help="Only these figures, e.g. sdr,si-sdr: names as in --json, without the "
                     "unit. A delay is looked for, and warned of, only if delay is among them."),
    ] = None,
    align: Annotated[
        bool,
        typer.Option("--align", help="First compensate a delay of up to 2 s, a factor and a sign flip of ESTIMATE, and "
                     "compare what both have in common."),
    ] = False,
    as_json: options.AsJson = False,
    raw: options.Raw = None,
    on_damage: options.OnDamage = "conceal",
    quiet: options.Quiet = False,
    progress: options.ProgressMode = "auto",
) -> None:  # fmt: skip
    """Figures of one recording against another: SDR, SI-SDR, BSS-eval SDR and more, in bounded memory."""
    from ..measure.comparison import FIGURES, compare

    asked = FIGURES if only is None else tuple(word.strip() for word in only.split(",") if word.strip())
    if every is not None and "segmental-sdr" not in asked:
        asked = (*asked, "segmental-sdr")
    options.refuse_stdin_twice([reference, estimate])
    with meter(progress, quiet) as shown:
        found = compare(
            reference,
            estimate,
            split_hz=split,
            every_seconds=1.0 if every is None else every,
            align=align,
            only=asked,
            raw=options.parsed_raw(raw),
            on_damage=on_damage,
            progress=shown,
        )
    warnings = _warnings(found, every)
    warn(*warnings, quiet=quiet, as_json=progress == "json")
    typer.echo(
        json.dumps(_object(found, every, asked) | {"warnings": warnings})
        if as_json
        else _text(found, every, align, asked)
    )


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


def _object(found: "Findings", every: float | None, asked: Sequence[str]) -> dict[str, object]:
    from ..measure.distortion import plain

    facts: dict[str, object] = {"sample_rate": found.spec.sample_rate, "channels": found.spec.channels}
    facts |= {key: plain(value) for key, value in found.figures.as_dict().items() if _is_asked(key, asked)}
    if "delay" in asked:
        facts |= {"delay_frames": found.delay.frames, "delay_correlation": found.delay.correlation}
    facts |= {"shifted_frames": found.shift, "gain": found.gain}
    if every is not None:
        segments = [plain(value) for value in found.figures.segments.sdr_db]
        facts |= {"every_seconds": found.figures.segments.frames / found.spec.sample_rate, "segments_sdr_db": segments}
    return facts


def _is_asked(key: str, asked: Sequence[str]) -> bool:
    """Whether a figure was asked for, or says what others are of."""
    return key in ("frames", "split_hz") or key.removesuffix("_db").replace("_", "-") in asked


def _text(found: "Findings", every: float | None, align: bool, asked: Sequence[str]) -> str:
    figures, split = found.figures.as_dict(), found.figures.spectral.split_hz
    rows = {
        "sdr_db": "SDR",
        "si_sdr_db": "SI-SDR",
        "si_sdr_zero_mean_db": "SI-SDR, means removed",
        "snr_db": "SNR, means removed",
        "bss_sdr_db": "BSS-eval SDR",
        "segmental_sdr_db": "segmental SDR",
        "sdr_below_db": f"SDR below {split:g} Hz",
        "sdr_above_db": f"SDR above {split:g} Hz",
        "lsd_db": "log-spectral distance",
    }
    lines = [f"{name:24}{figures[key]:9.3f} dB" for key, name in rows.items() if _is_asked(key, asked)]
    if align:
        lines.append(f"compared after moving the estimate {found.shift} frames earlier, times {found.gain:.6g}")
    if every is not None:
        step = found.figures.segments.frames / found.spec.sample_rate
        lines += [
            f"{index * step:12.3f} s {value:18.3f} dB" for index, value in enumerate(found.figures.segments.sdr_db)
        ]
    return "\n".join(lines)
