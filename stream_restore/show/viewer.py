"""A folder that a browser opens from disk: spectrograms and sound of recordings of any length on one time axis."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from math import isfinite, log10
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

from ..audio import Format, Position, Sink, open_sink
from ..audio.outputs.atomic_file import make_folder, remove, sync, write_atomic
from ..audio.outputs.output import PART, part_of
from ..audio.tags.extras import Extras
from ..engine.exact_sum import MeanSquare
from ..engine.loop import Readable
from ..engine.threads import each
from ..errors import ConfigError, SourceError
from ..measure import Segments
from ..passes.journal import Journal
from ..passes.resumable_pass import run_pass
from ..spec import Audio
from .png import PALETTE
from .tiles import Axes, Tiles

__all__ = ["Track", "address", "prepare", "prepared", "write_viewer"]

STATIC = ("viewer.css", "spectrogram.js", "player.js", "axes.js", "viewer.js", "index.html")
"""The page is written last, when all else exists."""
RECORDING, TRACKS = "recording.js", "tracks"
"""The data of the page, and the folder of its tiles and sound."""
LARGEST_WAV = 4_000_000_000
"""Bytes. Longer sound, or sound of unknown length, is stored as FLAC: browsers read no WAV beyond 4 GiB."""
Once: TypeAlias = Callable[[str, Callable[[Journal | None], dict[str, Any]]], dict[str, Any]]
"""Runs a step, or returns its earlier result."""


@dataclass(frozen=True)
class Track:
    """One recording of a display.

    Attributes:
        label: its name.
        source: read to its end.
        audio: address, relative to the folder, of a file with the same sound that browsers play; None: one is written.
        matched: whether "equal loudness" applies to it; a residual is meant to be quiet.
        acted: by name of a repair, {"slot_seconds": length of a slot, "shares": the part of each that it changed}.
    """

    label: str
    source: Readable
    audio: str | None = None
    matched: bool = True
    acted: Mapping[str, Any] | None = None


def address(name: str) -> str:
    """A file name as part of a URL, even if its bytes are not valid text.

    >>> address("half #1.wav")
    'half%20%231.wav'
    """
    return quote(name, errors="surrogateescape")


def _always(step: str, work: Callable[[Journal | None], dict[str, Any]]) -> dict[str, Any]:
    return work(None)


def prepare(folder: Path, force: bool, cure: str = "replace what is in it with --force") -> None:
    """Create the folder of a viewer.

    Raises:
        ConfigError: if it is not empty and `force` is not set.
        SinkError: if it cannot be created.
    """
    make_folder(folder)
    if not force and any(folder.iterdir()):
        raise ConfigError(f"{folder}: is not empty; choose another folder, or {cure}")


@contextmanager
def prepared(folder: Path, force: bool) -> Iterator[None]:
    """`prepare` for a viewer that is written at once: on failure its files are deleted, earlier ones stay.

    Raises:
        ConfigError, SinkError: as `prepare`.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    prepare(folder, force)
    before = set(folder.iterdir())
    try:
        yield
    except BaseException:
        with suppress(OSError):
            _clear(set(folder.iterdir()) - before)
            for each in missing:
                each.rmdir()
        raise


def _clear(paths: set[Path]) -> None:
    """Delete the files of a viewer; its folder may hold others."""
    for path in paths:
        if path.name == TRACKS:
            shutil.rmtree(path)
        elif path.name.removesuffix(PART) in (RECORDING, *STATIC):
            path.unlink()


