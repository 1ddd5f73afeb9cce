"""`stream-restore inspect`."""

import json
from math import isfinite
from typing import TYPE_CHECKING

import typer

from . import options
from .messages import warn
from .progress import progress as meter

if TYPE_CHECKING:
    from ..inspection import Inspection

__all__ = ["command"]

ALL = 0.95
"""Of a recording, so much is as good as all."""


def command(
    input: options.Input,
    as_json: options.AsJson = False,
    raw: options.Raw = None,
    on_damage: options.OnDamage = "conceal",
    quiet: options.Quiet = False,
    progress: options.ProgressMode = "auto",
) -> None:
    """What a recording is, what is wrong with it, and the command that would mend it."""
    from ..inspection import inspect

    with meter(progress, quiet) as shown:
        found = inspect(input, raw=options.parsed_raw(raw), on_damage=on_damage, progress=shown)
    warn(*found.warnings, quiet=quiet, as_json=progress == "json")
    typer.echo(json.dumps(found.as_dict()) if as_json else "\n".join(_lines(found)))


def _lines(found: "Inspection") -> list[str]:
    from ..audio import format_timestamp

    spec, loudness = found.spec, found.loudness
    lines = [
        f"format      {found.container}, {found.encoding}, {spec.sample_rate} Hz, {spec.channels} channels",
        f"length      {format_timestamp(found.frames / spec.sample_rate)}, {found.frames} frames",
        f"loudness    {_number(loudness.integrated_lufs)} LUFS, true peak {_number(loudness.true_peak_dbtp)} dBTP",
        *_channels(found),
        *(f"{name:<11} {_damage(name, facts)}" for name, facts in found.damage().items()),
    ]
    command = found.command()
    return [*lines, *(["", command] if command else ["", "Nothing was found that a repair mends."])]


def _channels(found: "Inspection") -> list[str]:
    levels = found.levels
    offsets = [channel.dc_offset for channel in levels.channels]
    lines = [f"offset      {', '.join(f'{offset:+.5f}' for offset in offsets)}"]
    lines += [f"silent      channel {channel + 1}" for channel in levels.silent]
    for word, pairs in (("identical", levels.identical), ("opposite", levels.opposite)):
        lines += [f"{word:<11} channels {first + 1} and {second + 1}" for first, second in pairs]
    return lines


def _damage(name: str, facts: "dict[str, float]") -> str:
    if not facts["found"]:
        return "none found" if name != "treble" or "cutoff_hz" not in facts else _cutoff(facts) + ", as codecs leave it"
    return {
        "clipping": lambda: f"{100 * facts['share']:.3g} % of the samples, at {facts['level']:.3f} of full scale",
        "clicks": lambda: f"{facts['per_minute']:.0f} a minute",
        "hum": lambda: f"{facts['hz']:.2f} Hz, {facts['level_dbfs']:.1f} dBFS",
        "noise": lambda: f"{facts['floor_dbfs']:.1f} dBFS, {facts['slope_db_per_octave']:+.1f} dB an octave",
        "treble": lambda: _cutoff(facts),
    }[name]()


def _cutoff(facts: "dict[str, float]") -> str:
    share = f" in {100 * facts['share']:.0f} % of it" if facts["share"] < ALL else ""
    return f"cut off at {facts['cutoff_hz']:.0f} Hz{share}"


def _number(value: float) -> str:
    return f"{value:.1f}" if isfinite(value) else "-inf"
