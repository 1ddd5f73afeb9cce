"""Rechunking of blocks of any size to a fixed size."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["FixedBlocks"]


class FixedBlocks:
    """Splits a stream of (channels, frames) arrays at multiples of `frames`, counted from its start.

    The output of an encoder depends on its input blocks; given the same blocks it writes the same bytes.

    >>> blocks = FixedBlocks(channels=1, frames=3, dtype=int)
    >>> [block.tolist() for block in blocks.add(np.array([[1, 2]]))]
    []
    >>> [block.tolist() for block in blocks.add(np.array([[3, 4]]))]
    [[[1, 2, 3]]]
    >>> [block.tolist() for block in blocks.rest()]
    [[[4]]]
    """

    def __init__(self, channels: int, frames: int, dtype: DTypeLike) -> None:
        self._frames = frames
        self._held: NDArray[Any] = np.zeros((channels, 0), dtype)

    def add(self, values: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Append `values`; yield the blocks that are complete."""
        values = np.concatenate([self._held, values.astype(self._held.dtype)], axis=1)
        whole = values.shape[1] // self._frames * self._frames
        self._held = values[:, whole:].copy()
        for start in range(0, whole, self._frames):
            yield values[:, start : start + self._frames]

    def rest(self) -> Iterator[NDArray[Any]]:
        """Yield the last, shorter block, if any."""
        if self._held.shape[1]:
            yield self._held
