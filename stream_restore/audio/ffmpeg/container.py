"""Containers that FFmpeg opens, and their packets, decoded or not."""

from collections.abc import Iterator
from typing import Any

import av
import av.error

from ...errors import SourceError
from ..bytestream import Readable
from ..source import refuse_track
from .names import DEMUXERS
from .resync import FrameStream

__all__ = ["Packets", "chosen_stream", "open_container"]

_GLUED = ("ac3", "dts", "eac3")
"""Streams in which FFmpeg joins what is damaged to the packet that follows."""
_OPTIONS = {("flac", "flac"): {"err_detect": "crccheck+explode"}, ("caf", "alac"): {"flags2": "+skip_manual"}}
"""FFmpeg checks FLAC's checksums only on request, and takes off CAF's padding from ALAC, which decodes to none."""
_TRIES = 16
"""Calls of a demuxer in succession that may fail before the rest is given up."""


def open_container(name: str, file: Readable, **options: str) -> Any:
    """The container at the position of a file, with further options of FFmpeg's.

    Raises:
        SourceError: if FFmpeg cannot open it.
    """
    try:
        return av.open(file, options={"format_whitelist": DEMUXERS, **options}, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{name}: is no sound that can be read ({error.strerror or error})") from error


def chosen_stream(name: str, container: Any, track: int | None = None) -> Any:
    """An audio stream of a container: of this number among them, or the best.

    Raises:
        ConfigError: if there is no such stream.
        SourceError: if it has none that FFmpeg decodes.
    """
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


class Packets:
    """Decodes the packets of a stream, and notes those that cannot be.

    Attributes:
        failure: why a packet since the latest frame could not be decoded, or the container could not be read; None if
            there is none.
        lost: frames in the packets since the latest frame that could not be decoded; None if there are none.
        first_lost: the first of these packets.
    """

    def __init__(self, file: Readable, container: Any, stream: Any, patient: bool) -> None:
        self._file = file
        self._container = container
        self._stream = stream
        self._patient = patient
        self._size = 0.0
        self._samples: int = 0
        self.found()

    def found(self) -> None:
        """Forget what was noted, once the caller has dealt with it."""
        self.failure: str | None = None
        self.lost: int | None = None
        self.first_lost: Any = None

    def __iter__(self) -> Iterator[list[Any]]:
        """Yield the frames of each packet that has some.

        Raises:
            av.error.FFmpegError: if the container cannot be read on; what a patient caller goes on behind is noted.
        """
        for packet in self._demuxed():
            frames, reason = self._decode(packet)
            if reason is not None:
                self._note(packet, reason)
            elif frames:
                self._size += (packet.size - self._size) / (32 if self._size else 1)
                self._samples = frames[-1].samples
                yield frames

    def _demuxed(self) -> Iterator[Any]:
        failures = 0
        while failures < _TRIES:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    yield packet
                return
            except av.error.InvalidDataError as error:
                if not self._patient:
                    raise
                failures += 1
                self.failure = self.failure or error.strerror or str(error)

    def _decode(self, packet: Any) -> tuple[list[Any], str | None]:
        """The frames of a packet, and the reason if it cannot be decoded."""
        if isinstance(self._file, FrameStream) and packet.size and self._file.is_blank(bytes(packet)):
            return [], "what is there is no sound"
        try:
            return packet.decode(), None
        except av.error.FFmpegError as error:
            return [], error.strerror or str(error)

    def _note(self, packet: Any, reason: str) -> None:
        self.failure = self.failure or reason
        self.lost = (self.lost or 0) + self._length(packet)
        self.first_lost = self.first_lost or packet

    def _length(self, packet: Any) -> int:
        """Frames of sound in a packet that cannot be decoded."""
        if self._size and self._container.format.name in _GLUED:
            frames: int = self._samples * max(1, round(packet.size / self._size))
        elif not packet.duration or not packet.time_base:
            frames = self._samples
        else:
            frames = round(packet.duration * packet.time_base * self._stream.codec_context.sample_rate)
        return frames
