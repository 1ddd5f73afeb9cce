"""Noise floor of a recording, from its spectrum."""

from dataclasses import dataclass
from math import log10

import numpy as np

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

__all__ = ["Noise", "SpectrumMeter"]

MINUTE = 336
"""Moments in which a noise floor is estimated."""
CELL = COLUMNS * 16
LENGTH = CELL * HOP + SIZE - HOP
"""Frames of a cell."""
STRIDE = 4
"""One of so many cells is analysed: a steady noise floor shows in a part of the time."""
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


class SpectrumMeter:
    """Accumulates a quarter of a recording, in evenly spaced cells, block by block."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._frames = 0
        self._held = Window(1)  # of the cell that comes next, or has begun
        self._moments = np.full((MINUTE, BANDS), np.nan, np.float32)
        self._accumulated = 0
        self._quietest: tuple[float, Noise] | None = None

    def update(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames)."""
        begin, self._frames = self._frames, self._frames + block.shape[1]
        while self._held.stop < self._frames:
            ahead = block[:, self._held.stop - begin : self._held.start + LENGTH - begin]
            self._held.append(ahead.mean(axis=0, keepdims=True, dtype=np.float64))
            if self._held.stop == self._held.start + LENGTH:
                self._accumulate(self._held.read(self._held.start, self._held.stop))
                self._held = Window(1, start=self._held.start + STRIDE * CELL * HOP)

    def _accumulate(self, frames: Audio) -> None:
        columns = spectra(frames)[0]
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
