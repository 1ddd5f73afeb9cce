"""Figures from spectra: log-spectral distance, and SDR below and above a frequency."""

from dataclasses import dataclass
from fractions import Fraction
from math import nan

import numpy as np
import scipy  # loads scipy.fft, which is slow to import, when it is needed
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..errors import ConfigError
from ..spec import Spec
from .distortion import decibels
from .fixed_windows import CELL, FixedWindowAccumulator

__all__ = ["FLOOR", "HOP", "SIZE", "Spectral", "SpectralFigures"]

SIZE, HOP = 2048, 512
COLUMNS = CELL // HOP
PIECE = 16
"""Columns computed at once: they fit a core's cache."""
FLOOR = 1e-10
"""Powers below this count as this: -100 dB of a sine at full scale."""
_WINDOW = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SIZE) / SIZE)
_FULL_SCALE = 4 / _WINDOW.sum() ** 2
"""Makes the power of a sine at full scale 1 in its bin."""


@dataclass(frozen=True)
class SpectralFigures:
    """Figures from spectra of 2048 frames under a Hann window, every 512 frames, all channels together.

    Attributes:
        lsd_db: log-spectral distance: the root mean square, over frequency, of the difference of the two levels in dB,
            averaged over time (Gray and Markel, "Distance measures for speech processing", 1976). Levels below -100 dB
            of a sine at full scale count as -100 dB. 0 for identical signals, nan without any frames.
        sdr_below_db: SDR below `split_hz`.
        sdr_above_db: SDR at and above it. Both: inf without distortion; -inf if the band of the reference is silent;
            nan if the band of both is silent, or empty.
        split_hz: where the bands meet.
    """

    lsd_db: float
    sdr_below_db: float
    sdr_above_db: float
    split_hz: float


class Spectral(FixedWindowAccumulator[SpectralFigures]):
    """Accumulates spectra block by block.

    Squared Hann windows, a quarter of their length apart, add up to a constant: energies of the columns add up
    to the energy of the signal, so the bands' energies are shares of the whole.

    Raises:
        ConfigError: if `split_hz` is not above 0.

    >>> spectral = Spectral(Spec(44100, 1), split_hz=7000)
    >>> tone = np.sin(np.arange(44100) / 7, dtype=np.float32)[None]
    >>> spectral.update(tone, 0.5 * tone)
    >>> round(spectral.result().sdr_below_db, 2)
    6.02
    """

    def __init__(self, spec: Spec, split_hz: float = 7000.0, start: int = 0) -> None:
        if not split_hz > 0:
            raise ConfigError(f"the frequency that splits bands must be above 0 Hz, got {split_hz}")
        super().__init__(spec.channels, start, size=6, sample_rate=spec.sample_rate, split_hz=split_hz)
        self.split_hz = split_hz
        # Bins on the axis, in units of SIZE: bin k is the frequency k * sample_rate / SIZE.
        self._below = np.arange(SIZE // 2 + 1) * spec.sample_rate < split_hz * SIZE
        # A real signal's bins but the first and last stand for two frequencies.
        self._weight = np.where(np.arange(SIZE // 2 + 1) % (SIZE // 2) == 0, 1.0, 2.0)

    def compute(self, window: NDArray[np.float32], cell: int) -> NDArray[np.float64]:
        columns = sliding_window_view(window, SIZE, axis=1)[:, ::HOP][:, :COLUMNS]
        covered = self._covered(cell)
        pieces = [slice(first, first + PIECE) for first in range(0, COLUMNS, PIECE)]
        channels = [columns[channel :: self.channels] for channel in range(self.channels)]
        return np.asarray(sum(self._share(both[:, piece], covered[piece]) for both in channels for piece in pieces))

    def figures(self) -> SpectralFigures:
        distance, columns, *energies = self.sums.values().tolist()
        r_below, r_above, d_below, d_above = map(Fraction, energies)
        lsd = distance / columns if columns else nan
        return SpectralFigures(lsd, decibels(r_below, d_below), decibels(r_above, d_above), self.split_hz)

    def _covered(self, cell: int) -> NDArray[np.bool_]:
        """Which columns have their centre in the recording. A column ends HOP frames after its grid position."""
        centres = (cell * COLUMNS + np.arange(COLUMNS) - 1) * HOP
        return (centres >= self.start) & (centres <= self.stop)

    def _share(self, columns: NDArray[np.float32], covered: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The sums of one channel of reference and estimate, shape (2, columns, SIZE)."""
        reference, estimate = scipy.fft.rfft(columns * _WINDOW)
        powers = [_power(reference), _power(estimate), _power(reference - estimate)]
        energies = [self._energies(power) for power in (powers[0], powers[2])]
        distances = _distances(powers[0], powers[1]) * covered
        return np.array([distances.sum(), covered.sum(), *energies[0], *energies[1]])

    def _energies(self, power: NDArray[np.float64]) -> tuple[float, float]:
        """Below and above the frequency where the bands meet."""
        energy = power.sum(axis=0) * self._weight
        return float((energy * self._below).sum()), float((energy * ~self._below).sum())


def _power(spectrum: NDArray[np.complex128]) -> NDArray[np.float64]:
    return np.square(spectrum.real) + np.square(spectrum.imag)


def _distances(reference: NDArray[np.float64], estimate: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distance in dB of every column from powers, shape (columns, bins)."""
    ratio = np.maximum(reference, FLOOR / _FULL_SCALE) / np.maximum(estimate, FLOOR / _FULL_SCALE)
    return np.asarray(10 * np.sqrt(np.square(np.log10(ratio)).mean(axis=-1)))
