"""The grid of overlapping segments, and their weights, as `demucs.apply.apply_model` has them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..spec import duration

__all__ = ["Piece", "Segments", "triangle"]


class _Sized(Protocol):
    """What the grid needs to know of a network."""

    @property
    def sample_rate(self) -> int: ...
    @property
    def segment_frames(self) -> int: ...
    @property
    def edges(self) -> Literal["silence", "mirror"]: ...
    def input_frames(self, frames: int) -> int: ...


@dataclass(frozen=True)
class Piece:
    """One call of a network: its input is frames [start, stop), of which `frames` from `offset` on count."""

    start: int
    stop: int
    offset: int
    frames: int

    @property
    def margin(self) -> int:
        """Input frames before those that count."""
        return self.offset - self.start


@dataclass(frozen=True)
class Segments:
    """Chunks of `chunk` frames, one every `stride` frames, the first at frame `anchor` (0 or before).

    The input of a network is a window centred on its chunk, `network.input_frames(chunk + 2*context)` long: real sound
    around the chunk where there is some. The last chunks of a recording are shorter. Demucs centres a window on
    these, too, and what is missing is silence (`edges` "silence"). A network that never met such an edge does better
    when the window moves back over real sound, as far as there is some ("mirror").
    """

    network: _Sized
    chunk: int
    stride: int
    context: int
    anchor: int

    @classmethod
    def of(
        cls, network: _Sized, overlap: float, segment_seconds: float | None, context: int, anchor: int
    ) -> "Segments":
        """The grid for a network.

        Raises:
            ConfigError: an overlap outside [0, 1), a segment longer than the network's, or a context that leaves
                nothing of it.
        """
        if not 0 <= overlap < 1:
            raise ConfigError(f"overlap must be at least 0 and below 1, got {overlap}")
        longest, rate = network.segment_frames, network.sample_rate
        segment = longest if segment_seconds is None else int(duration(segment_seconds) * rate)
        if not 0 < segment <= longest:
            raise ConfigError(f"segment must be above 0 and at most {longest / rate:g} s, got {segment_seconds}")
        chunk = segment - 2 * context
        if context < 0 or chunk < 1:
            raise ConfigError(
                f"context must leave something of a segment of {segment / rate:g} s, got {context / rate:g} s a side"
            )
        return cls(network, chunk, max(1, int((1 - overlap) * chunk)), context, anchor)

    @cached_property
    def weight(self) -> NDArray[np.float64]:
        """Weights of the frames of a chunk, shape (chunk,), in (0, 1]."""
        return triangle(self.chunk)

    @cached_property
    def latency(self) -> int:
        """Frames from the first frame of a chunk to the end of its input for it."""
        piece = self.piece(0)
        return piece.stop - piece.offset

    def piece(self, number: int) -> Piece:
        """A whole chunk."""
        return self._piece(number, self.chunk)

    def last(self, number: int, frames: int) -> Iterator[Piece]:
        """The chunks from `number` on of a recording that turns out to have `frames` frames."""
        while (offset := self.anchor + number * self.stride) < frames:
            piece = self._piece(number, min(self.chunk, frames - offset))
            yield piece if self.network.edges == "silence" else _moved(piece, frames)
            number += 1

    def first_over(self, frame: int) -> int:
        """The number of the first chunk that holds a frame."""
        return max(0, (frame - self.chunk - self.anchor) // self.stride + 1)

    @property
    def lookback(self) -> int:
        """Frames before a frame that are input of the chunks that hold it."""
        return self.chunk + self._longest

    def oldest(self, number: int) -> int:
        """A frame before which neither chunk `number` nor a later one has input."""
        return self.anchor + number * self.stride - self._longest

    @cached_property
    def _longest(self) -> int:
        return self.network.input_frames(self.chunk + 2 * self.context)

    def _piece(self, number: int, frames: int) -> Piece:
        offset = self.anchor + number * self.stride
        length = self.network.input_frames(frames + 2 * self.context)
        start = offset - (length - frames) // 2
        return Piece(start, start + length, offset, frames)


def _moved(piece: Piece, frames: int) -> Piece:
    """The window moved back until it ends with the recording, or begins with it."""
    back = max(0, min(piece.stop - frames, piece.start))
    return Piece(piece.start - back, piece.stop - back, piece.offset, piece.frames)


def triangle(frames: int) -> NDArray[np.float64]:
    """Demucs' weights: up to 1 in the middle and down again, nowhere 0.

    >>> triangle(5)
    array([0.33333333, 0.66666667, 1.        , 0.66666667, 0.33333333])
    """
    up = np.arange(1, frames // 2 + 1)
    down = np.arange(frames - frames // 2, 0, -1)
    return np.asarray(np.concatenate([up, down]) / down[0])
