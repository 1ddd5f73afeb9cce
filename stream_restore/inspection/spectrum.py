"""Noise floor and cut-off frequency of a recording, from its spectrum."""

from dataclasses import dataclass
from math import log10

import numpy as np
from numpy.typing import NDArray

from ..engine.window import Window
from ..restoration.noise_floor import (
    BANDS,
    COLUMNS,
    HOP,
    SIZE,
    band_powers,
    find_floor,
    per_bin,
    quiet_moments,
    spectra,
)
from ..spec import Audio, Spec

__all__ = ["Cutoff", "Noise", "SpectrumMeter", "find_cutoff"]

MINUTE = 336
"""Moments in which a noise floor is estimated."""
CELL = COLUMNS * 16
STRIDE = 4
"""One of so many cells is analysed: a steady noise floor shows in a part of the time."""
STEEP_DB = 20.0
"""How far the level falls across a cut-off, at least."""
EDGE_DB = 10.0
"""A cut-off lies where the level has fallen by so much."""
LOWEST_HZ, HIGHEST_HZ = 2500.0, 21000.0
BELOW, ABOVE = (0.82, 0.94), (1.06, 1.25)
"""Where the level is taken on both sides of a cut-off, in parts of its frequency."""
OCTAVES_FROM_HZ, OCTAVES_TO_HZ = 200.0, 6000.0
"""The band in which the slope of the noise is taken."""
QUIETER_DB = 4.3
"""How far the quietest moments of white noise lie below its mean."""
WINDOW_POWER = 3 / 8 * SIZE
"""Of white noise with unit mean square, the mean power of a bin behind a Hann window."""


@dataclass(frozen=True)
class Noise:
    """The steady noise that was found.

    Attributes:
        floor_dbfs: its root mean square in dB of full scale.
        slope_db_per_octave: of its power density between 200 Hz and 6 kHz.
        spread_db: how far, in the middle of the bands, the quietest tenth of a minute lies below its middle; steady
            noise has a decibel or two, music ten and more.
    """

    floor_dbfs: float
    slope_db_per_octave: float
    spread_db: float


@dataclass(frozen=True)
class Cutoff:
    """A frequency above which there is nothing, and the drop of the level there in dB."""

    hertz: float
    drop_db: float


class SpectrumMeter:
    """Accumulates a quarter of a recording, in evenly spaced cells, block by block."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._held = Window(1)
        self._next = 0
        self._moments = np.full((MINUTE, BANDS), np.nan, np.float32)
        self._accumulated = 0
        self._quietest: tuple[float, Noise] | None = None
        self._power = np.zeros(SIZE // 2 + 1)
        self._columns = 0

    def update(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames)."""
        self._held.append(block.mean(axis=0, keepdims=True, dtype=np.float64))
        length = CELL * HOP + SIZE - HOP
        while self._next + length <= self._held.stop:
            self._accumulate(self._held.read(self._next, self._next + length))
            self._next += STRIDE * CELL * HOP
            self._held.forget(self._next)

    def _accumulate(self, frames: Audio) -> None:
        columns = spectra(frames)[0]
        self._power += (columns.real**2 + columns.imag**2).sum(axis=0, dtype=np.float64)
        self._columns += len(columns)
        moments = quiet_moments(band_powers(columns))
        place = self._accumulated % MINUTE
        self._moments[place : place + len(moments)] = moments[: MINUTE - place]
        self._accumulated += len(moments)

    def noise(self) -> Noise | None:
        """The noise of the last few minutes; None if they were silent, or too short."""
        floor = find_floor(self._moments, MINUTE)
        if floor is None:
            return None
        density = per_bin(floor.power) * 10 ** (QUIETER_DB / 10) / WINDOW_POWER
        hertz = np.arange(len(density)) * self._spec.sample_rate / SIZE
        used = (hertz > OCTAVES_FROM_HZ) & (hertz < min(OCTAVES_TO_HZ, 0.4 * self._spec.sample_rate))
        slope = float(np.polyfit(np.log2(hertz[used]), 10 * np.log10(density[used]), 1)[0])
        spread = float(np.median(10 * np.log10(floor.quantiles[2] / floor.quantiles[0])))
        return Noise(10 * log10(float(density.mean())), slope, spread)

    def cutoff(self) -> Cutoff | None:
        """Where the recording as a whole is cut off; None if it is not."""
        return find_cutoff(self._power / max(1, self._columns), self._spec.sample_rate)


def find_cutoff(power: NDArray[np.float64], sample_rate: int) -> Cutoff | None:
    """The steepest fall of a spectrum above which nothing more comes.

    Args:
        power: mean power of the bins from 0 to half the sample rate.
        sample_rate: in Hz.

    >>> power = np.where(np.arange(2049) < 743, 1.0, 1e-8)  # 8 kHz of 44.1
    >>> round(find_cutoff(power, 44100).hertz / 100)
    80
    """
    level = 10 * np.log10(np.maximum(power, 1e-12))
    bin_hz = sample_rate / 2 / (len(power) - 1)
    total = np.concatenate([[0.0], np.cumsum(level)])

    def mean(edges: tuple[float, float], hertz: NDArray[np.float64]) -> NDArray[np.float64]:
        low, high = (np.minimum(np.round(edge * hertz / bin_hz).astype(int), len(level)) for edge in edges)
        return np.asarray((total[high] - total[low]) / np.maximum(1, high - low))

    hertz = np.arange(LOWEST_HZ, min(HIGHEST_HZ, sample_rate / 2 / ABOVE[1]), bin_hz)
    if not len(hertz):
        return None
    drop = mean(BELOW, hertz) - mean(ABOVE, hertz)
    best = int(drop.argmax())
    loudest_above = level[round(hertz[best] * ABOVE[0] / bin_hz) :].max()
    if drop[best] < STEEP_DB or loudest_above > mean(BELOW, hertz)[best] - STEEP_DB / 2:
        return None
    edge = mean(BELOW, hertz)[best] - EDGE_DB
    above = round(hertz[best] * ABOVE[1] / bin_hz)
    return Cutoff(float(np.flatnonzero(level[:above] > edge)[-1] * bin_hz), float(drop[best]))
