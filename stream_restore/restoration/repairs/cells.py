"""Repairs that look at a few seconds around each cell of the recording, and keep nothing else."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...engine.window import Window
from ...spec import Audio, Spec, empty
from .repair import Repair

__all__ = ["CellRepair", "CellState", "runs", "size_at"]


@dataclass
class CellState:
    """The input that is still needed, the number of the next cell, and sums of what was found in those before."""

    past: Window
    cell: int = 0
    found: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


class CellRepair(Repair[CellState]):
    """A repair of cell after cell of `grid` frames, each with `context` frames on both sides.

    An author writes `mend(window)`, and names what it counts in `counts`.

    Attributes:
        counts: names of the figures that `mend` adds up.
    """

    counts: ClassVar[tuple[str, ...]]

    def __init__(self, input: Spec, grid: int, context: int, strength: float) -> None:
        self.grid, self.context = grid, context
        super().__init__(input, grid - 1 + context, strength)

    @abstractmethod
    def mend(self, window: Audio) -> tuple[Audio, list[float]]:
        """The repaired middle of a window, and what was found in it.

        Args:
            window: frames of the cell and its context, zeros outside the recording; shape
                (channels, context + grid + context).

        Returns:
            shape (channels, grid), equal to the window where nothing is wrong; one figure for each of `counts`.
        """

    def initial_state(self) -> CellState:
        return CellState(Window(self.input.channels), found=np.zeros(len(self.counts)))

    def advance(self, state: CellState, block: Audio) -> Audio:
        state.past.append(block)
        return self._cells(state, (state.past.stop - self.context) // self.grid)

    def drain(self, state: CellState) -> Audio:
        frames = state.past.stop
        done = state.cell * self.grid
        return self._cells(state, -(-frames // self.grid))[:, : frames - done]

    def summary(self, state: CellState) -> Mapping[str, float]:
        return dict(zip(self.counts, state.found.tolist(), strict=True))

    def _cells(self, state: CellState, stop: int) -> Audio:
        out = [self._next(state) for _ in range(state.cell, stop)]
        return np.concatenate(out, axis=1) if out else empty(self.input.channels)

    def _next(self, state: CellState) -> Audio:
        begin = state.cell * self.grid
        window = state.past.read(begin - self.context, begin + self.grid + self.context)
        given = window[:, self.context : self.context + self.grid]
        mended, found = self.mend(window)
        state.found += found
        state.cell += 1
        state.past.forget(begin + self.grid - self.context)
        if self.strength == 1:
            return mended
        # Where nothing was changed, x + strength * 0 is x, bit for bit.
        return np.asarray(given + np.float32(self.strength) * (mended - given), np.float32)


def size_at(rate: int, frames: int) -> int:
    """The power of two that lasts about as long at this rate as `frames` do at 44.1 kHz, at least 32.

    >>> size_at(48000, 2048), size_at(96000, 2048), size_at(8000, 2048)
    (2048, 4096, 512)
    """
    return max(32, 1 << round(float(np.log2(frames * rate / 44100))))


def runs(marked: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where runs of True begin and end, shape (runs,) each."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    return edges[::2], edges[1::2]
