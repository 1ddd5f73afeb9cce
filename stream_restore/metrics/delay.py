"""Finding the delay between two recordings, in bounded memory."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from ..errors import ConfigError, SpecError
from ..spec import Audio
from ..window import Window

__all__ = ["Delay", "DelayFinder"]


@dataclass(frozen=True)
class Delay:
    """Where an estimate resembles its reference most.

    Attributes:
        frames: by which the estimate comes late; negative: early.
        correlation: of the two at that delay, -1 to 1; negative: the estimate is sign-flipped.
        undelayed: their correlation without any delay.
    """

    frames: int
    correlation: float
    undelayed: float


class DelayFinder:
    """Cross-correlates two recordings for all delays up to `most` frames, all channels together.

    The reference is taken in cells of 2*most frames, anchored at frame 0, each with the estimate from `most` frames
    before to `most` after it. What is summed are cross-spectra, so memory and the one inverse transform at the end
    do not depend on the length. The recordings may differ in length.

    Raises:
        ConfigError: no delay to look for.

    >>> sound = np.random.default_rng(0).standard_normal((1, 5000)).astype(np.float32)
    >>> finder = DelayFinder(1, most=100)
    >>> finder.update(sound, np.concatenate([np.zeros((1, 30)), -sound], axis=1))
    >>> finder.result().frames, round(finder.result().correlation, 3)
    (30, -1.0)
    """

    def __init__(self, channels: int, most: int) -> None:
        if most < 1:
            raise ConfigError(f"the longest delay to look for must be at least one frame, got {most}")
        self.most = most
        self._size = next_fast_len(4 * most, real=True)
        self._reference, self._estimate = Window(channels), Window(channels)
        self._cell = 0
        self._spectrum = np.zeros(self._size // 2 + 1, np.complex128)
        self._energies = np.zeros(2)

    def update(self, reference: Audio, estimate: Audio) -> None:
        """Add a block of each, shape (channels, any number of frames).

        Raises:
            SpecError: different numbers of channels.
        """
        if len(reference) != len(estimate):
            raise SpecError(f"reference has {len(reference)} channels, estimate {len(estimate)}")
        self._reference.append(reference)
        self._estimate.append(estimate)
        while self._reference.stop >= self._end and self._estimate.stop >= self._end + self.most:
            self._spectrum, self._energies = self._next()
            self._cell += 1
            self._reference.forget(self._cell * 2 * self.most)
            self._estimate.forget(self._cell * 2 * self.most - self.most)

    def result(self) -> Delay:
        """The delay found in all that was heard, as if it ended here; more may follow."""
        kept = self._cell, self._spectrum, self._energies
        while self._end - 2 * self.most < max(self._reference.stop, self._estimate.stop):
            self._spectrum, self._energies = self._next()
            self._cell += 1
        found = self._delay()
        self._cell, self._spectrum, self._energies = kept
        return found

    @property
    def _end(self) -> int:
        """The frame after the cell to come."""
        return (self._cell + 1) * 2 * self.most

    def _next(self) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """The sums with the share of the cell to come."""
        begin, end = self._end - 2 * self.most, self._end
        reference = self._reference.read(begin, end).astype(np.float64)
        estimate = self._estimate.read(begin - self.most, end + self.most).astype(np.float64)
        inside = estimate[:, self.most : -self.most]
        cross = (np.conj(rfft(reference, self._size)) * rfft(estimate, self._size)).sum(axis=0)
        energies = np.array([np.square(reference).sum(), np.square(inside).sum()])
        return self._spectrum + cross, self._energies + energies

    def _delay(self) -> Delay:
        scale = sqrt(self._energies[0]) * sqrt(self._energies[1])
        if not scale:
            return Delay(0, 0.0, 0.0)
        # Place k is the delay k - most.
        match = irfft(self._spectrum, self._size)[: 2 * self.most + 1] / scale
        best = int(np.argmax(np.abs(match)))
        return Delay(best - self.most, float(match[best]), float(match[self.most]))
