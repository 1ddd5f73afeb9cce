"""Random signals that are a function of a seed and the absolute frame, and of nothing else.

A counter-based generator (Philox, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011)
can start anywhere. Time is cut into cells of `CELL` frames anchored at frame 0; the numbers of a cell
come from a generator whose counter names the channel and the cell. So any partition of a stream, any
starting point and any number of other channels give the same noise.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["CELL", "Draw", "Noise", "gaussian", "tpdf"]

CELL = 4096
"""Frames drawn from one counter value."""

Samples: TypeAlias = NDArray[np.float64]
Draw: TypeAlias = Callable[[np.random.Generator], Samples]


class Noise:
    """One random signal of `channels` channels, readable at any frame.

    Signals with different `purpose` are independent of each other under one seed.
    The last cell is remembered, so that reading frame by frame costs little.

    >>> noise = Noise(seed=0, purpose=1, channels=2, draw=gaussian)
    >>> whole = noise.read(0, 10_000)
    >>> bool((whole[:, 5000:] == noise.read(5000, 5000)).all())
    True
    """

    def __init__(self, seed: int, purpose: int, channels: int, draw: Draw) -> None:
        self._key = np.array([seed % 2**64, purpose], np.uint64)
        self._channels = channels
        self._draw = draw
        self._number = -1
        self._cell: Samples = np.zeros((channels, 0))

    def read(self, start: int, frames: int) -> Samples:
        """Noise for frames [start, start + frames), shape (channels, frames), float64."""
        out = np.empty((self._channels, frames))
        done = 0
        while done < frames:
            number, offset = divmod(start + done, CELL)
            taken = min(CELL - offset, frames - done)
            out[:, done : done + taken] = self._at(number)[:, offset : offset + taken]
            done += taken
        return out

    def _at(self, number: int) -> Samples:
        if number != self._number:
            self._cell = np.stack([self._draw(self._generator(c, number)) for c in range(self._channels)])
            self._number = number
        return self._cell

    def _generator(self, channel: int, number: int) -> np.random.Generator:
        counter = np.array([0, channel, number, 0], np.uint64)
        return np.random.Generator(np.random.Philox(key=self._key, counter=counter))


def gaussian(generator: np.random.Generator) -> Samples:
    """One cell of a normal distribution of mean 0 and deviation 1."""
    return generator.standard_normal(CELL)


def tpdf(generator: np.random.Generator) -> Samples:
    """One cell of the triangular distribution on (-1, 1): the difference of two uniform ones.

    In units of a quantiser's step this is the dither whose error has a mean and a power that do not
    depend on the signal (Lipshitz, Wannamaker and Vanderkooy, JAES 40(5), 1992).
    """
    draws = generator.random((2, CELL))
    return np.asarray(draws[0] - draws[1])
