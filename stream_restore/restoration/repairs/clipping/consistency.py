"""Sounds that agree with a clipped one: equal where it is not clipped, and as far from 0 or farther where it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bounds", "Frames", "bounds"]

Frames = NDArray[np.float32]


@dataclass(frozen=True)
class Bounds:
    """Of every sample of a sound, any shape; equal where it is known."""

    low: Frames
    high: Frames

    def nearest(self, sound: Frames) -> Frames:
        """What is nearest to `sound`, which is overwritten, and agrees."""
        np.maximum(sound, self.low, out=sound)
        return np.minimum(sound, self.high, out=sound)

    def of(self, rows: NDArray[np.bool_] | slice) -> "Bounds":
        """Those of some rows."""
        return Bounds(self.low[rows], self.high[rows])


def bounds(given: Frames, clipped: NDArray[np.bool_]) -> Bounds:
    """Those of a sound of which some samples are clipped.

    >>> bounds(np.float32([[0.1, 0.5, -0.5]]), np.array([[False, True, True]])).nearest(np.float32([[0, 0.7, 0.1]]))
    array([[ 0.1,  0.7, -0.5]], dtype=float32)
    """
    infinity = np.float32(np.inf)
    low = np.where(clipped & (given <= 0), -infinity, given)
    high = np.where(clipped & (given > 0), infinity, given)
    return Bounds(low, high)
