"""The recordings that quality is measured with, and means over them."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from passes import SAMPLE_RATE

from stream_restore.spec import Audio

__all__ = ["Clip", "found", "means", "middle"]

SPEECH = re.compile(r"\d+-\d+-\d+")
"""How LibriSpeech names its recordings."""


@dataclass(frozen=True)
class Clip:
    """A recording at `SAMPLE_RATE`, in its own channels.

    Attributes:
        name: for people.
        piece: equal for two files of one piece of music: the file's name up to its first dot.
        speech: whether it is no music.
        sound: shape (channels, frames).
    """

    name: str
    piece: str
    speech: bool
    sound: Audio


def found(paths: Sequence[Path], seconds: float | None) -> list[Clip]:
    """The recordings, music first.

    Args:
        paths: files; none: those in the folder `eval` of the folder that STREAM_RESTORE_AUDIO names.
        seconds: use only this much from the middle of each; None: all.

    Raises:
        SystemExit: there are none.
    """
    folder = os.environ.get("STREAM_RESTORE_AUDIO")
    if not paths and not folder:
        raise SystemExit(
            "no recordings: name some with --clips, or a folder with a folder `eval` in STREAM_RESTORE_AUDIO"
        )
    paths = paths or sorted(Path(folder or "", "eval").glob("*.ogg"))
    return sorted((_clip(path, seconds) for path in paths), key=lambda clip: (clip.speech, clip.name))


def middle(sound: Audio, seconds: float | None) -> Audio:
    """At most so many seconds from the middle of it."""
    frames = sound.shape[1]
    kept = frames if seconds is None else min(frames, round(seconds * SAMPLE_RATE))
    return sound[:, (frames - kept) // 2 :][:, :kept]


def means(clips: Sequence[Clip], values: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Means of rows of figures over the clips of music, and over its pieces, each once.

    Args:
        values: shape (clips, figures).
    """
    music = [(clip.piece, row) for clip, row in zip(clips, values, strict=True) if not clip.speech]
    pieces = groupby(sorted(music, key=lambda each: each[0]), key=lambda each: each[0])
    once = [np.mean([row for _, row in rows], axis=0) for _, rows in pieces]
    rows = {f"mean, {len(music)} clips of music": [row for _, row in music], f"mean, {len(once)} pieces of music": once}
    return {label: np.asarray(np.mean(each, axis=0)) for label, each in rows.items() if each}


def _clip(path: Path, seconds: float | None) -> Clip:
    frames, rate = soundfile.read(path, dtype="float32", always_2d=True)
    sound = np.ascontiguousarray(middle(soxr.resample(frames, rate, SAMPLE_RATE).T, seconds))
    kind = {1: "mono", 2: "stereo"}.get(len(sound), f"{len(sound)} channels")
    piece = path.name.split(".")[0]
    title = piece.replace("_", " ").split(" (")[0]
    name = f"{title}, {kind}, {rate / 1000:g} kHz"
    return Clip(name, piece, bool(SPEECH.fullmatch(piece)), sound)
