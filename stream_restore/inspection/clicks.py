"""A fast count of clicks: outliers of at most three milliseconds in the fourth difference of a recording.

Differences of fourth order leave little of music, which is smooth from sample to sample, and all of a click. A drum
lasts longer than a click. `Declick` detects and repairs clicks more precisely; this shows whether that is worthwhile.
"""

import numpy as np
from numpy.typing import NDArray

from ..engine.window import Window
from ..restoration.repairs.samples import median
from ..spec import Audio, Spec

__all__ = ["ClickMeter"]

ORDER = 4
CELL = 65536
SCALE = 1024
"""Frames over which the usual size of a difference is taken, as their median."""
STANDS_OUT = 25.0
"""How many times that size a click has."""
LONGEST_SECONDS = 0.003
QUIET_AROUND = 0.2
"""Part of a click's size that the three milliseconds before and after it stay below."""
LEAST = 1e-4
"""A difference below this, -80 dBFS, is not an audible click."""


class ClickMeter:
    """Counts clicks block by block; a click in several channels counts once."""

    def __init__(self, spec: Spec) -> None:
        self._around = max(4, round(LONGEST_SECONDS * spec.sample_rate))
        self._rate = spec.sample_rate
        self._held = Window(spec.channels)
        self._frames = self._clicks = 0

    def update(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames)."""
        self._held.append(block)
        self._frames += block.shape[1]
        while self._held.stop - self._held.start >= CELL:
            start = self._held.start
            self._clicks += self._count(self._held.read(start, start + CELL))
            self._held.forget(start + CELL)

    def per_minute(self) -> float:
        """Clicks a minute, without the last second or so."""
        return 60 * self._clicks * self._rate / self._frames if self._frames else 0.0

    def _count(self, frames: Audio) -> int:
        sizes = np.abs(np.diff(frames, ORDER, axis=1)).max(axis=0)
        usable = len(sizes) // SCALE * SCALE
        sizes = sizes[:usable]
        usual = median(sizes.reshape(-1, SCALE)).repeat(SCALE)
        found = np.flatnonzero((sizes > STANDS_OUT * usual) & (sizes > LEAST))
        if not len(found):
            return 0
        apart = np.flatnonzero(np.diff(found) > self._around)
        firsts, lasts = found[np.append(0, apart + 1)], found[np.append(apart, -1)]
        return sum(self._is_click(sizes, *ends) for ends in zip(firsts.tolist(), lasts.tolist(), strict=True))

    def _is_click(self, sizes: NDArray[np.float32], first: int, last: int) -> bool:
        gap = self._around
        if last - first > gap or first < 2 * gap or last + 2 * gap >= len(sizes):
            return False
        size = QUIET_AROUND * float(sizes[first : last + 1].max())
        before, after = sizes[first - gap : first - 4], sizes[last + 5 : last + gap]
        return bool(before.max(initial=0.0) < size and after.max(initial=0.0) < size)
