"""The recent past of a stream, addressed by absolute frame."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Window"]


class Window:
    """Frames [start, stop) of a stream, at first none; zeros stand before frame 0 and after `stop`.

    `append` adds frames at the end, `forget` drops them at the front, `read` copies any range that was
    not forgotten. Appending costs amortised constant time per frame, however small the blocks.

    >>> window = Window(1)
    >>> window.append(np.array([[1, 2, 3]]))
    >>> window.read(-1, 5)
    array([[0., 1., 2., 3., 0., 0.]], dtype=float32)
    >>> window.forget(2)
    >>> window.start, window.stop
    (2, 3)
    """

    def __init__(self, channels: int, dtype: DTypeLike = np.float32, start: int = 0) -> None:
        self._data: NDArray[Any] = np.zeros((channels, 0), dtype)
        self._first = 0  # column of frame `start`
        self.start = start
        self.stop = start

    @property
    def shape(self) -> tuple[int, int]:
        """(channels, frames held)."""
        return len(self._data), self.stop - self.start

    @property
    def nbytes(self) -> int:
        """Bytes held, spare room included."""
        return self._data.nbytes

    def append(self, block: NDArray[Any]) -> None:
        """Copy `block`, shape (channels, frames), to the end."""
        held, added = self.stop - self.start, block.shape[1]
        if self._first + held + added > self._data.shape[1]:
            self._move(held, held + added)
        at = self._first + held
        self._data[:, at : at + added] = block
        self.stop += added

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """A copy of frames [start, stop), shape (channels, stop - start)."""
        if max(0, start) < min(self.start, stop):
            raise IndexError(f"frame {max(0, start)} was forgotten; the window begins at frame {self.start}")
        low, high = max(start, self.start), min(stop, self.stop)
        at = self._first + low - self.start
        held = self._data[:, at : at + max(0, high - low)]
        if held.shape[1] == stop - start:
            return held.copy()
        out = np.zeros((len(held), stop - start), held.dtype)
        if low < high:
            out[:, low - start : high - start] = held
        return out

    def forget(self, before: int) -> None:
        """Drop the frames before frame `before`."""
        dropped = min(max(0, before - self.start), self.stop - self.start)
        self._first += dropped
        self.start += dropped

    def restart(self, start: int, held: NDArray[Any]) -> None:
        """Hold the frames `held`, shape (channels, frames), from frame `start` on, and nothing else."""
        self._first, self.start, self.stop = 0, start, start
        self.append(held)

    def _move(self, held: int, needed: int) -> None:
        """Bring the held frames to the front of a buffer at least twice as long as `needed`.

        Moving is then due only after as many new frames as are moved. Powers of two, never given back: the size
        settles at once.
        """
        kept = self._data[:, self._first : self._first + held]
        if 2 * needed > self._data.shape[1]:
            self._data = np.empty((len(self._data), 1 << (2 * needed - 1).bit_length()), self._data.dtype)
        self._data[:, :held] = kept
        self._first = 0
