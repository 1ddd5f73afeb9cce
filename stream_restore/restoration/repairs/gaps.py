"""Repairs of gaps: short parts of channels that are found by what is around them, and made anew."""

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...spec import Audio, Spec
from .cells import CellRepair
from .samples import at_once, marked, runs, size_at

__all__ = ["BLOCKS", "QUIETEST", "GapRepair", "Gaps", "Places", "Samples"]

Samples = NDArray[np.float64]
Places = NDArray[np.int64]

FRAME = 2048
"""Frames of audio over which sound is taken as steady, at 44.1 kHz."""
HOPS = 256
"""Halves of them in a cell."""
CONTEXT_HOPS = 64
BLOCKS = 32
"""Of a frame, whose errors are compared with each other."""
QUIETEST = 2e-5
"""Full scale is 1: the rounding of 16 bits."""


@dataclass(frozen=True)
class Gaps:
    """Parts [begins, ends) of a channel, one after another, apart from each other; shape (gaps,) each."""

    begins: Places
    ends: Places

    def __len__(self) -> int:
        return len(self.begins)

    def __getitem__(self, chosen: slice | Places | NDArray[np.bool_]) -> "Gaps":
        return Gaps(self.begins[chosen], self.ends[chosen])

    @property
    def sizes(self) -> Places:
        """Samples in each."""
        return self.ends - self.begins


class GapRepair(CellRepair):
    """Finds gaps in the nine seconds around each cell of six, and fills them; all else is returned bit for bit.

    An author writes `find(sound)` and `fill(sound, gaps, known)`, and names two figures in `counts`: gaps, of channels
    that have one at the same time together, and samples.

    Attributes:
        frame: over which sound is taken as steady, a power of two.
    """

    def __init__(self, input: Spec, strength: float) -> None:
        self.frame = size_at(input.sample_rate, FRAME)
        hop = self.frame // 2
        super().__init__(input, HOPS * hop, CONTEXT_HOPS * hop, strength)

    @abstractmethod
    def find(self, sound: Samples) -> list[tuple[Gaps, Samples]]:
        """Of each channel the gaps, and what `fill` is to learn from, shape (n,).

        Args:
            sound: shape (channels, n), n a multiple of half a frame.
        """

    @abstractmethod
    def fill(self, sound: Samples, gaps: Gaps, known: Samples) -> Samples:
        """A channel with other samples in its gaps, shape (n,)."""

    def mend(self, window: Audio) -> tuple[Audio, list[float]]:
        given, channels = window[:, self.inner], window.astype(np.float64)
        found = self.find(channels)
        marks = np.stack([marked(gaps.begins, gaps.ends, window.shape[1]) for gaps, _ in found])[:, self.inner]
        if not marks.any():
            return given, [0.0, 0.0]
        filled = np.stack(at_once(self.fill, channels, *zip(*found, strict=True)))
        mended = np.where(marks, filled[:, self.inner], given).astype(np.float32)
        return mended, [float(len(runs(np.any(marks, axis=0))[0])), float(marks.sum())]
