"""Levels of a spectrum in bands, below a cut-off as they are heard and above it as they are thought to have been.

Bands are 100 Hz wide up to 1 kHz and an eighth of an octave above. What lies above a cut-off is not known; a network,
or a straight line, continues what lies below it.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..samples import size_at

__all__ = [
    "BANDS",
    "CENTRES_HZ",
    "COLUMNS",
    "EDGES_HZ",
    "FEATURES",
    "BandLayout",
    "Levels",
    "StraightLine",
    "column_size",
    "features",
    "highest",
    "known_bands",
    "reference_db",
]

EDGES_HZ = np.concatenate([np.arange(100.0, 1000.0, 100.0), 1000 * 2 ** (np.arange(37) / 8)])
CENTRES_HZ = np.sqrt(EDGES_HZ[:-1] * EDGES_HZ[1:])
BANDS = len(CENTRES_HZ)
FRAMES = 2048
"""Frames of a column at 44.1 kHz."""
COLUMNS = 256
"""Columns that levels are continued in at once: 3 s."""
FEATURES = 4
"""Of each band and column: its level, whether that is known, how tonal it is, and a guess: the straight line through
the means of those below the cut-off, moved as the highest of them are louder or softer at the moment. Silent columns,
as before the beginning, have no part in means."""
HIGHEST = 6
"""Bands whose mean is the level below a cut-off; the one that ends there is left out, it may have been weakened."""
RANGE_DB = 80.0
"""What lies further below the loudest band is as good as nothing."""
STEP_DB = 20.0
"""The unit of features and of what a network says."""
TONALITY_DB = 10.0
"""The unit of how tonal a band is."""
MOST_TONAL_DB = 30.0
TONAL_COLUMNS = 4
"""Columns that how tonal a band is is averaged over: in each alone it is mostly chance."""
SILENCE = 1e-12
FALL_DB = 24.0
SLOPES = (-30 / STEP_DB, 6 / STEP_DB)
"""Of such a guess, by octave."""
LOWEST_GUESS = -6.0
LINE = 3.5
"""A straight line is laid through the bands from the cut-off over this up to the cut-off."""

Decibels = NDArray[np.float32]


class Levels(Protocol):
    """A way to continue levels upwards."""

    def __call__(self, known: NDArray[np.float32]) -> NDArray[np.float32]:
        """Levels in units of 20 dB below the loudest, shape (BANDS, COLUMNS), for `features` of shape (FEATURES, ...).

        Only those above the cut-off matter.
        """
        ...


def column_size(sample_rate: int) -> int:
    """Frames of a column; four times as many as from one column to the next."""
    return size_at(sample_rate, FRAMES)


class BandLayout:
    """Which bins of a spectrum make which band.

    Args:
        sample_rate: in Hz.
        size: frames of a column.
    """

    def __init__(self, sample_rate: int, size: int) -> None:
        bins = size // 2 + 1
        hertz = np.arange(bins) * (sample_rate / size)
        self._starts = np.searchsorted(hertz, EDGES_HZ)
        self._counts = np.diff(self._starts)
        octaves = np.log2(np.maximum(hertz, hertz[1]) / CENTRES_HZ[0])
        place = np.interp(octaves, np.log2(CENTRES_HZ / CENTRES_HZ[0]), np.arange(BANDS))
        self._left = np.minimum(place.astype(int), BANDS - 2)
        self._part = (place - self._left).astype(np.float32)
        self._beyond = (FALL_DB * np.log2(np.maximum(hertz / CENTRES_HZ[-1], 1))).astype(np.float32)

    def levels(self, power: NDArray[np.float32]) -> Decibels:
        """Mean power of the bins of each band in dB, shape (..., BANDS), of bins of shape (..., size//2 + 1).

        Bands above half the sample rate, and those too narrow to have a bin, are silent.
        """
        total = np.concatenate([np.zeros((*power.shape[:-1], 1)), np.cumsum(power, axis=-1, dtype=np.float64)], axis=-1)
        sums = total[..., self._starts[1:]] - total[..., self._starts[:-1]]
        return np.asarray(10 * np.log10(np.maximum(sums / np.maximum(self._counts, 1), SILENCE)), np.float32)

    def tonality(self, power: NDArray[np.float32]) -> Decibels:
        """How tonal each band is, in dB, shape (columns, BANDS), of bins of shape (columns, size//2 + 1).

        By how much the mean level of its bins lies below the level of their mean power, the inverse of the spectral
        flatness (Johnston, "Transform coding of audio signals using perceptual noise criteria", 1988): 2.5 dB for
        noise, more for lone partials. It is the mean over every four columns.
        """
        decibels = 10 * np.log10(power + np.float32(SILENCE))
        total = np.pad(np.cumsum(decibels, axis=-1, dtype=np.float64), ((0, 0), (1, 0)))
        means = (total[:, self._starts[1:]] - total[:, self._starts[:-1]]) / np.maximum(self._counts, 1)
        tonal = np.clip(self.levels(power) - means, 0, MOST_TONAL_DB)
        grouped = tonal.reshape(-1, TONAL_COLUMNS, BANDS).mean(axis=1)
        return np.asarray(np.repeat(grouped, TONAL_COLUMNS, axis=0), np.float32)

    def per_bin(self, levels: Decibels) -> Decibels:
        """Levels of bins, shape (..., size//2 + 1), between those of bands, shape (..., BANDS).

        Beyond the highest band they fall by `FALL_DB` an octave.
        """
        left, right = levels[..., self._left], levels[..., self._left + 1]
        return np.asarray(left + self._part * (right - left) - self._beyond, np.float32)


def known_bands(cutoff_hz: float) -> NDArray[np.bool_]:
    """The bands below a cut-off, shape (BANDS,).

    >>> int(known_bands(7000).sum())
    31
    """
    return np.asarray(EDGES_HZ[1:] <= cutoff_hz)


def reference_db(levels: Decibels, known: NDArray[np.bool_]) -> float:
    """The loudest level in any column of the bands that are known, of levels of shape (BANDS, columns)."""
    return float(levels[known].max())


def features(levels: Decibels, tonality: Decibels, cutoff_hz: float) -> NDArray[np.float32]:
    """What is known of levels and of `BandLayout.tonality`, both of shape (BANDS, columns), shape (FEATURES, ...)."""
    known = known_bands(cutoff_hz)
    scaled = np.maximum(levels - reference_db(levels, known), -RANGE_DB - 10) / STEP_DB
    sounding = scaled[known].max(axis=0) > -RANGE_DB / STEP_DB
    out = np.zeros((FEATURES, *levels.shape), np.float32)
    out[0, known] = scaled[known]
    out[1, known] = 1
    out[2] = tonality / TONALITY_DB * (known[:, None] & (scaled > -RANGE_DB / STEP_DB))
    top = highest(out)
    middle, slope = _line(scaled[:, sounding].mean(axis=1, keepdims=True), known)
    guess = middle + np.clip(slope, *SLOPES) * _octaves(known)[:, None] + (top - top[sounding].mean())
    out[3] = np.maximum(guess, LOWEST_GUESS)
    return out


def highest(known: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean level of the highest bands that are known, shape (columns,), of `features`."""
    bands = np.flatnonzero(known[1, :, 0])[-HIGHEST - 1 : -1]
    return np.asarray(known[0, bands].mean(axis=0))


def _octaves(known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How far each band lies above the middle of those that a line is laid through."""
    octaves = np.log2(CENTRES_HZ)
    return np.asarray(octaves - octaves[_under_line(known)].mean())


def _under_line(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    last = np.flatnonzero(known)[-1]
    return np.asarray(known & (EDGES_HZ[:-1] >= EDGES_HZ[last] / LINE) & (np.arange(BANDS) < last))


def _line(levels: Decibels, known: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The straight line through the highest levels known: that in its middle, and its slope by octave, each column."""
    under = _under_line(known)
    octaves = _octaves(known)[under]
    return levels[under].mean(axis=0), octaves @ levels[under] / max(float(octaves @ octaves), SILENCE)


class StraightLine:
    """Levels as a straight line over octaves, laid through those below the cut-off, column by column."""

    def __call__(self, known: NDArray[np.float32]) -> NDArray[np.float32]:
        given = known[1, :, 0] > 0
        middle, slope = _line(known[0], given)
        return np.asarray(middle + slope * _octaves(given)[:, None], np.float32)
