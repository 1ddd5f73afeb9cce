"""Decoding by FFmpeg, through PyAV: compressed audio, and the audio of video files."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Protocol

import av
import av.error

from ...errors import SourceError
from ...spec import Audio, empty
from ..ogg.watch import OggWatch
from ..positions import format_position
from ..samples.coding import scaled
from ..source import Film, Source, checked_spec, refuse_track
from .film import beside_sound, describe, is_picture
from .length import length_of
from .names import DEMUXERS, format_of

__all__ = ["AvSource", "Readable"]

_WORDS = {"u8": "u8", "s16": "s16", "s32": "s32", "flt": "f32", "dbl": "f64"}
_OPTIONS = {("flac", "flac"): {"err_detect": "crccheck+explode"}, ("caf", "alac"): {"flags2": "+skip_manual"}}
"""FFmpeg checks FLAC's checksums only on request, and takes off CAF's padding from ALAC, which decodes to none."""
_GAPS = {"flac": 0, "ogg": 8192}
"""Containers whose time stamps count frames, and the largest jump, in frames, without missing audio. The last page of
an Ogg is stamped from its end, and ends early; a lost page is longer than the longest Vorbis packet."""


class Readable(Protocol):
    """The methods that FFmpeg needs of a pipe; with `seek` and `tell` it treats the object as a file."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes."""

    def close(self) -> None:
        """Release the underlying file."""


class AvSource(Source):
    """An audio stream of a container that FFmpeg opens.

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
        track: int | None = None,
    ) -> None:
        self.name = name
        self._reopen = reopen
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

    def close(self) -> None:
        self._container.close()
        self._file.close()

    def _restart(self) -> None:
        self.close()
        self._open()
        self._begin()

    def _open(self) -> None:
        self._file = self._reopen()
        try:
            self._container = _opened(self.name, self._file)
            self._stream = _chosen(self.name, self._container, self._track)
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
        self._blocks = self._unpadded(self._decoded())
        self._padding = 0
        self._held = empty(self.spec.channels)
        self._first_stamp: int | None = None
        self._given = 0

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
        self._refuse_damage()
        if isinstance(self._file, OggWatch) and not self._file.ended:
            self._warn(f"ends at {self._here()} without a last page; it may be cut short")
        length = self._length
        if length.least and length.declared is not None and self._position < length.declared:
            self._ends_early(length.declared)

    def _decoded(self) -> Iterator[Audio]:
        """Yield blocks as FFmpeg decodes them. Undecodable data is an error, or a warning if it is at the end."""
        damage: str | None = None
        for packet in self._packets():
            frames, reason = _frames(packet)
            if frames and damage is not None:
                raise self._undecodable(damage)
            damage = damage or reason
            for frame in frames:
                yield self._block(frame)
        if damage is not None and not self._given:
            raise self._undecodable(damage)
        if damage is not None:
            where = format_position(self._given, self.spec.sample_rate)
            self._warn(f"cut short at {where}: what follows cannot be decoded ({damage})")

    def _unpadded(self, blocks: Iterator[Audio]) -> Iterator[Audio]:
        """Yield blocks, the last without its padding."""
        held = empty(self.spec.channels)
        for block in blocks:
            yield held
            held = block
        yield held[:, : held.shape[1] - self._padding]

    def _packets(self) -> Iterator[Any]:
        try:
            yield from self._container.demux(self._stream)
        except av.error.FFmpegError as error:
            raise self._undecodable(error.strerror or str(error)) from error

    def _block(self, frame: Any) -> Audio:
        self._refuse_damage()
        self._refuse_change(frame)
        self._refuse_gap(frame)
        stored = frame.to_ndarray()
        if not frame.format.is_planar:
            stored = stored.reshape(-1, self.spec.channels).T
        if self._end is not None:
            stored = stored[:, : max(0, self._end - self._given)]
        self._given += stored.shape[1]
        self._padding = self._padding_of(frame)
        return scaled(stored, _WORDS[frame.format.packed.name])

    def _padding_of(self, frame: Any) -> int:
        """Padding frames in a block of AAC; in an MP4 the duration of the last block excludes them."""
        if self.format.container != "m4a" or frame.time_base != Fraction(1, self.spec.sample_rate):
            return 0
        return max(0, frame.samples - frame.duration) if frame.duration else 0

    @property
    def _end(self) -> int | None:
        """The frame at which the padding of Vorbis begins; FFmpeg finds it only if the audio has more than one page."""
        watch = self._file
        return watch.length if isinstance(watch, OggWatch) and self.format.encoding == "vorbis" else None

    def _refuse_damage(self) -> None:
        if isinstance(self._file, OggWatch) and self._file.damage is not None:
            raise self._undecodable(self._file.damage)

    def _refuse_change(self, frame: Any) -> None:
        rate, channels = frame.sample_rate, frame.layout.nb_channels
        if (rate, channels) != (self.spec.sample_rate, self.spec.channels):
            where = format_position(self._given, self.spec.sample_rate)
            raise SourceError(f"{self.name}: changes to {rate} Hz and {channels} channels at {where}; split it there")

    def _refuse_gap(self, frame: Any) -> None:
        allowed = _GAPS.get(self._container.format.name)
        if allowed is None or frame.pts is None:
            return
        stamp = round(frame.pts * frame.time_base * self.spec.sample_rate)
        if self._first_stamp is None:
            self._first_stamp = stamp
        missing = stamp - self._first_stamp - self._given
        if missing > allowed:
            raise self._undecodable(f"{missing} frames are missing")

    def _undecodable(self, reason: str) -> SourceError:
        where = format_position(self._given, self.spec.sample_rate)
        return SourceError(
            f"{self.name}: cannot be decoded at {where}: {reason}; `ffmpeg -i IN OUT.flac` keeps what it can"
        )


def _opened(name: str, file: Readable) -> Any:
    try:
        return av.open(file, options={"format_whitelist": DEMUXERS}, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{name}: is no sound that can be read ({error.strerror or error})") from error


def _told(number: int, stream: Any) -> str:
    """The number of a stream, and its language or title if known."""
    known = [stream.metadata[key] for key in ("language", "title") if stream.metadata.get(key, "und") != "und"]
    return f"{number} ({', '.join(known)})" if known else str(number)


def _chosen(name: str, container: Any, track: int | None) -> Any:
    sounds = container.streams.audio
    stream = container.streams.best("audio") if track is None else None
    if sounds and track is not None:
        refuse_track(name, track, len(sounds))
        stream = sounds[track]
    if stream is None:
        container.close()
        raise SourceError(f"{name}: holds no sound, only {container.format.long_name}")
    if stream.codec_context is None or not stream.codec_context.sample_rate:
        raise SourceError(f"{name}: its sound is in a codec that FFmpeg does not decode, or is damaged")
    stream.codec_context.options = _OPTIONS.get((container.format.name, stream.codec_context.codec.canonical_name), {})
    return stream


def _frames(packet: Any) -> tuple[list[Any], str | None]:
    """The frames of a packet, and the error if it cannot be decoded."""
    try:
        return packet.decode(), None
    except av.error.FFmpegError as error:
        return [], error.strerror or str(error)
