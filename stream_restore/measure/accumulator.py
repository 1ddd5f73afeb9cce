"""The law of the accumulators that hear two recordings side by side."""

from abc import ABC, abstractmethod
from typing import ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, SpecError
from ..spec import Audio

__all__ = ["Accumulator"]

PIECE = 1 << 15
"""Frames heard at once: what is computed on the way needs no more memory for a larger block."""

ResultT = TypeVar("ResultT")


class Accumulator(ABC, Generic[ResultT]):
    """Hears frames [start, stop) of reference and estimate.

    However the recordings are cut into parts, however the parts are cut into blocks, and in whatever order neighbours
    are merged, `result` is the same, bit for bit. What is kept has a bound that does not depend on the length.

    An author writes `hear`, `join` and `result`, and names in `kept` what changes: see `stream_restore.engine.state`.

    Args:
        channels: of each of the two recordings.
        start: frame of the recordings at which this part begins.
        parameters: what parts must agree on to be merged.

    Raises:
        ConfigError: a part that begins before frame 0.
    """

    kept: ClassVar[tuple[str, ...]] = ("stop",)

    def __init__(self, channels: int, start: int, **parameters: object) -> None:
        if start < 0:
            raise ConfigError(f"a part begins at frame 0 or later, got {start}")
        self.channels, self.start, self.stop = channels, start, start
        self.parameters = {"channels": channels, **parameters}

    @property
    def frames(self) -> int:
        """Number of frames heard."""
        return self.stop - self.start

    @abstractmethod
    def hear(self, both: NDArray[np.float32]) -> None:
        """Add the frames before `stop` of the reference's channels and the estimate's, shape (2*channels, frames)."""

    @abstractmethod
    def join(self, other: Self) -> None:
        """Add the part that follows this one and was measured alike; `other` stays as it is."""

    @abstractmethod
    def result(self) -> ResultT:
        """The figures of all that was heard, as if silence lay around it; more may follow."""

    def update(self, reference: Audio, estimate: Audio) -> None:
        """Add a block of both, of one shape (channels, frames), float32.

        Raises:
            SpecError: shapes that differ, or another number of channels.
        """
        if reference.shape != estimate.shape or len(reference) != self.channels:
            raise SpecError(f"reference has shape {reference.shape}, estimate {estimate.shape}, {self.channels} "
                            "channels each were said: compare equal blocks")  # fmt: skip
        for start in range(0, reference.shape[1], PIECE):
            piece = slice(start, start + PIECE)
            self.take(np.concatenate([reference[:, piece], estimate[:, piece]], dtype=np.float32))

    def take(self, both: NDArray[np.float32]) -> None:
        """Add frames of both, one above the other, shape (2*channels, frames)."""
        self.stop += both.shape[1]
        self.hear(both)

    def merge(self, other: Self) -> None:
        """Add the part that follows this one; `other` stays as it is.

        Raises:
            ConfigError: a part that begins elsewhere, or was measured with other parameters.
        """
        if other.parameters != self.parameters:
            raise ConfigError(f"parts measured with {self.parameters} and with {other.parameters} cannot be merged")
        if other.start != self.stop:
            raise ConfigError(f"the next part must begin at frame {self.stop}, this one begins at frame {other.start}")
        self.join(other)
        self.stop = other.stop
