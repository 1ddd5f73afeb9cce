"""Repairs that look at a few seconds around each cell of the recording, and keep nothing else."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...engine.stage import Start
from ...engine.window import Window
from ...spec import Audio, Spec, empty
from .repair import Repair

__all__ = ["CellRepair", "CellState"]


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
        inner: the frames of a window that are its cell.
    """

    counts: ClassVar[tuple[str, ...]]

    def __init__(self, input: Spec, grid: int, context: int, strength: float) -> None:
        self.grid, self.context = grid, context
        self.inner = slice(context, context + grid)
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

    @property
    def lookback(self) -> int:
        return self.context + self.grid - 1

    def start_at(self, frame: int) -> Start[CellState]:
        cell = frame // self.grid
        first = max(0, cell * self.grid - self.context)
        past = Window(self.input.channels, start=first)
        return Start(replace(self.initial_state(), past=past, cell=cell), first, cell * self.grid)

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
        given = window[:, self.inner]
        mended, found = self.mend(window)
        state.found += found
        state.cell += 1
        state.past.forget(begin + self.grid - self.context)
        if self.strength == 1:
            return mended
        # Where nothing was changed, x + strength * 0 is x, bit for bit.
        return np.asarray(given + np.float32(self.strength) * (mended - given), np.float32)
