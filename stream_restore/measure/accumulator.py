"""The contract of accumulators over two recordings side by side."""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, SpecError
from ..spec import Audio

__all__ = ["Accumulator"]

PIECE = 1 << 15
"""Frames accumulated at once: larger blocks need no more memory for intermediate results."""

ResultT = TypeVar("ResultT")


class Accumulator(ABC, Generic[ResultT]):
    """Accumulates frames [start, stop) of reference and estimate.

    `result` is the same, bit for bit, for any division into parts and blocks and any order in which neighbouring parts
    are merged. Memory is bounded independently of the length.

    A subclass implements `accumulate`, `join` and `result`, and lists its state attributes in `state_names`: see
    `stream_restore.engine.state`.

    Args:
        channels: of each of the two recordings.
        start: first frame of this part.
        parameters: must be equal for parts to be merged.

    Raises:
        ConfigError: if the part begins before frame 0.
    """

    state_names: ClassVar[tuple[str, ...]] = ("stop",)

    def __init__(self, channels: int, start: int, **parameters: object) -> None:
        if start < 0:
            raise ConfigError(f"a part begins at frame 0 or later, got {start}")
        self.channels, self.start, self.stop = channels, start, start
        self.parameters = {"channels": channels, **parameters}

    @property
    def frames(self) -> int:
        """Number of frames accumulated."""
        return self.stop - self.start

    @abstractmethod
    def accumulate(self, both: NDArray[np.float32]) -> None:
        """Accumulate the frames before `stop`; reference channels come first, shape (2*channels, frames)."""

    @abstractmethod
    def join(self, other: Self) -> None:
        """Append the following part, which has equal parameters; `other` is not modified."""

    @abstractmethod
    def result(self) -> ResultT:
        """The figures of all frames so far, as if surrounded by silence; more may follow."""

    def update(self, reference: Audio, estimate: Audio) -> None:
        """Accumulate a block of both, of one shape (channels, frames), float32.

        Raises:
            SpecError: if the shapes differ, or the number of channels is wrong.
        """
        if reference.shape != estimate.shape or len(reference) != self.channels:
            raise SpecError(f"reference has shape {reference.shape}, estimate {estimate.shape}, {self.channels} "
                            "channels each were said: compare equal blocks")  # fmt: skip
        for start in range(0, reference.shape[1], PIECE):
            piece = slice(start, start + PIECE)
            self.take(np.concatenate([reference[:, piece], estimate[:, piece]], dtype=np.float32))

    def take(self, both: NDArray[np.float32]) -> None:
        """Accumulate stacked frames of both, shape (2*channels, frames)."""
        self.stop += both.shape[1]
        self.accumulate(both)

    def merge(self, other: Self) -> None:
        """Append the following part; `other` is not modified.

        Raises:
            ConfigError: if `other` does not begin at `stop`, or has other parameters.
        """
        if other.parameters != self.parameters:
            raise ConfigError(f"parts measured with {self.parameters} and with {other.parameters} cannot be merged")
        if other.start != self.stop:
            raise ConfigError(f"the next part must begin at frame {self.stop}, this one begins at frame {other.start}")
        self.join(other)
        self.stop = other.stop
