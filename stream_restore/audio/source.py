"""The interface of all audio sources."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..errors import ConfigError, SourceError, StreamError
from ..spec import Audio, Spec, empty
from .formats import Format
from .positions import format_position

__all__ = ["MAX_CHANNELS", "MAX_RATE", "PIECE", "Film", "Source", "checked_spec", "refuse_track"]

MAX_CHANNELS = 1024
MAX_RATE = 1_536_000
MOST_WARNINGS = 50
"""A chain of links may have something wrong with each of them."""
PIECE = 1 << 16
"""Maximum frames decoded at once, so that memory follows the data received, not the length requested."""


def checked_spec(name: str, sample_rate: int, channels: int) -> Spec:
    """The spec that a header declares.

    Raises:
        SourceError: if the rate or number of channels is out of range.
    """
    if not 1 <= sample_rate <= MAX_RATE:
        raise SourceError(f"{name}: its header claims {sample_rate} Hz; from 1 to {MAX_RATE} Hz can be read")
    if not 1 <= channels <= MAX_CHANNELS:
        raise SourceError(f"{name}: its header claims {channels} channels; from 1 to {MAX_CHANNELS} can be read")
    return Spec(sample_rate, channels)


def refuse_track(name: str, track: int | None, tracks: int) -> None:
    """Refuse a sound stream that a recording with `tracks` of them does not have.

    Raises:
        ConfigError: if it has none of this number.
    """
    if track is not None and not 0 <= track < tracks:
        held = "one sound stream" if tracks == 1 else f"{tracks} sound streams"
        raise ConfigError(f"{name}: has {held}, counted from 0; there is no stream {track}")


@dataclass(frozen=True)
class Film:
    """What a file holds beside the sound that is read: video, subtitles, attachments, chapters.

    Attributes:
        name: of the file, for messages.
        streams: for messages, such as "video (h264)".
        sound: index of the sound's stream.
        reopen: the bytes from the start, again; None for a pipe.
    """

    name: str
    streams: Sequence[str]
    sound: int
    reopen: Callable[[], Any] | None

    def left_out(self, why: str, streams: Sequence[str] | None = None) -> str:
        """The warning about streams that no output gets: by default all."""
        return f"{self.name}: {', '.join(self.streams if streams is None else streams)} left out: {why}"


class Source(ABC):
    """Reads audio from its first frame to its last.

    Attributes:
        name: for messages.
        spec: sample rate and channels.
        frames: exact length; None if unknown or unreliable.
        estimate: approximate length in frames, for a progress bar; None if unknown.
        format: how it is stored.
        rereadable: whether `rewind` works and opening the same path again gives the same audio.
        warnings: messages for the user about this recording; complete once it is read to its end.
        film: what else the file holds; None if nothing.
        tracks: how many sound streams it has.
    """

    def __init__(self, name: str, spec: Spec, frames: int | None, format: Format, rereadable: bool) -> None:
        self.name = name
        self.spec = spec
        self.frames = frames
        self.estimate = frames
        self.format = format
        self.rereadable = rereadable
        self.warnings: list[str] = []
        self.film: Film | None = None
        self.tracks = 1
        self._position = 0

    def read(self, frames: int) -> Audio:
        """Read the next `frames` frames, shape (channels, frames), fewer only at the end, then (channels, 0).

        Raises:
            SourceError: if decoding fails or a sample is not finite; the message gives the position.
        """
        blocks = [empty(self.spec.channels)]
        while frames > 0:
            block = self._pull(min(frames, PIECE))
            if not block.shape[1]:
                break
            self._refuse_non_finite(block)
            self._position += block.shape[1]
            frames -= block.shape[1]
            blocks.append(block)
        return blocks[1] if len(blocks) == 2 else np.concatenate(blocks, axis=1)

    def skip(self, frames: int) -> int:
        """Pass over frames; return how many there were, fewer only at the end.

        Raises:
            SourceError: as `read`, if they must be decoded.
        """
        left = frames
        while left > 0 and (passed := self.read(min(left, PIECE)).shape[1]):
            left -= passed
        return frames - left

    def rewind(self) -> None:
        """Start again at the first frame.

        Raises:
            StreamError: if the source is a pipe; `spool` makes it rereadable.
        """
        if not self.rereadable:
            raise StreamError(f"{self.name}: a pipe cannot be read twice; spool it first")
        self._position = 0
        self._restart()

    @abstractmethod
    def close(self) -> None:
        """Release files. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @abstractmethod
    def _pull(self, frames: int) -> Audio:
        """Return from 1 to `frames` frames, none only at the end."""

    @abstractmethod
    def _restart(self) -> None:
        """Go back to the first frame; only called when rereadable."""

    def _here(self) -> str:
        return format_position(self._position, self.spec.sample_rate)

    def _ends_early(self, declared: int) -> None:
        self._warn(f"ends at {self._here()}, its header says {declared}; read to its real end")

    def _warn(self, text: str) -> None:
        message = f"{self.name}: {text}"
        if message in self.warnings or len(self.warnings) > MOST_WARNINGS:  # a second pass finds the same
            return
        more = f"{self.name}: more than {MOST_WARNINGS} warnings; the others are left out"
        self.warnings.append(message if len(self.warnings) < MOST_WARNINGS else more)

    def _refuse_non_finite(self, block: Audio) -> None:
        finite = np.isfinite(block)
        if not finite.all():
            first = int(np.flatnonzero(~finite.all(axis=0))[0])
            where = format_position(self._position + first, self.spec.sample_rate)
            channel = int(np.flatnonzero(~finite[:, first])[0])
            value = block[channel, first]
            raise SourceError(f"{self.name}: {value} at {where}, channel {channel + 1}; every sample must be a number")
