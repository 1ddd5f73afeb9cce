"""Whether peaks were cut off: many samples at the very top, in runs that the sound approaches step by step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..engine.window import Window
from ..spec import Audio

__all__ = ["Clipping", "ClippingMeter"]

CELL = 65536
"""Frames in which the level of clipping is taken for constant."""
TOP, NEXT = 0.998, 0.99
"""The band in which cut-off peaks lie, and the one below, four times as wide; in parts of the peak."""
PILED_UP = 2.0
"""So many times as many samples lie in the first; a sine has 0.8 times, music a tenth."""
LEAST_SAMPLES = 20
RUN = 2
"""Neighbouring samples at the top that make a cut-off peak."""
APPROACH = 0.5
"""Before and after a cut-off peak the sound is at least so near the top; a square wave is on the other side."""
QUIET = 1e-3


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
    """Hears a recording block by block."""

    def __init__(self, channels: int) -> None:
        self._held = Window(channels)
        self._samples = self._clipped = 0
        self._levels = np.zeros(20_000, np.int64)

    def update(self, block: Audio) -> None:
        """Add a block, shape (channels, frames)."""
        self._held.append(block)
        while self._held.stop - self._held.start >= CELL:
            self._hear(self._held.read(self._held.start, self._held.start + CELL))
            self._held.forget(self._held.start + CELL)

    def result(self) -> Clipping | None:
        """What was found; None if there is nothing. It ends the recording."""
        self._hear(self._held.read(self._held.start, self._held.stop))
        if not self._clipped:
            return None
        middle = np.searchsorted(np.cumsum(self._levels), self._levels.sum() / 2)
        return Clipping(self._clipped / self._samples, float((middle + 0.5) / len(self._levels) * 2))

    def _hear(self, frames: Audio) -> None:
        self._samples += frames.size
        for channel in frames:
            for half in (channel, -channel):
                peak = float(half.max(initial=0.0))
                clipped = _clipped(half, peak) if peak > QUIET else 0
                self._clipped += clipped
                if clipped:
                    self._levels[min(len(self._levels) - 1, int(peak / 2 * len(self._levels)))] += 1


def _clipped(half: NDArray[np.float32], peak: float) -> int:
    """How many samples of the positive side are cut off."""
    top = half >= TOP * peak
    count = int(top.sum())
    below = int((half >= NEXT * peak).sum()) - count
    if count < LEAST_SAMPLES or count < PILED_UP * below:
        return 0
    edges = np.flatnonzero(np.diff(np.concatenate([[False], top, [False]]).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    long = (ends - begins >= RUN) & (begins > 0) & (ends < len(half))
    begins, ends = begins[long], ends[long]
    if len(begins) < LEAST_SAMPLES // 4:
        return 0
    near = (half[begins - 1] > APPROACH * peak) & (half[ends] > APPROACH * peak)
    return count if near.mean() > 0.5 else 0
