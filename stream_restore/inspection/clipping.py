"""Clipping: whether peaks were cut off, and how many samples."""

from dataclasses import dataclass

import numpy as np

from ..engine.window import Window
from ..restoration.repairs.clipping.blurred import blurred_level
from ..restoration.repairs.clipping.level import clip_level
from ..spec import Audio

__all__ = ["Clipping", "ClippingMeter"]

CELL = 131072
"""Frames in which the clipping level is assumed constant."""


@dataclass(frozen=True)
class Clipping:
    """Cut-off peaks.

    Attributes:
        share: of all samples, those that were cut off.
        level: at which, full scale 1; the median over the cells in which there are any.
    """

    share: float
    level: float


class ClippingMeter:
    """Accumulates clipping block by block."""

    def __init__(self, channels: int) -> None:
        self._held = Window(channels)
        self._samples = self._clipped = 0
        self._levels = np.zeros(20_000, np.int64)

    def update(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames)."""
        self._held.append(block)
        while self._held.stop - self._held.start >= CELL:
            self._accumulate(self._held.read(self._held.start, self._held.start + CELL))
            self._held.forget(self._held.start + CELL)

    def result(self) -> Clipping | None:
        """The clipping found; None if there is none. Ends the stream."""
        self._accumulate(self._held.read(self._held.start, self._held.stop))
        if not self._clipped:
            return None
        middle = np.searchsorted(np.cumsum(self._levels), self._levels.sum() / 2)
        return Clipping(self._clipped / self._samples, float((middle + 0.5) / len(self._levels) * 2))

    def _accumulate(self, frames: Audio) -> None:
        self._samples += frames.size
        for channel in frames:
            for half in (channel, -channel):
                level = clip_level(half) or blurred_level(half)
                if level is not None:
                    self._clipped += int(np.count_nonzero(half >= level))
                    self._levels[min(len(self._levels) - 1, int(level / 2 * len(self._levels)))] += 1
