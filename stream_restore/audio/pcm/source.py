"""Reading of PCM from a file or a pipe: headerless, and the WAV family."""

from dataclasses import replace

from ...spec import Audio, Spec, empty
from ..bytestream import ByteStream
from ..formats import WORDS, Format
from ..samples.coding import decode
from ..source import Source, checked_spec
from ..tags.source_extras import native_of_chunks
from .raw import RawFormat
from .wav_header import WavHeader, chunk_follows, read_behind, read_header

__all__ = ["PcmSource", "WavSource", "open_pcm", "open_wav"]


class PcmSource(Source):
    """Interleaved samples from byte `start` of a stream: `size` bytes, or until its end if None."""

    def __init__(self, stream: ByteStream, spec: Spec, format: Format, start: int, size: int | None) -> None:
        self._stream = stream
        self._start = start
        self._size = size
        self._left = size
        self._stored = format
        self._frame_bytes = WORDS[format.encoding].size * spec.channels
        super().__init__(stream.name, spec, self._whole_frames(), format, rereadable=stream.seekable)

    def close(self) -> None:
        self._stream.close()

    def skip(self, frames: int) -> int:
        passed = min(frames, max(0, (self.frames or 0) - self._position))  # of a file; a pipe is read
        if passed:
            self._stream.seek(self._start + (self._position + passed) * self._frame_bytes)
            self._position += passed
            self._left = None if self._size is None else self._size - self._position * self._frame_bytes
        return passed + super().skip(frames - passed)

    def _restart(self) -> None:
        self._stream.seek(self._start)
        self._left = self._size

    def _whole_frames(self) -> int | None:
        available = self._stream.size()
        if available is None:
            return None
        rest = max(0, available - self._start)
        return (rest if self._size is None else min(rest, self._size)) // self._frame_bytes

    def _pull(self, frames: int) -> Audio:
        if self._left is not None and self._left < self._frame_bytes:
            self._reached()
        if self._left is not None:
            frames = min(frames, self._left // self._frame_bytes)
        asked = frames * self._frame_bytes
        data = self._stream.read(asked)
        if self._left is not None:
            self._left -= len(data)
        block = self._decoded(data)
        if len(data) < asked and not block.shape[1]:
            self._ended()
        return block

    def _decoded(self, data: bytes) -> Audio:
        whole = len(data) - len(data) % self._frame_bytes
        if not whole:
            if data:
                self._warn(f"ends in the middle of {self._here()}, which is left out")
            return empty(self.spec.channels)
        if whole < len(data):
            self._warn(f"ends in the middle of its last frame, {len(data) - whole} bytes behind it are left out")
        return decode(data[:whole], self._stored.encoding, self.spec.channels, self._stored.big_endian)

    def _reached(self) -> None:
        """Called when all declared bytes are consumed; a subclass may detect that more samples follow."""

    def _ended(self) -> None:
        """Called at the end of the stream, which may be before the declared end."""


class WavSource(PcmSource):
    """The samples of a WAV, RF64, BW64, RIFX or W64, the same from a file and from a pipe."""

    def __init__(self, stream: ByteStream, header: WavHeader) -> None:
        extras = replace(header.extras, sample_rate=header.spec.sample_rate, encoding=header.encoding)
        extras.late, extras.load = not stream.seekable, native_of_chunks
        form = Format(header.container, header.encoding, header.tags, header.channel_mask, header.big_endian, extras)
        super().__init__(stream, header.spec, form, header.start, header.size)
        self._doubtful, self._behind_read = header.doubtful, stream.seekable
        believed = header.size is not None and not header.doubtful
        self._declared = header.size // self._frame_bytes if header.size is not None and believed else None
        if not stream.seekable:
            self.estimate = self._declared

    def _reached(self) -> None:
        if self._left is None:
            return
        if not chunk_follows(self._stream, self._left):
            if self._doubtful:
                self._left = None
            else:
                self._warn(f"goes on behind {self._here()}, where its header ends it; read as raw samples to have all")
        elif not self._behind_read:
            self._behind_read = True
            self._stream.skip(self._left)
            self._left = 0
            read_behind(self._stream, self._stored.container, self._stored.big_endian, self._stored.extras)

    def _ended(self) -> None:
        if self._declared is not None and self._position < self._declared:
            self._ends_early(self._declared)


def open_wav(stream: ByteStream) -> WavSource | None:
    """Open the WAV at the start of a stream; None, with the stream position unchanged, if its codec is not PCM."""
    header = read_header(stream)
    if header is None:
        return None
    return WavSource(stream, _settled(stream, header) if stream.seekable else header)


def _settled(stream: ByteStream, header: WavHeader) -> WavHeader:
    """The header of a file after inspecting the bytes after the samples: is the size true, and are there tags?

    A pipe applies the same rule on reaching that position, so both give the same samples.
    """
    size, extras = header.size, header.extras
    if size is not None and header.start + size <= (stream.size() or 0):
        stream.seek(header.start + size)
        if chunk_follows(stream):
            read_behind(stream, header.container, header.big_endian, extras)
        elif header.doubtful:
            size = None
    elif header.doubtful:
        size = None
    stream.seek(header.start)
    return replace(header, size=size, tags=header.tags | extras.tags_behind, doubtful=False)


def open_pcm(stream: ByteStream, raw: RawFormat) -> PcmSource:
    """Open headerless samples.

    Raises:
        SourceError: if the rate or number of channels is out of range.
    """
    spec = checked_spec(stream.name, raw.spec.sample_rate, raw.spec.channels)
    return PcmSource(stream, spec, Format("raw", raw.encoding, big_endian=raw.big_endian), stream.position, None)
