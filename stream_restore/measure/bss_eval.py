"""BSS-eval SDR in bounded memory: projection by correlations that are accumulated, and solved once at the end.

The estimate is split into the reference filtered by 512 taps, and the rest (Vincent, Gribonval and
Fevotte, "Performance measurement in blind audio source separation", IEEE TASLP 2006; the filters span the whole
recording, as in version 4 of the toolkit: Stoter, Liutkus and Ito, "The 2018 signal separation evaluation campaign").
The filters solve the normal equations G c = d, with the reference's auto-correlation in G and the cross-correlation
with the estimate in d. Both are sums over frames; the energy that the filters explain is <d, c>.
"""

from math import inf, log10, nan

import numpy as np
import scipy  # loads scipy.fft and scipy.linalg, which are slow to import, when they are needed
from numpy.typing import NDArray

from ..errors import ConfigError
from .fixed_windows import FixedWindowAccumulator

__all__ = ["TAPS", "Projection"]

TAPS = 512
MOST = 16
"""Channels: the matrix of the normal equations then takes half a gigabyte."""
_SIZE, _HEAD = 1 << 14, 1 << 10
"""Of transforms: long enough that no lag of interest wraps around."""
_PIECE = _SIZE - 2 * (TAPS - 1)
"""Frames whose products are taken from one transform."""
_CELL = 4 * _PIECE
_NOTHING = 1e-13
"""A part of the estimate's energy below this is rounding."""


class Projection(FixedWindowAccumulator[float]):
    """Accumulates correlations block by block; `result` is the SDR in dB of all channels together.

    Each channel of the estimate is projected on delayed copies (0 to 511 frames) of all channels of the reference.
    Recordings are followed by silence, so a delayed copy has to ring out. A filtered, scaled or sign-flipped reference:
    inf. A silent estimate, or one without any of the reference: -inf. A silent reference: nan.

    Raises:
        ConfigError: if there are more than `MOST` channels.

    >>> reference = np.random.default_rng(0).standard_normal((1, 20000)).astype(np.float32)
    >>> reference[:, -3:] = 0
    >>> projection = Projection(1)
    >>> projection.update(reference, -0.5 * np.roll(reference, 3))
    >>> projection.result()
    inf
    """

    def __init__(self, channels: int, start: int = 0) -> None:
        if channels > MOST:
            raise ConfigError(f"at most {MOST} channels can be compared at once, got {channels}; take fewer of them")
        size = 2 * channels * (channels * TAPS + 1)
        super().__init__(channels, start, size=size, cell_frames=_CELL, left=TAPS - 1)

    def compute(self, window: NDArray[np.float32], cell: int) -> NDArray[np.float64]:
        sound = window.astype(np.float64)
        # All products of a piece and its past, less those within that past, which belong to the piece before.
        whole, past = self._no_spectra(_SIZE), self._no_spectra(_HEAD)
        for begin in range(0, _CELL, _PIECE):
            self._add_spectra(whole, sound[:, begin : begin + _PIECE + TAPS - 1], _SIZE)
            self._add_spectra(past, sound[:, begin : begin + TAPS - 1], _HEAD)
        found = np.empty((2 * self.channels, self.channels, TAPS))
        for channel, (more, less) in enumerate(zip(whole, past, strict=True)):
            products, others = scipy.fft.irfft(more, _SIZE), scipy.fft.irfft(less, _HEAD)
            found[channel:, channel] = products[:, :TAPS] - others[:, :TAPS]
            # Channel `channel` with earlier frames of another is that one with later frames of this.
            between = slice(channel + 1, self.channels)
            here = slice(1, self.channels - channel)
            found[channel, between] = _reversed(products[here]) - _reversed(others[here])
        energies = np.square(sound[:, TAPS - 1 :]).sum(axis=1)
        return np.concatenate([found.ravel(), energies])

    def _no_spectra(self, size: int) -> list[NDArray[np.complex128]]:
        """Room for the cross-spectra of each reference channel with itself, later ones, and the estimate."""
        return [np.zeros((2 * self.channels - each, size // 2 + 1), complex) for each in range(self.channels)]

    def _add_spectra(self, spectra: list[NDArray[np.complex128]], sound: NDArray[np.float64], size: int) -> None:
        transformed = scipy.fft.rfft(sound, size)
        for channel, total in enumerate(spectra):
            total += transformed[channel:] * np.conj(transformed[channel])

    def figures(self) -> float:
        sums, count = self.sums.values(), 2 * self.channels
        # found[i, k, lag]: of signal i with channel k of the reference, `lag` frames earlier.
        found, energies = sums[:-count].reshape(count, self.channels, TAPS), sums[-count:]
        energy = float(energies[self.channels :].sum())
        if not energies[: self.channels].any():
            return nan
        wanted = found[self.channels :].reshape(self.channels, -1).T
        filters = scipy.linalg.lstsq(_gram(found[: self.channels]), wanted, cond=1e-14, lapack_driver="gelsy")[0]
        return _decibels(float((wanted * filters).sum()), energy)


def _reversed(products: NDArray[np.float64]) -> NDArray[np.float64]:
    """The products at lags 0, -1, ... -(TAPS - 1)."""
    return np.concatenate([products[:, :1], products[:, :-TAPS:-1]], axis=1)


def _gram(found: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix of the normal equations, shape (channels*TAPS, channels*TAPS).

    Row (i, a), column (k, b) is <channel i delayed by a, channel k delayed by b>, which depends on b - a only: a
    Toeplitz block, whose first row is found[i, k] and whose first column is found[k, i].
    """
    channels = range(len(found))
    return np.block([[scipy.linalg.toeplitz(found[k, i], found[i, k]) for k in channels] for i in channels])


def _decibels(explained: float, energy: float) -> float:
    if explained <= _NOTHING * energy:
        return -inf
    rest = energy - explained
    return 10 * log10(explained / rest) if rest > _NOTHING * energy else inf
