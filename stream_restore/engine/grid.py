"""Stages that work on blocks of one fixed size, anchored at frame 0, or frame by frame.

Arithmetic whose result depends on how many frames it is given (an FFT, a filter bank, a dot product)
becomes independent of the caller's blocks when it always gets the same windows of the stream.
"""

from abc import abstractmethod
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..spec import Audio, Spec, empty, nearest
from .stage import Stage, Start, StateT
from .window import Window

__all__ = ["FrameByFrame", "GridStage", "GridState"]


@dataclass
class GridState:
    """The input that is still needed, and the number of the next cell."""

    past: Window
    cell: int = 0


class GridStage(Stage[GridState]):
    """A stage that computes cell after cell of `grid` input frames, each with some context.

    A subclass implements `compute(window, cell)`: `window` holds input frames [cell*grid - left, (cell + 1)*grid
    + right), zeros outside the recording; the result is the cell's output, grid*ratio frames, which must be
    whole.
    """

    def __init__(self, input: Spec, output: Spec, grid: int, left: int = 0, right: int = 0) -> None:
        self.grid, self.left, self.right = grid, left, right
        super().__init__(input, output, latency=grid - 1 + right)

    @abstractmethod
    def compute(self, window: Audio, cell: int) -> Audio:
        """The output of one cell, shape (output channels, grid*ratio)."""

    def initial_state(self) -> GridState:
        return GridState(Window(self.input.channels))

    @property
    def lookback(self) -> int:
        return self.left + self.grid - 1

    def start_at(self, frame: int) -> Start[GridState]:
        cell = int(frame // (self.grid * self.ratio))
        first = max(0, cell * self.grid - self.left)
        state = GridState(Window(self.input.channels, start=first), cell)
        return Start(state, first, int(cell * self.grid * self.ratio))

    def advance(self, state: GridState, block: Audio) -> Audio:
        state.past.append(block)
        return self._cells(state, (state.past.stop - self.right) // self.grid)

    def drain(self, state: GridState) -> Audio:
        frames = state.past.stop
        done = state.cell * self.grid * self.ratio
        cells = -(-self.output_frames(frames) // Fraction(self.grid * self.ratio))
        return self._cells(state, cells)[:, : nearest(frames * self.ratio) - int(done)]

    def _cells(self, state: GridState, stop: int) -> Audio:
        """Compute the cells up to, not including, number `stop`."""
        out = [self._next(state) for _ in range(state.cell, stop)]
        return np.concatenate(out, axis=1) if out else empty(self.output.channels)

    def _next(self, state: GridState) -> Audio:
        begin = state.cell * self.grid
        window = state.past.read(begin - self.left, begin + self.grid + self.right)
        out = self.compute(window, state.cell)
        state.cell += 1
        state.past.forget(begin + self.grid - self.left)
        return out


class FrameByFrame(Stage[StateT]):
    """A stage at one rate whose output frame follows from the input frame at its place alone; nothing is held back."""

    @property
    def lookback(self) -> int:
        return 0

    def start_at(self, frame: int) -> Start[StateT]:
        return Start(self.initial_state(), frame, frame)

    def drain(self, state: StateT) -> Audio:
        return empty(self.output.channels)
