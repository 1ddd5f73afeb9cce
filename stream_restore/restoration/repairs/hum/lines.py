"""The lines on which mains hum lies: complex amplitudes at the multiples of 50 and of 60 Hz, 25 times a second.

A line is brought to frequency zero and low-passed (heterodyning): its amplitude at cell n is the dot product of the
frames around frame n*cell with a Hann window of two cells times exp(-2*pi*i*k*mains*t). Products of one size at
absolute places: the amplitudes do not depend on how the stream was cut.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ....engine.threads import each
from ....spec import Audio, Spec

__all__ = ["CELLS_PER_SECOND", "HIGHEST_HZ", "HOP", "MAINS_HZ", "Complex", "LineBank", "Real"]

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]
Number = TypeVar("Number", np.complex64, np.complex128)

MAINS_HZ = (50, 60)
CELLS_PER_SECOND = 25
"""About: a cell is a whole number of frames."""
HOP = 50
"""Cells, two seconds, that are worked on at a time."""
HIGHEST_HZ = 4000
USABLE = 0.45
"""Of the sample rate: above lies the edge of every converter's filter."""


class LineBank:
    """Finds the complex amplitudes of all lines in a hop.

    Attributes:
        cell: frames from one amplitude to the next.
        hop: frames of `HOP` cells.
        orders: for each of `MAINS_HZ` the numbers of the harmonics, from 1 up.
    """

    def __init__(self, input: Spec) -> None:
        rate = input.sample_rate
        self.sample_rate = rate
        self.cell = max(1, round(rate / CELLS_PER_SECOND))
        self.hop = HOP * self.cell
        highest = min(HIGHEST_HZ, USABLE * rate)
        self.orders = tuple(np.arange(1, int(highest // mains) + 1) for mains in MAINS_HZ)
        self._hz = np.concatenate([mains * orders for mains, orders in zip(MAINS_HZ, self.orders, strict=True)])
        self._cosines, self._sines = self._windowed_lines()

    @property
    def rows(self) -> int:
        """Lines of both mains frequencies together."""
        return len(self._hz)

    def of_mains(self, lines: NDArray[Number], index: int) -> NDArray[Number]:
        """The lines of one of `MAINS_HZ` out of all, shape (channels, orders, cells)."""
        first = sum(len(orders) for orders in self.orders[:index])
        return lines[:, first : first + len(self.orders[index])]

    def amplitudes(self, frames: Audio, first: int) -> NDArray[np.complex64]:
        """Amplitudes of the cells `first` to `first + HOP`, shape (channels, rows, HOP).

        A cosine of amplitude A and phase p at its frame 0 has the amplitude A*exp(i*p).

        Args:
            frames: shape (channels, (HOP + 1)*cell), from frame (first - 1)*cell on.
            first: number of the first cell.
        """
        cells = frames.reshape(len(frames), HOP + 1, self.cell)
        turns = np.exp(-2j * np.pi * self._cycles((first + np.arange(HOP)) * self.cell))

        def channel(number: int) -> NDArray[np.complex64]:
            before, behind = cells[number, :-1, :0:-1].astype(np.float64), cells[number, 1:]
            odd, even = behind[:, 1:] - before, behind.astype(np.float64)
            even[:, 1:] += before
            lines = even @ self._cosines + 1j * (odd @ self._sines)
            return np.asarray((lines * turns).T, np.complex64)

        return np.stack(each(channel, len(cells)))

    def _cycles(self, frames: NDArray[np.int64]) -> Real:
        """Cycles of each line at frames, shape (frames, rows), but for whole ones: exact however late."""
        return np.asarray((frames[:, None] % self.sample_rate * self._hz % self.sample_rate) / self.sample_rate)

    def _windowed_lines(self) -> tuple[Real, Real]:
        """The factors of the dot products, shapes (cell, rows) and (cell - 1, rows).

        Those of a cosine, from the middle of the window on, and of minus a sine, from a frame later: before the middle
        are the same, there those of the sine with the other sign. So they are for the sums and the differences of
        frames equally far from the middle, which halves the products.
        """
        window = np.hanning(2 * self.cell + 1)[:-1]
        behind = np.exp(-2j * np.pi * self._cycles(np.arange(self.cell)))
        factors = behind * (2 * window / window.sum())[self.cell :, None]
        return np.ascontiguousarray(factors.real), np.ascontiguousarray(factors.imag[1:])
