"""Scratches, taken out."""

from typing import ClassVar

import numpy as np

from ....spec import Audio, Spec
from ..cells import CellRepair
from ..samples import at_once, marked, runs, size_at
from .bridge import bridged
from .finder import ScratchFinder

__all__ = ["Descratch"]

FRAME = 2048
"""Frames of audio over which sound is taken as steady, at 44.1 kHz."""
HOPS = 256
"""Halves of them in a cell."""
CONTEXT_HOPS = 64
BRIDGE_SECONDS = 0.07
"""Before and after a scratch, what it is bridged with."""


class Descratch(CellRepair):
    """Takes loud scratches of 3 to 11 ms out; samples outside of them are returned bit for bit.

    Raises:
        ConfigError: a strength outside 0 to 1.

    >>> Descratch(Spec(44100, 2)).latency / 44100 < 7.5
    True
    """

    name: ClassVar[str] = "scratches"
    counts: ClassVar[tuple[str, ...]] = ("scratches", "samples")

    def __init__(self, input: Spec, strength: float = 1.0) -> None:
        frame = size_at(input.sample_rate, FRAME)
        self._finder, self._side = ScratchFinder(input.sample_rate, frame), round(BRIDGE_SECONDS * input.sample_rate)
        super().__init__(input, HOPS * frame // 2, CONTEXT_HOPS * frame // 2, strength)

    def mend(self, window: Audio) -> tuple[Audio, list[float]]:
        given = window[:, self.inner]
        channels = window.astype(np.float64)
        found = self._finder.find(channels)
        scratches = np.stack([marked(gaps.begins, gaps.ends, window.shape[1]) for gaps in found])[:, self.inner]
        if not scratches.any():
            return given, [0.0, 0.0]
        filled = np.stack(at_once(lambda sound, gaps: bridged(sound, gaps, self._side), channels, found))
        mended = np.where(scratches, filled[:, self.inner], given).astype(np.float32)
        return mended, [float(len(runs(np.any(scratches, axis=0))[0])), float(scratches.sum())]
