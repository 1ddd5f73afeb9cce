"""Accumulators that process two recordings in cells of one fixed size, anchored at frame 0.

The result of an FFT depends on its length. Here it always gets the same windows of the recordings, and its results are
summed without rounding. So figures are equal, bit for bit, for any division into blocks and parts and any order of
merging; and cells can be computed on all cores at once.
"""

from abc import abstractmethod
from collections import deque
from concurrent.futures import Future
from copy import copy, deepcopy
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..engine.exact_sum import ExactSums
from ..engine.threads import cores, submit
from ..engine.window import Window
from .accumulator import Accumulator

__all__ = ["CELL", "LEFT", "FixedWindowAccumulator"]

CELL = 16384
"""Frames of a cell, unless an accumulator says otherwise."""
LEFT = 1536
"""Frames of context before a cell, unless an accumulator says otherwise."""

ResultT = TypeVar("ResultT")


class FixedWindowAccumulator(Accumulator[ResultT]):
    """Accumulates reference and estimate cell by cell.

    A part computes the cells that it contains with their context, and keeps the frames that it shares with cells of its
    neighbours: `_head`, up to its first cell, for the preceding part; `_held`, from the next cell on, for what follows.

    A subclass implements `compute`, a cell's share of `sums`, and `figures`.

    Args:
        channels: of each of the two recordings.
        start: first frame of this part.
        size: number of sums.
        cell_frames: length of a cell.
        left: frames of context before a cell.
        parameters: must be equal for parts to be merged.
    """

    state_names = (*Accumulator.state_names, "sums", "_next", "_head", "_held")

    def __init__(
        self, channels: int, start: int, size: int, cell_frames: int = CELL, left: int = LEFT, **parameters: object
    ) -> None:
        super().__init__(channels, start, **parameters)
        self._sums = ExactSums(size)
        self._pending: deque[Future[NDArray[np.float64]]] = deque()
        self.cell_frames, self._left = cell_frames, left
        # Silence lies before frame 0, so nothing is missing there.
        self._first = self._next = -(-(start + left) // cell_frames) if start else 0
        self._head, self._held = Window(2 * channels), Window(2 * channels)
        # For `result`, the head begins with the silence before its first cell.
        before = max(0, start // cell_frames * cell_frames - left)
        self._head.restart(before, np.zeros((2 * channels, start - before)))
        self._held.restart(start, np.zeros((2 * channels, 0)))

    @property
    def sums(self) -> ExactSums:
        """The sums of all cells so far."""
        self._settle()
        return self._sums

    @sums.setter
    def sums(self, sums: ExactSums) -> None:
        self._pending.clear()
        self._sums = sums

    def __getstate__(self) -> dict[str, Any]:
        self._settle()
        return self.__dict__

    @abstractmethod
    def compute(self, window: NDArray[np.float32], cell: int) -> NDArray[np.float64]:
        """The share of cell number `cell` in `sums`, shape (size,). It must not change this accumulator.

        Args:
            window: frames [cell*cell_frames - left, (cell + 1)*cell_frames) of reference and estimate, shape
                (2*channels, left + cell_frames); zeros outside the recordings.
            cell: its number, counted from frame 0.
        """

    @abstractmethod
    def figures(self) -> ResultT:
        """The figures from the sums of all cells."""

    def accumulate(self, both: NDArray[np.float32]) -> None:
        self._head.append(both[:, : max(0, self._first * self.cell_frames - self._head.stop)])
        self._held.append(both)
        while (self._next + 1) * self.cell_frames <= self.stop:
            self._compute(self._held, self._next)
            self._next += 1
        self._held.forget(self._next * self.cell_frames - self._left)

    def join(self, other: Self) -> None:
        self.take(other._head.read(other.start, other._head.stop))
        if self.stop < other.stop:
            # All cells before the other's first are computed now.
            self.sums.merge(other.sums)
            self._held.restart(other._held.start, other._held.read(other._held.start, other.stop))
            self._next = other._next

    def result(self) -> ResultT:
        ended = copy(self)
        ended._pending, ended._sums = deque(), deepcopy(self.sums)
        stop = -(-(self.stop + self._left) // self.cell_frames) if self.frames else 0
        for cell in range(self.start // self.cell_frames, min(self._first, stop)):
            ended._compute(self._head, cell)
        for cell in range(self._next, stop):
            ended._compute(self._held, cell)
        return ended.figures()

    def _compute(self, held: Window, cell: int) -> None:
        begin = cell * self.cell_frames
        window = held.read(begin - self._left, begin + self.cell_frames)
        self._pending.append(submit(self.compute, window, cell))
        self._settle(cores())

    def _settle(self, pending: int = 0) -> None:
        """Add what is computed to the sums, until at most so many cells are left."""
        while len(self._pending) > pending:
            self._sums.add(self._pending.popleft().result())