def write_viewer(
    folder: Path,
    title: str,
    tracks: Sequence[Track],
    *,
    sdr: Mapping[str, Segments] | None = None,
    axes: Axes | None = None,
    progress: Callable[[int], None] | None = None,
    once: Once = _always,
) -> Path:
    """Write `index.html` and its files into an existing folder; return the path of `index.html`.

    Args:
        tracks: at least one; the first has the sample rate for `sdr`.
        sdr: SDR over time of some of them, by label.
        axes: of the spectrograms.
        progress: told the number of frames of each block.
        once: called with the name of each track's step and the step; with `StepLog.resumable_step`, a stopped run
            resumes.

    Raises:
        SourceError: if a recording cannot be read, or holds no sound.
        SinkError: if a file cannot be written, e.g. because the disk is full.
    """
    remove(folder / "index.html")
    told = [
        once(f"track {number}", partial(_track, folder, number, track, axes or Axes(), progress))
        for number, track in enumerate(tracks)
    ]
    for facts, track in zip(told, tracks, strict=True):
        facts["acted"] = track.acted or {}
    _match(told, tracks)
    rate = tracks[0].source.spec.sample_rate
    series = [_series(label, segments, rate) for label, segments in (sdr or {}).items()]
    colours = ["#" + bytes(PALETTE[place]).hex() for place in range(0, 256, 15)]
    data = {"title": title, "tracks": told, "sdr": series, "palette": colours}
    write_atomic(folder / RECORDING, f"window.STREAM_RESTORE = {json.dumps(data)};\n")
    for name in STATIC:
        write_atomic(folder / name, (files(__package__) / "page" / name).read_bytes())
    return folder / "index.html"


def _track(
    folder: Path,
    number: int,
    track: Track,
    axes: Axes,
    progress: Callable[[int], None] | None,
    journal: Journal | None,
) -> dict[str, Any]:
    """Read one recording; write its tiles and sound; return its data for the page."""
    tiles, power = Tiles(folder / TRACKS / str(number), track.source.spec, axes), MeanSquare()
    audio = track.audio or f"{TRACKS}/{number}/audio.{_container(track.source)}"
    with ExitStack() as stack:
        sinks = [] if track.audio else _sound(stack, folder / audio, track.source, journal)
        for (block,) in run_pass([track.source], [tiles, power], journal, progress=progress, sinks=sinks, settle=sync):
            _give(block, [tiles.update, power.add, *(sink.write for sink in sinks)])
    if not tiles.frames:
        raise SourceError(f"{track.label}: holds no sound to show")
    rms = 10 * log10(float(power)) if float(power) else None
    return {"label": track.label, "tiles": f"{TRACKS}/{number}", "audio": audio, "rms_db": rms, **tiles.close()}


def _give(block: Audio, takers: Sequence[Callable[[Audio], None]]) -> None:
    """Give a block to all at the same time; each of them gets block after block."""
    each(lambda number: takers[number](block), len(takers))


def _sound(stack: ExitStack, path: Path, source: Readable, journal: Journal | None) -> list[Sink]:
    """The sink for the sound of a track; none if a resumed step has already written it."""
    make_folder(path.parent)
    checkpoint = journal.load() if journal else None
    if checkpoint is None:
        remove(path)  # what has its name from here on is of this step
    elif path.exists() and not part_of(path).exists():
        return []
    sink = open_sink(
        path,
        source.spec,
        like=_bare(getattr(source, "format", None)),
        encoding="s16",
        force=True,
        continuable=journal is not None,
        # Nothing was being written: then it has gone, which is found out and said.
        resume=(checkpoint.outputs or (Position(checkpoint.frames, 0),))[0] if checkpoint else None,
    )
    return [stack.enter_context(sink)]


def _bare(form: Format | None) -> Format | None:
    """A page has no use for pictures and chunks."""
    return replace(form, extras=Extras()) if form else None


def _match(told: list[dict[str, Any]], tracks: Sequence[Track]) -> None:
    """The gain that brings each track to the level of the quietest: browsers can only turn down."""
    pairs = zip(told, tracks, strict=True)
    known = [facts for facts, track in pairs if track.matched and facts["rms_db"] is not None]
    quietest = min((facts["rms_db"] for facts in known), default=0.0)
    for facts in told:
        facts["gain_db"] = 0.0
    for facts in known:
        facts["gain_db"] = quietest - facts["rms_db"]


def _series(label: str, segments: Segments, rate: int) -> dict[str, Any]:
    values = [round(value, 3) if isfinite(value) else None for value in segments.sdr_db]
    return {"label": label, "every_seconds": segments.frames / rate, "values": values}


def _container(source: Readable) -> str:
    frames, spec = getattr(source, "frames", None), source.spec
    return "wav" if frames is not None and 2 * frames * spec.channels < LARGEST_WAV else "flac"
