"""Levels of the channels of a recording, and whether channels are silent, identical or opposite."""

from dataclasses import dataclass
from math import inf, log10
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..spec import Audio

__all__ = ["ChannelLevels", "Levels", "LevelsMeter"]

Samples: TypeAlias = NDArray[np.float64]


ROUNDING = 2.0**-14
"""Tolerance for opposite channels: a flipped sign is rounded differently."""


@dataclass(frozen=True)
class ChannelLevels:
    """Of one channel: peak and root mean square in dB of full scale (-inf of silence), and the mean of its samples."""

    peak_dbfs: float
    rms_dbfs: float
    dc_offset: float


@dataclass(frozen=True)
class Levels:
    """Levels of the channels of a recording.

    Attributes:
        channels: in order.
        silent: numbers of the channels that are silent, from 0.
        identical: pairs of channels that are equal, sample by sample, and not silent.
        opposite: pairs of which one is the other with its sign flipped.
    """

    channels: tuple[ChannelLevels, ...]
    silent: tuple[int, ...]
    identical: tuple[tuple[int, int], ...]
    opposite: tuple[tuple[int, int], ...]


class LevelsMeter:
    """Accumulates levels block by block.

    >>> meter = LevelsMeter(2)
    >>> meter.update(np.array([[0.5, -0.5], [-0.5, 0.5]], np.float32))
    >>> meter.result().opposite
    ((0, 1),)
    """

    def __init__(self, channels: int) -> None:
        self._frames = 0
        self._peak, self._sum, self._energy = np.zeros((3, channels))
        self._equal, self._opposite = np.ones((2, channels, channels), bool)

    def update(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames)."""
        if not block.shape[1]:
            return
        self._frames += block.shape[1]
        self._peak = np.maximum(self._peak, np.abs(block).max(axis=1))
        self._sum += block.sum(axis=1, dtype=np.float64)
        self._energy += np.square(block, dtype=np.float64).sum(axis=1)
        for first, second in np.argwhere(np.triu(self._equal | self._opposite, 1)):
            self._equal[first, second] &= bool((block[first] == block[second]).all())
            self._opposite[first, second] &= bool((np.abs(block[first] + block[second]) <= ROUNDING).all())

    def result(self) -> Levels:
        """The levels so far; more may follow."""
        silent = tuple(np.flatnonzero(self._peak == 0).tolist())
        frames = max(1, self._frames)
        channels = tuple(
            ChannelLevels(_decibels(peak), _decibels((energy / frames) ** 0.5), total / frames)
            for peak, energy, total in zip(self._peak.tolist(), self._energy.tolist(), self._sum.tolist(), strict=True)
        )
        return Levels(channels, silent, self._pairs(self._equal, silent), self._pairs(self._opposite, silent))

    def _pairs(self, which: NDArray[np.bool_], silent: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        pairs = [(int(first), int(second)) for first, second in np.argwhere(np.triu(which, 1))]
        return tuple(pair for pair in pairs if not set(pair) & set(silent))


def _decibels(amplitude: float) -> float:
    return 20 * log10(amplitude) if amplitude > 0 else -inf
