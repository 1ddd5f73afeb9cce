"""The sound that the network learns from, decoded once to 44.1 kHz stereo and kept as memory-mapped arrays."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import soundfile
import soxr
from music import compose
from numpy.typing import NDArray
from passes import SAMPLE_RATE

from stream_restore.spec import Audio, empty

from .damage import code
from .mastering import master
from .orchestra import perform
from .speech import speak

__all__ = ["ENCODERS", "Corpus", "Kind", "Piece", "Stored", "gather", "load"]

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
    "orchestra-0",
    "orchestra-1",
    "speech-0",
)
"""Pieces for validation; nothing of them is trained on."""

COMPOSED, PERFORMED, SPOKEN = 24, 96, 8
"""Synthetic pieces, pieces for General MIDI instruments, and speech tracks."""

CODED_SECONDS = 60
"""Of each piece that are also kept as lossy encoders leave them."""

ENCODERS: dict[str, str | None] = {"mp3": ".mp3", "coded": None}
"""What each piece is put through, suffixes of files: MP3, which most of the world's coded music is, and any encoder."""

JOINED = 0.3
"""Of the pieces, how many are coded as one channel."""

Kind: TypeAlias = Literal["music", "samples", "composed", "orchestra", "speech"]
Stored: TypeAlias = NDArray[np.float16]


@dataclass(frozen=True)
class Piece:
    """One recording; float16 keeps 66 dB below each sample, and half the disk.

    Attributes:
        sound: shape (2, frames).
        coded: its beginning as each of `ENCODERS` left it; no frames of what is too short, or without ffmpeg.
    """

    name: str
    kind: Kind
    sound: Stored
    coded: Mapping[str, Stored]

    def pair(self, encoder: str, start: int, frames: int) -> NDArray[np.float32]:
        """An excerpt as an encoder left it, and as it was, shape (2, 2, frames); joined where it was coded joined."""
        heard, was = (np.asarray(x[:, start : start + frames], np.float32) for x in (self.coded[encoder], self.sound))
        return np.stack([heard, np.broadcast_to(was.mean(axis=0), was.shape) if (heard[0] == heard[1]).all() else was])


@dataclass(frozen=True)
class Corpus:
    """Pieces to train on and pieces to validate with."""

    training: list[Piece]
    validation: list[Piece]


def gather(recordings: Path | None, cache: Path, times: int = 1) -> Corpus:
    """Decode, compose and speak what `cache` does not hold yet.

    Args:
        recordings: folder of music with a folder `samples` in it, or None for synthetic sound only.
        cache: folder for the decoded pieces.
        times: so many times as many composed, performed and spoken pieces, each another one.
    """
    pieces = [
        *_recorded(recordings, cache),
        *_composed(cache, times),
        *_performed(cache, times),
        *_spoken(cache, times),
    ]
    pieces = [piece for piece in pieces if piece.sound.shape[1]]
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


def _composed(cache: Path, times: int) -> Iterable[Piece]:
    for seed in range(COMPOSED * times):
        yield _cached(cache, f"composed-{seed}", "composed", partial(compose, 60.0, SAMPLE_RATE, seed))


def _performed(cache: Path, times: int) -> Iterable[Piece]:
    for seed in range(PERFORMED * times):
        yield _cached(cache, f"orchestra-{seed}", "orchestra", partial(_performance, seed))


def _spoken(cache: Path, times: int) -> Iterable[Piece]:
    for seed in range(SPOKEN * times):
        yield _cached(cache, f"speech-{seed}", "speech", partial(_speech, seed))


def _cached(cache: Path, name: str, kind: Kind, make: Callable[[], Audio]) -> Piece:
    sound = _stored(cache / f"{kind}-{name}.npy", make)
    coded = {
        encoder: _stored(cache / f"{kind}-{name}-{encoder}.npy", partial(_coded, sound, f"{name}-{encoder}", suffix))
        for encoder, suffix in ENCODERS.items()
    }
    return Piece(name, kind, sound, coded)


def _coded(sound: Stored, name: str, suffix: str | None) -> Audio:
    """The beginning of a piece through an encoder; nothing of samples, which are too short, nor without ffmpeg."""
    rng = np.random.default_rng(list(name.encode()))
    beginning = np.asarray(sound[:, : CODED_SECONDS * SAMPLE_RATE], np.float32)
    if rng.random() < JOINED:
        beginning = beginning.mean(axis=0, keepdims=True)
    seconds = beginning.shape[1] / SAMPLE_RATE
    coded = code(beginning, suffix, rng) if seconds > 10 else None
    return empty(2) if coded is None else _stereo(coded)


def _stored(path: Path, make: Callable[[], Audio]) -> Stored:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".partial")
        with unfinished.open("wb") as file:
            np.save(file, make().astype(np.float16))
        os.replace(unfinished, path)
    stored: Stored = np.load(path, mmap_mode="r" if path.stat().st_size > 1024 else None)
    return stored


def _performance(seed: int) -> Audio:
    played = perform(60.0, SAMPLE_RATE, seed)
    return master(played, SAMPLE_RATE, np.random.default_rng([seed, 3])) if played.shape[1] else played


def _speech(seed: int) -> Audio:
    return _stereo(speak(seed, SAMPLE_RATE))


def _stereo(sound: Audio) -> Audio:
    return sound[:2] if len(sound) > 1 else np.repeat(sound, 2, axis=0)
