"""SDR over time."""

from collections import defaultdict
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..engine.exact_sum import ExactSum
from ..errors import ConfigError
from .accumulator import Accumulator
from .distortion import Products, decibels

__all__ = ["Segmental", "Segments"]

LIMITS_DB = (-10.0, 35.0)
MOST = 1 << 15
"""Default limit of segments: nine hours of one second."""


@dataclass(frozen=True)
class Segments:
    """SDR of one segment after the other, counted from frame 0.

    Attributes:
        frames: of a segment; the last may be shorter.
        sdr_db: of each; nan where both are silent, or no frames were added.
        mean_db: segmental SDR: the mean over segments of the length asked for, each limited to -10 to 35 dB (Hansen and
            Pellom, "An effective quality evaluation protocol for speech enhancement algorithms", 1998), without the
            silent ones; nan if all are silent. Joining does not change it.
        joined: how many segments of the length asked for make one of these: 1, or a power of two where there would have
            been too many.
    """

    frames: int
    sdr_db: tuple[float, ...]
    mean_db: float = nan
    joined: int = 1


class Segmental(Accumulator[Segments]):
    """Accumulates the SDR of every `every_frames` frames, counted from frame 0.

    Where there would be more than `most` segments, pairs of neighbours are joined. Their energies are added without
    rounding, so a joined segment has the SDR of all its frames, and how far segments are joined follows from the end of
    the recording alone.

    Raises:
        ConfigError: if `every_frames` or `most` is less than 1.

    >>> segmental = Segmental(1, every_frames=2, most=2)
    >>> segmental.update(np.ones((1, 6), np.float32), np.array([[0, 0, 2, 2, 1, 1]], np.float32))
    >>> segmental.result()
    Segments(frames=4, sdr_db=(0.0, inf), mean_db=11.666666666666666, joined=2)
    """

    state_names = (*Accumulator.state_names, "_open", "_doublings", "_signals", "_rests", "_limited", "_sounding")

    def __init__(self, channels: int, every_frames: int, start: int = 0, most: int = MOST) -> None:
        if every_frames < 1 or most < 1:
            raise ConfigError(
                f"a segment needs at least one frame, got {every_frames}: choose more seconds; {most} segments are kept"
            )
        super().__init__(channels, start, every_frames=every_frames, most=most)
        self.every, self.most = every_frames, most
        # Incomplete segments: the first and last of a part.
        self._open: defaultdict[int, Products] = defaultdict(Products)
        self._doublings = 0
        self._signals: defaultdict[int, int] = defaultdict(int)
        self._rests: defaultdict[int, int] = defaultdict(int)
        self._limited, self._sounding = ExactSum(), 0

    def accumulate(self, both: NDArray[np.float32]) -> None:
        for index, piece in self.pieces(both):
            products = Products()
            products.update(piece[: self.channels], piece[self.channels :])
            self.add(index, products)

    def pieces(self, both: NDArray[np.float32]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """The frames before `stop` cut at the ends of segments, each piece with the number of its segment."""
        at, begin = 0, self.stop - both.shape[1]
        while at < both.shape[1]:
            index, inside = divmod(begin + at, self.every)
            piece = both[:, at : at + self.every - inside]
            yield index, piece
            at += piece.shape[1]

    def add(self, index: int, products: Products) -> None:
        """Add the products of a piece of segment `index`."""
        whole = self._open[index]
        whole.merge(products)
        if whole.frames == self.every:
            self._close(index, self._open.pop(index))

    def join(self, other: Self) -> None:
        for place in other._signals:
            self._put(place, other._doublings, other._signals[place], other._rests[place])
        self._limited.merge(other._limited)
        self._sounding += other._sounding
        for index, products in other._open.items():
            self.add(index, products)

    def result(self) -> Segments:
        ended = copy(self)
        ended._signals, ended._rests, ended._limited = copy(self._signals), copy(self._rests), replace(self._limited)
        for index, products in self._open.items():
            ended._close(index, products)
        places = range(max(ended._signals, default=-1) + 1)
        values = tuple(decibels(ended._signals[place], ended._rests[place]) for place in places)
        mean = float(ended._limited.fraction() / ended._sounding) if ended._sounding else nan
        joined = 1 << ended._doublings
        return Segments(self.every * joined, values, mean, joined)

    def _close(self, index: int, products: Products) -> None:
        energies = products.energies()
        if not isnan(value := decibels(*energies)):
            self._limited.add(np.clip([value], *LIMITS_DB))
            self._sounding += 1
        self._put(index, 0, *energies)

    def _put(self, index: int, doublings: int, signal: int, rest: int) -> None:
        """Add the energies of segment `index` of those of every << doublings frames."""
        while self._doublings < doublings or index >> (self._doublings - doublings) >= self.most:
            self._double()
        place = index >> (self._doublings - doublings)
        self._signals[place] += signal
        self._rests[place] += rest

    def _double(self) -> None:
        signals, rests = self._signals, self._rests
        self._signals, self._rests = defaultdict(int), defaultdict(int)
        self._doublings += 1
        for place, signal in signals.items():
            self._put(place, self._doublings - 1, signal, rests[place])
