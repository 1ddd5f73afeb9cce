"""Blocks of one size, whatever sizes they come in."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["FixedBlocks"]


class FixedBlocks:
    """Cuts a stream of (channels, frames) arrays at multiples of `frames`, counted from its front.

    Encoders look at what they are given at once; given the same blocks they write the same bytes.

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
        """Whole blocks, as soon as there are any."""
        values = np.concatenate([self._held, values.astype(self._held.dtype)], axis=1)
        whole = values.shape[1] // self._frames * self._frames
        self._held = values[:, whole:].copy()
        for start in range(0, whole, self._frames):
            yield values[:, start : start + self._frames]

    def rest(self) -> Iterator[NDArray[Any]]:
        """What is left at the end, if anything."""
        if self._held.shape[1]:
            yield self._held
