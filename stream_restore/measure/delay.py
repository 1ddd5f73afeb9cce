"""Finding the delay between two recordings, in bounded memory."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft

from ..errors import ConfigError
from .fixed_windows import FixedWindowAccumulator

__all__ = ["Delay", "DelayFinder"]


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

    Every 2*most frames of the reference are correlated with the estimate from `most` frames before to `most` after
    them. The caller must pad recordings of different length with silence.

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
        super().__init__(channels, start, size=2 * most + 3, cell_frames=2 * most, left=2 * most, most=most)
        self.most = most
        self._size = next_fast_len(4 * most, real=True)

    def compute(self, window: NDArray[np.float32], cell: int) -> None:
        # Cell and window lie `most` frames behind the frames of the reference, so that nothing ahead is needed.
        inner = slice(self.most, 3 * self.most)
        reference = window[: self.channels, inner].astype(np.float64)
        estimate = window[self.channels :].astype(np.float64)
        cross = (np.conj(rfft(reference, self._size)) * rfft(estimate, self._size)).sum(axis=0)
        # Place k is the delay k - most; the transform is long enough that nothing wraps around.
        match = irfft(cross, self._size)[: 2 * self.most + 1]
        energies = [np.square(reference).sum(), np.square(estimate[:, inner]).sum()]
        self.sums.add(np.concatenate([match, energies]))

    def figures(self) -> Delay:
        sums = self.sums.values()
        match, scale = sums[:-2], sqrt(sums[-2]) * sqrt(sums[-1])
        if not scale:
            return Delay(0, 0.0, 0.0)
        best = int(np.argmax(np.abs(match)))
        return Delay(best - self.most, float(match[best] / scale), float(match[self.most] / scale))
