"""Accumulators that hear two recordings in cells of one fixed size, anchored at frame 0.

What an FFT returns depends on the length it is given. Here it only ever sees the same windows of the recordings,
and what it returns is summed without rounding. So figures are equal, bit for bit, however the recordings were cut into
blocks, and however parts that begin on the grid were merged.
"""

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, SpecError
from ..spec import Audio
from .sums import ExactSums

__all__ = ["CELL", "LEFT", "Cells"]

CELL = 16384
"""Frames of a cell; parts that are to be merged begin at multiples of it."""
LEFT = 1536
"""Frames before a cell that its computation also hears."""

ResultT = TypeVar("ResultT")


class Cells(ABC, Generic[ResultT]):
    """Hears reference and estimate side by side, cell by cell.

    An author writes `compute`, which adds a cell's share to `sums`, and `figures`.

    Args:
        channels: of each of the two recordings.
        size: number of sums.
        start: frame of the recordings at which this part begins, a multiple of CELL. A part that begins later than
            frame 0 keeps its first cell until `merge` brings what came before it.

    Raises:
        ConfigError: a part that does not begin on the grid.
    """

    def __init__(self, channels: int, size: int, start: int = 0) -> None:
        if start < 0 or start % CELL:
            raise ConfigError(f"a part must begin at a multiple of {CELL} frames, got {start}")
        self.channels, self.start, self.frames = channels, start, 0
        self.sums = ExactSums(size)
        self._cells = 0
        self._first: NDArray[np.float32] | None = None
        self._held = np.zeros((2 * channels, LEFT), np.float32)

    @property
    def stop(self) -> int:
        """The frame after the last that was heard."""
        return self.start + self.frames

    @abstractmethod
    def compute(self, window: NDArray[np.float32], cell: int, stop: int | None) -> None:
        """Add what cell number `cell` says.

        Args:
            window: frames [cell*CELL - LEFT, (cell + 1)*CELL) of reference and estimate, shape (2*channels,
                LEFT + CELL); zeros outside the recordings.
            cell: its number, counted from frame 0.
            stop: length of the recordings if this is near their end, else None.
        """

    @abstractmethod
    def figures(self) -> ResultT:
        """What the sums say when all cells were heard."""

    def update(self, reference: Audio, estimate: Audio) -> None:
        """Add a block of both, of one shape (channels, frames), float32.

        Raises:
            SpecError: shapes that differ, or another number of channels.
        """
        if reference.shape != estimate.shape or len(reference) != self.channels:
            raise SpecError(f"reference has shape {reference.shape}, estimate {estimate.shape}, {self.channels} "
                            "channels each were said: compare equal blocks")  # fmt: skip
        for start in range(0, reference.shape[1], CELL):
            piece = slice(start, start + CELL)
            self._take(np.concatenate([reference[:, piece], estimate[:, piece]]))

    def merge(self, other: Self) -> None:
        """Add the part that follows this one.

        Raises:
            ConfigError: a part that begins elsewhere.
        """
        if other.start != self.stop:
            raise ConfigError(f"the next part must begin at frame {self.stop}, this one begins at frame {other.start}")
        other = deepcopy(other)
        if not self.frames and self.start == 0 and other.start == 0:
            self.__dict__.update(other.__dict__)
        elif other._first is None:
            self._take(other._held[:, LEFT:])
        else:
            self._take(other._first)
            self.sums.merge(other.sums)
            self._held = other._held
            self._cells += other._cells - 1
            self.frames = other.stop - self.start

    def result(self) -> ResultT:
        """The figures of all that was heard, as if it ended here; more may follow."""
        ended = deepcopy(self)
        if ended._first is not None:
            before = np.zeros_like(ended._held[:, :LEFT])
            ended.compute(np.concatenate([before, ended._first], axis=1), ended.start // CELL, None)
        last = (self.frames + LEFT - 1) // CELL if self.frames else -1
        for cell in range(ended._cells, last + 1):
            window = ended._held[:, : LEFT + CELL]
            window = np.pad(window, ((0, 0), (0, LEFT + CELL - window.shape[1])))
            ended.compute(window, ended.start // CELL + cell, ended.stop)
            ended._held = ended._held[:, CELL:]
        return ended.figures()

    def _take(self, both: NDArray[np.float32]) -> None:
        self.frames += both.shape[1]
        self._held = np.concatenate([self._held, both], axis=1)
        while self._held.shape[1] >= LEFT + CELL:
            window = self._held[:, : LEFT + CELL]
            if self.start and not self._cells:
                self._first = window[:, LEFT:].copy()
            else:
                self.compute(window, self.start // CELL + self._cells, None)
            self._cells += 1
            self._held = self._held[:, CELL:].copy()
