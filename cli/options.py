"""Options, outputs and the final report, shared by several commands."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import typer

from ..errors import ConfigError
from . import paths
from .messages import print_message, warn

if TYPE_CHECKING:
    from ..audio import RawFormat
    from ..passes.job import Report

__all__ = [
    "CLIPPED",
    "AsJson",
    "ClipMode",
    "Float32",
    "Folder",
    "Force",
    "FormatName",
    "Input",
    "Int16",
    "Int24",
    "OnDamage",
    "ProgressMode",
    "Quiet",
    "Range",
    "Raw",
    "Resume",
    "Track",
    "default_output",
    "encoding",
    "number_or_none",
    "output",
    "parsed_raw",
    "refuse_stdin_twice",
    "report_to_stderr",
    "whole_or_none",
]


def output(word: str) -> Any:
    """The option of the output of a command, which has the name of the input and a word behind it by default."""
    default = f"NAME.{word}.SUFFIX beside IN; - for stdin"
    return typer.Option("-o", "--output", metavar="OUT", help=f"A file, or - for stdout.  [default: {default}]",
                        show_default=False, parser=paths.file_or_stream)  # fmt: skip


def _track(text: str) -> int:
    number = text.removeprefix("a:")
    if not (number.isascii() and number.isdigit()):
        raise typer.BadParameter(f"{text[:100]!r} is no number of a sound stream, as 1 or a:1")
    return int(number)


Input: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="IN",
        help="A recording: a file, a URL (s3://, https://, ...), or - for stdin.",
        show_default=False,
        parser=paths.file_or_stream,
    ),
]
FormatName: TypeAlias = Annotated[
    str | None,
    typer.Option("-f", "--format", metavar="NAME", help="Container of the output: wav, flac, mp3, raw, ... "
                 "By default the suffix of OUT says it, or the input; WAV for stdout."),
]  # fmt: skip
Raw: TypeAlias = Annotated[
    str | None,
    typer.Option("--raw", metavar="FORMAT:RATE:CHANNELS", help="The input has no header, as f32le:44100:2."),
]
OnDamage: TypeAlias = Annotated[
    Literal["conceal", "stop"],
    typer.Option("--on-damage", help="Where the input is damaged. conceal: silence of the length of what is lost, and "
                 "a warning; stop: an error."),
]  # fmt: skip
Track: TypeAlias = Annotated[
    int | None,
    typer.Option("--stream", metavar="N", show_default=False, parser=_track,
                 help="Which sound stream of a file that has several; N, or a:N as in ffmpeg, counts from 0.  "
                 "[default: the one that ffmpeg would take]"),
]  # fmt: skip
Range: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="START:END",
        help="Only this part, to the very samples that all of it would give: times as "
        "90, 1:30 or 0:01:30, or frames as 44100f; one may be missing.  [default: all]",
        show_default=False,
    ),
]
Folder: TypeAlias = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR", parser=paths.folder_on_disk, help="The folder to write.")
]
Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Replace outputs that exist.")]
Resume: TypeAlias = Annotated[
    bool,
    typer.Option("--resume", help="Go on with a run from file to file that was stopped; without one, begin. Encoded "
                 "outputs (FLAC, MP3, ...) need room for their samples, too, until they are complete."),
]  # fmt: skip
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="One JSON object.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("-q", "--quiet", help="Only errors on stderr.")]
ProgressMode: TypeAlias = Annotated[
    Literal["auto", "json", "none"],
    typer.Option("--progress", help="auto: a line on stderr if that is a terminal; json: one object a line on stderr."),
]
Float32: TypeAlias = Annotated[bool, typer.Option("--float32", help="32-bit float samples.")]
Int24: TypeAlias = Annotated[bool, typer.Option("--int24", help="24-bit samples.")]
Int16: TypeAlias = Annotated[bool, typer.Option("--int16", help="16-bit samples.  [default: as the input]")]
ClipMode: TypeAlias = Annotated[
    Literal["clamp", "tanh", "none"],
    typer.Option("--clip-mode", help="What happens to samples beyond full scale. Integers are limited in every mode, "
                 "floats only by tanh."),
]  # fmt: skip


CLIPPED = "lower the level, or write --float32"
"""Advice if an output clips in integer samples."""


def encoding(float32: bool, int24: bool, int16: bool) -> str | None:
    """The encoding selected by --float32, --int24 or --int16."""
    asked = [word for word, on in (("f32", float32), ("s24", int24), ("s16", int16)) if on]
    if len(asked) > 1:
        raise ConfigError("--float32, --int24 and --int16 exclude each other: choose one")
    return asked[0] if asked else None


def default_output(input: str, output: str | None, word: str) -> str:
    """The output: as given; stdout for stdin; else NAME.WORD.SUFFIX beside the input, for a URL here."""
    if output is not None or input == "-":
        return output or "-"
    from ..audio import is_url
    from ..audio.formats import written_suffix

    path = Path(PurePosixPath(urlsplit(input).path).name if is_url(input) else input)
    return str(path.with_name(f"{path.stem}.{word}{written_suffix(path.suffix)}"))


def parsed_raw(text: str | None) -> "RawFormat | None":
    """Parse the format of headerless samples."""
    from ..audio import parse_raw

    return parse_raw(text) if text is not None else None


def number_or_none(text: str, option: str) -> float | None:
    """A number, or None for the word `none`, which omits a step."""
    if text.strip().lower() == "none":
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ConfigError(f"{option} takes a number or none, got {text[:100]!r}")
    return number


def whole_or_none(text: str, option: str) -> int | None:
    """A whole number, or None for the word `none`."""
    number = number_or_none(text, option)
    if number is None:
        return None
    if number != int(number):
        raise ConfigError(f"{option} takes a whole number or none, got {text!r}")
    return int(number)


def refuse_stdin_twice(inputs: Sequence[str]) -> None:
    """Refuse stdin as more than one input."""
    if inputs.count("-") > 1:
        raise ConfigError(f"stdin can be given once, - stands for it {inputs.count('-')} times; name files instead")


def report_to_stderr(report: "Report", output: str, quiet: bool, as_json: bool, cure: str = CLIPPED) -> None:
    """Print warnings, clipping with its remedy, and on a terminal the output; with `as_json`, warnings as JSON."""
    clipped = [f"{name}: {samples} samples clipped; {cure}" for name, samples in report.clipped.items()]
    warn(*report.warnings, *clipped, quiet=quiet, as_json=as_json)
    if output != "-" and not quiet and not as_json and sys.stderr.isatty():
        print_message(f"{output}: {report.frames} frames")
