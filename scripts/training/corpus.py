"""The sound that the network learns from, decoded once to 44.1 kHz stereo and kept as memory-mapped arrays."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import soundfile
import soxr
from music import compose
from numpy.typing import NDArray

from stream_restore.spec import Audio

from .speech import speak

__all__ = ["SAMPLE_RATE", "Corpus", "Kind", "Piece", "gather", "load"]

SAMPLE_RATE = 44100
"""In Hz, of everything here."""

EXCLUDED = ("JRPG_battle_loop_slow",)
"""No content above 4.5 kHz: of no use as a full-band target."""

HELD_OUT = (
    "05_-_Reunion",
    "10_-_The_Empire",
    "24_-_RV_610_-_Fecit_potentiam",
    "JRPG_shop_loop",
    "JRPG_temple",
    "peasant_kingdom",
    "composed-0",
    "speech-0",
)
"""Pieces for validation; nothing of them is trained on."""

COMPOSED, SPOKEN = 24, 8
"""Synthetic pieces and speech tracks."""

Kind: TypeAlias = Literal["music", "samples", "composed", "speech"]
Stored: TypeAlias = NDArray[np.float16]


@dataclass(frozen=True)
class Piece:
    """One recording: `sound` has shape (2, frames); float16 keeps 66 dB below each sample, and half the disk."""

    name: str
    kind: Kind
    sound: Stored


@dataclass(frozen=True)
class Corpus:
    """Pieces to train on and pieces to validate with."""

    training: list[Piece]
    validation: list[Piece]


def gather(recordings: Path | None, cache: Path) -> Corpus:
    """Decode, compose and speak what `cache` does not hold yet.

    Args:
        recordings: folder of music with a folder `samples` in it, or None for synthetic sound only.
        cache: folder for the decoded pieces.
    """
    pieces = [*_recorded(recordings, cache), *_composed(cache), *_spoken(cache)]
    return Corpus(
        [piece for piece in pieces if piece.name not in HELD_OUT],
        [piece for piece in pieces if piece.name in HELD_OUT],
    )


def load(path: Path) -> Audio:
    """A recording as (2, frames) at `SAMPLE_RATE`; one channel becomes two equal ones."""
    frames, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return _stereo(soxr.resample(frames, rate, SAMPLE_RATE).T)


def _recorded(folder: Path | None, cache: Path) -> Iterable[Piece]:
    for path in sorted(folder.rglob("*")) if folder else ():
        if path.suffix in (".ogg", ".mp3", ".flac") and path.stem not in EXCLUDED:
            kind: Kind = "samples" if path.parent.name == "samples" else "music"
            yield _cached(cache, path.stem, kind, partial(load, path))


def _composed(cache: Path) -> Iterable[Piece]:
    for seed in range(COMPOSED):
        yield _cached(cache, f"composed-{seed}", "composed", partial(compose, 60.0, SAMPLE_RATE, seed))


def _spoken(cache: Path) -> Iterable[Piece]:
    for seed in range(SPOKEN):
        piece = _cached(cache, f"speech-{seed}", "speech", partial(_speech, seed))
        if piece.sound.shape[1]:
            yield piece


def _cached(cache: Path, name: str, kind: Kind, make: Callable[[], Audio]) -> Piece:
    path = cache / f"{kind}-{name}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".partial")
        with unfinished.open("wb") as file:
            np.save(file, make().astype(np.float16))
        os.replace(unfinished, path)
    return Piece(name, kind, np.load(path, mmap_mode="r"))


def _speech(seed: int) -> Audio:
    return _stereo(speak(seed, SAMPLE_RATE))


def _stereo(sound: Audio) -> Audio:
    return sound[:2] if len(sound) > 1 else np.repeat(sound, 2, axis=0)
