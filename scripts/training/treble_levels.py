"""Excerpts of music as levels in bands, which is all that the network of the repair `treble` hears of it.

Three excerpts of 15 s of each recording, one channel or the mean of both: many pieces teach more than long ones.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
import soundfile
import soxr
from numpy.typing import NDArray
from passes import SAMPLE_RATE

from stream_restore.restoration.repairs.treble.levels import TONAL_COLUMNS, BandLayout, column_size

from .corpus import Source

__all__ = ["LONGEST", "LOUDEST", "TONAL_STEP_DB", "Excerpt", "Recording", "excerpts_of", "measured"]

EXCERPTS, SECONDS = 3, 15.0
LONGEST = 1280
"""Columns of an excerpt: 15 s."""
LOUDEST = 120
"""What the loudest level of a recording is kept as: levels are whole decibels from 0 to this."""
TONAL_STEP_DB = 0.5
SIZE = column_size(SAMPLE_RATE)


@dataclass(frozen=True)
class Excerpt:
    """Levels, shape (BANDS, columns), and how tonal they are, in steps of half a decibel, one for four columns."""

    levels: NDArray[np.uint8]
    tonality: NDArray[np.uint8]


@dataclass(frozen=True)
class Recording:
    """The excerpts of one."""

    package: str
    held_out: bool
    excerpts: list[Excerpt]


def excerpts_of(source: Source, cache: Path) -> Recording:
    """Excerpts of a recording, computed once; which ones depends on its name alone."""
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / f"{source.package}-{source.path.parent.name}-{source.path.stem}.npz"
    if not kept.exists():
        np.savez(kept, *[part for each in _computed(source) for part in (each.levels, each.tonality)])
    with np.load(kept) as file:
        parts = [file[name] for name in file.files]
    excerpts = [Excerpt(*pair) for pair in zip(parts[::2], parts[1::2], strict=True)]
    return Recording(source.package, source.held_out, excerpts)


def _computed(source: Source) -> list[Excerpt]:
    found = [measured(channel) for channel in _channels(source)]
    loudest = max(float(levels.max()) for levels, _ in found)
    return [
        Excerpt(
            np.clip(np.rint(levels - loudest + LOUDEST), 0, LOUDEST).astype(np.uint8),
            np.rint(tonality[:, ::TONAL_COLUMNS] / TONAL_STEP_DB).astype(np.uint8),
        )
        for levels, tonality in found
    ]


def _channels(source: Source) -> Iterator[NDArray[np.float32]]:
    """One channel of each excerpt, or the mean of both, at 44.1 kHz."""
    rng = np.random.default_rng(zlib.crc32(f"{source.package}/{source.name}".encode()))
    with soundfile.SoundFile(source.path) as file:
        frames = round((SECONDS + 0.2) * file.samplerate)
        count = EXCERPTS if file.frames > (EXCERPTS + 0.3) * frames else max(1, file.frames // frames)
        for number in range(count):
            file.seek(int(max(0, file.frames - frames) * (number + 0.5 + rng.uniform(-0.3, 0.3)) / count))
            sound = file.read(frames, dtype="float32", always_2d=True)
            which = int(rng.integers(3))
            channel = sound[:, which] if which < min(2, sound.shape[1]) else sound.mean(axis=1)
            yield soxr.resample(channel, file.samplerate, SAMPLE_RATE)


def measured(channel: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Levels of one channel in dB, and how tonal they are, both of shape (BANDS, columns), `LONGEST` at most."""
    window = np.hanning(SIZE + 1)[:-1].astype(np.float32)
    columns = np.lib.stride_tricks.sliding_window_view(channel.astype(np.float32), SIZE)[:: SIZE // 4]
    columns = columns[: min(LONGEST, len(columns) // TONAL_COLUMNS * TONAL_COLUMNS)]
    spectrum = scipy.fft.rfft(columns * window, axis=-1)
    power, layout = spectrum.real**2 + spectrum.imag**2, BandLayout(SAMPLE_RATE, SIZE)
    return layout.levels(power).T, layout.tonality(power).T
