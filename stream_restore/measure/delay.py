"""Finding the delay between two recordings, in bounded memory."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
import scipy  # loads scipy.fft, which is slow to import, when it is needed
from numpy.typing import NDArray

from ..errors import ConfigError
from .fixed_windows import FixedWindowAccumulator

__all__ = ["Delay", "DelayFinder"]

BLOCKS = 12
"""Of the reference in a cell."""
LONGEST = 1 << 15
"""Frames of a block, about: a transform of twice the length then fits a core's cache."""


@dataclass(frozen=True)
class Delay:
    """The delay of the highest correlation between estimate and reference.

    Attributes:
        frames: by which the estimate is late; negative: early.
        correlation: of the two at that delay, -1 to 1; negative: the estimate is sign-flipped.
        undelayed: their correlation without any delay.
    """

    frames: int
    correlation: float
    undelayed: float


class DelayFinder(FixedWindowAccumulator[Delay]):
    """Cross-correlates two recordings for all delays up to `most` frames, all channels together.

    Each block of the reference is correlated with the blocks of the estimate around it. The spectrum of a block serves
    all products that it is part of, and these are summed over the blocks of a cell before they become correlations.
    The caller must pad recordings of different length with silence.

    Raises:
        ConfigError: if `most` is less than 1.

    >>> sound = np.random.default_rng(0).standard_normal((1, 5000)).astype(np.float32)
    >>> finder = DelayFinder(1, most=100)
    >>> finder.update(np.pad(sound, ((0, 0), (0, 30))), -np.pad(sound, ((0, 0), (30, 0))))
    >>> finder.result().frames, round(finder.result().correlation, 3)
    (30, -1.0)
    """

    def __init__(self, channels: int, most: int, start: int = 0) -> None:
        if most < 1:
            raise ConfigError(f"the longest delay to look for must be at least one frame, got {most}")
        self.most = most
        # A delay is at most so many blocks.
        self._reach = -(-most // LONGEST)
        # Powers of two, times a little: these transforms are the fastest.
        self._size = 64 * scipy.fft.next_fast_len(-(-most // (32 * self._reach)), real=True)
        self._block = self._size // 2
        frames, left = BLOCKS * self._block, 2 * self._reach * self._block
        super().__init__(channels, start, size=2 * most + 3, cell_frames=frames, left=left, most=most)

    def compute(self, window: NDArray[np.float32], cell: int) -> NDArray[np.float64]:
        # Cell and window lie `reach` blocks behind the frames of the reference, so that nothing ahead is needed.
        around: list[NDArray[np.complex128]] = []
        cross = np.zeros((2 * self._reach + 1, self._block + 1), complex)
        product = np.empty(self._block + 1, complex)
        for number in range(BLOCKS + 2 * self._reach):
            around = [*around[-2 * self._reach :], self._spectra(window[self.channels :], number)]
            if number < 2 * self._reach:
                continue
            reference = np.conj(self._spectra(window[: self.channels], number - self._reach))
            for total, estimate in zip(cross, around, strict=True):
                for pair in zip(reference, estimate, strict=True):
                    total += np.multiply(*pair, out=product)
        inner = window[:, self._reach * self._block : -self._reach * self._block]
        both = inner[: self.channels], inner[self.channels :]
        energies = [np.square(each, dtype=np.float64).sum() for each in both]
        return np.concatenate([self._match(cross), energies])

    def _spectra(self, sound: NDArray[np.float32], number: int) -> NDArray[np.complex128]:
        """Of block `number`, each channel, followed by as much silence: products do not wrap around."""
        block = sound[:, number * self._block : (number + 1) * self._block]
        return np.asarray(scipy.fft.rfft(block.astype(np.float64), self._size))

    def _match(self, cross: NDArray[np.complex128]) -> NDArray[np.float64]:
        """The correlations at all delays, -most to most, from the cross-spectra with the blocks from first to last."""
        reached = np.zeros((2 * self._reach + 2) * self._block)
        for number, found in enumerate(scipy.fft.irfft(cross, self._size)):
            start = number * self._block
            reached[start : start + self._size] += np.roll(found, self._block)
        middle = (self._reach + 1) * self._block
        return reached[middle - self.most : middle + self.most + 1]

    def figures(self) -> Delay:
        sums = self.sums.values()
        match, scale = sums[:-2], sqrt(sums[-2]) * sqrt(sums[-1])
        if not scale:
            return Delay(0, 0.0, 0.0)
        best = int(np.argmax(np.abs(match)))
        correlations = np.clip(match[[best, self.most]] / scale, -1, 1).tolist()
        return Delay(best - self.most, *correlations)
