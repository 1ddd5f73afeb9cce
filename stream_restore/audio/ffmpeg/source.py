"""Decoding by FFmpeg, through PyAV: compressed audio, and the audio of video files."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...errors import SourceError
from ...spec import Audio, empty
from ..bytestream import Readable
from ..damage import OnDamage
from ..source import Film, Source, checked_spec
from .container import chosen_stream, open_container
from .decoder import Decoder
from .film import beside_sound, describe
from .length import length_of
from .names import format_of, is_picture
from .resync import FrameStream

__all__ = ["AvSource"]

_LONGEST_PADDING = 4096
"""Frames of padding that an MP3 can declare."""


class AvSource(Source):
    """An audio stream of a container that FFmpeg opens, decoded by a `Decoder`.

    `reopen` returns the bytes from the start: once for a pipe, any number of times if `rereadable`.
    `exact`: the header gives the exact number of frames, as in an MP3 with an Info tag.
    `track`: which, counted from 0; None for the one that FFmpeg finds best.

    Raises:
        ConfigError: if there is no such track.
        SourceError: if FFmpeg cannot open it, or finds no audio in it.
    """

    def __init__(
        self,
        name: str,
        reopen: Callable[[], Readable],
        rereadable: bool,
        exact: bool = False,
        on_damage: OnDamage = "conceal",
        track: int | None = None,
    ) -> None:
        self.name = name
        self._reopen = reopen
        self._stops = on_damage == "stop"
        self._track = track
        self._open()
        context = self._stream.codec_context
        spec = checked_spec(name, context.sample_rate, context.layout.nb_channels)
        form = format_of(self._container, self._stream)
        super().__init__(name, spec, None, form, rereadable)
        self._length = length_of(self._container, self._stream, form, spec, exact)
        self.frames = self._length.declared if self._length.exact else None
        self.estimate = self._length.estimate
        self._look_beside()
        self._begin()

    def take_length(self, other: "AvSource") -> None:
        """Use the length of the same bytes in a file, of which a stream may not tell it."""
        self._length, self.frames, self.estimate = other._length, other.frames, other.estimate

    def close(self) -> None:
        self._decoder.container.close()
        self._file.close()

    def _restart(self) -> None:
        self.close()
        self._open()
        self._begin()

    def _open(self) -> None:
        self._file = self._reopen()
        try:
            self._container = open_container(self.name, self._file)
            self._stream = chosen_stream(self.name, self._container, self._track)
        except BaseException:
            self._file.close()
            raise

    def _look_beside(self) -> None:
        """Note other streams; of several sounds, say which is read, unless it was chosen."""
        beside = beside_sound(self._container)
        if beside or self._container.chapters():
            told = [describe(stream) for stream in beside if not is_picture(stream)]
            self.film = Film(self.name, told, self._stream.index, self._reopen if self.rereadable else None)
        sounds = self._container.streams.audio
        self.tracks = len(sounds)
        if len(sounds) > 1 and self._track is None:
            own, last = sounds.index(self._stream), len(sounds) - 1
            self._warn(
                f"has {len(sounds)} sound streams; this is {_told(own, self._stream)}, --stream takes 0 to {last}"
            )

    def _begin(self) -> None:
        opened = (self._file, self._container, self._stream)
        self._decoder = Decoder(self.name, *opened, self.spec, self.format, self._stops, self._warn)
        self._blocks = self._unpadded(self._decoder.blocks())
        self._held = empty(self.spec.channels)

    def _pull(self, frames: int) -> Audio:
        while not self._held.shape[1]:
            block = next(self._blocks, None)
            if block is None:
                self._ended()
                return empty(self.spec.channels)
            self._held = block
        taken, self._held = self._held[:, :frames], self._held[:, frames:]
        return taken

    def _ended(self) -> None:
        length = self._length
        if length.least and length.declared and not self._position:
            raise SourceError(
                f"{self.name}: nothing of the {length.declared} frames that its header says can be decoded"
            )
        if length.least and length.declared is not None and self._position < length.declared:
            self._ends_early(length.declared)

    def _unpadded(self, blocks: Iterator[Audio]) -> Iterator[Audio]:
        """Yield blocks, the last ones without padding."""
        held: list[Audio] = []
        for block in blocks:
            held.append(block)
            while sum(each.shape[1] for each in held[1:]) > (_LONGEST_PADDING if self._padded_end else 0):
                yield held.pop(0)
        sound = np.concatenate([empty(self.spec.channels), *held], axis=1)
        yield sound[:, : sound.shape[1] - self._decoder.padding - self._excess()]

    @property
    def _padded_end(self) -> int | None:
        """The end that an MP3 declares; FFmpeg removes the padding behind it only if it can seek."""
        return self.frames if isinstance(self._file, FrameStream) else None

    def _excess(self) -> int:
        """Padding at the end of an MP3; more than that is none, but another recording."""
        excess = self._decoder.given - (self._padded_end or self._decoder.given)
        return excess if 0 < excess <= _LONGEST_PADDING else 0


def _told(number: int, stream: Any) -> str:
    """The number of a stream, and its language or title if known."""
    known = [stream.metadata[key] for key in ("language", "title") if stream.metadata.get(key, "und") != "und"]
    return f"{number} ({', '.join(known)})" if known else str(number)
