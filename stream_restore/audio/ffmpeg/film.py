"""Copies what a film holds beside its sound into an output, undecoded: video, subtitles, attachments, chapters.

The streams come from a second reading of the input, as far as the sound has come: however far a stage lags behind,
one packet is held, and the same bytes are written for any partition and after a restart.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from fractions import Fraction
from io import BytesIO
from pathlib import PurePath
from typing import Any

import av
import av.error
from av.stream import Disposition

from ...errors import SourceError
from ..source import Film
from .container import open_container
from .names import is_picture

__all__ = ["StreamCopy", "beside_sound", "describe"]

_KINDS = ("video", "subtitle", "attachment")
_THUMBNAILS = Disposition.timed_thumbnails
_REORDERED = 32
"""More packets than any codec decodes before the first that it shows."""


class StreamCopy:
    """Everything but the sound of `film`, for the container `output`, which is not begun yet.

    Attributes:
        sound: language and title of the sound.
        start: when the sound begins, in seconds after the film.
        warnings: what the container cannot hold; after `rest` also what could not be copied.
    """

    def __init__(self, film: Film, output: Any, name: str) -> None:
        assert film.reopen is not None
        self._film, self._output, self._name = film, output, name
        self._suffix = PurePath(name).suffix.lower()
        self.warnings: list[str] = []
        self._file = film.reopen()
        try:
            self._input = _opened(film, self._file)
            self._streams = self._added()
            first = _first_frame(film)
            self._shift = min([first, *self._starts()])
            self.start = first - self._shift
        except BaseException:
            self._file.close()
            raise
        sound = self._input.streams[film.sound].metadata
        self.sound = {name: sound[name] for name in ("language", "title") if name in sound}
        output.set_chapters([self._shifted(chapter) for chapter in self._input.chapters()])
        self._last: dict[int, int] = {}
        self._early: defaultdict[int, list[Any]] = defaultdict(list)
        self._packets = self._read()
        self._held = next(self._packets, None)
        self._lost: Counter[int] = Counter()

    def until(self, seconds: Fraction) -> None:
        """Write all packets up to a time after the start of the film."""
        while self._held is not None and self._held.dts * self._held.time_base <= seconds:
            self._write(self._held)
            self._held = next(self._packets, None)

    def rest(self) -> None:
        """Write all packets that are left."""
        while self._held is not None:
            self._write(self._held)
            self._held = next(self._packets, None)
        for index, count in self._lost.items():
            what = describe(self._input.streams[index])
            self.warnings.append(f"{self._film.name}: {count} packets of its {what} could not be written")

    def close(self) -> None:
        """Release the input. Idempotent."""
        self._input.close()
        self._file.close()

    def _added(self) -> dict[int, Any]:
        """The output's stream for each of the input's that it can hold; all others are in the warning."""
        found, refused = {}, []
        for stream in beside_sound(self._input):
            if self._matroska and is_picture(stream):
                self._attach(stream)
            elif self._holds(stream):
                copy = self._output.add_stream_from_template(stream, opaque=True)
                copy.metadata.update(stream.metadata)
                copy.disposition = stream.disposition
                found[stream.index] = copy
            else:
                refused.append(describe(stream))
        if refused:
            cure = "" if self._suffix == ".mkv" else "; .mkv holds most kinds"
            self.warnings.append(self._film.left_out(f"{self._name} does not hold that{cure}", refused))
        return {index: copy for index, copy in found.items() if copy.type != "attachment"}

    @property
    def _matroska(self) -> bool:
        return bool(self._output.format.name == "matroska")

    def _holds(self, stream: Any) -> bool:
        """Whether the container takes a stream, by a trial: FFmpeg's muxers say so only when they begin."""
        if stream.type == "attachment":
            return self._matroska
        if self._suffix == ".mka":
            return False  # by its name it is for sound
        trial: Any = av.open(BytesIO(), "w", format=self._output.format.name)
        try:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
        except (av.error.FFmpegError, ValueError):
            return False
        return True

    def _starts(self) -> list[Fraction]:
        """When the videos begin, in seconds."""
        streams = [self._input.streams[index] for index in self._streams]
        videos = [stream for stream in streams if stream.type == "video" and not is_picture(stream)]
        return [stream.start_time * stream.time_base for stream in videos if stream.start_time is not None]

    def _attach(self, picture: Any) -> None:
        """Matroska's cover is an attachment, which FFmpeg reads as a video of one frame."""
        kind = picture.codec_context.name.replace("mjpeg", "jpeg")
        name = picture.metadata.get("filename", f"cover.{kind}")
        mime = picture.metadata.get("mimetype", f"image/{kind}")
        with suppress(StopIteration):
            self._output.add_attachment(name, mime, bytes(next(self._input.demux(picture))))

    def _shifted(self, chapter: Any) -> Any:
        by = round(self._shift / chapter["time_base"])
        return chapter | {"start": chapter["start"] - by, "end": chapter["end"] - by}

    def _read(self) -> Iterator[Any]:
        """Packets in the order of the file, their times counted from the start of the film, and rising."""
        if not self._streams:
            return
        try:
            for packet in self._input.demux(*(self._input.streams[index] for index in self._streams)):
                if is_picture(packet.stream):
                    packet.pts = packet.dts = 0
                if packet.size and (packet.pts is not None or packet.dts is not None):
                    yield from self._timed(packet)
        except av.error.FFmpegError as error:
            self.warnings.append(f"{self._film.name}: its video ends early: {error.strerror or error}")
        for early in self._early.values():
            yield from self._dated(early, early[-1].pts if early else 0)

    def _timed(self, packet: Any) -> Iterator[Any]:
        """Matroska says no decoding times, and FFmpeg finds none for the first packets of video with B-frames."""
        early = self._early[packet.stream_index]
        early.append(packet)
        if packet.dts is None and len(early) < _REORDERED:
            return
        yield from self._dated(early, packet.dts if packet.dts is not None else packet.pts)

    def _dated(self, early: list[Any], dts: int) -> Iterator[Any]:
        """Packets with times, the last at `dts` if it has none, the others before."""
        for before, each in enumerate(reversed(early)):
            if each.dts is None:
                each.dts = dts - before * max(1, each.duration or 0)
        for each in early:
            self._retime(each)
            yield each
        early.clear()

    def _retime(self, packet: Any) -> None:
        by, index = round(self._shift / packet.time_base), packet.stream_index
        dts = max(packet.dts - by, self._last.get(index, packet.dts - by - 1) + 1)
        packet.pts = max(packet.pts - by, dts) if packet.pts is not None else dts
        packet.dts = self._last[index] = dts

    def _write(self, packet: Any) -> None:
        index = packet.stream_index
        packet.stream = self._streams[index]
        try:
            self._output.mux_one(packet)
        except av.error.FFmpegError:
            self._lost[index] += 1


def _opened(film: Film, file: Any) -> Any:
    """Open a file that was read before; times that an AVI leaves out are made up."""
    try:
        return open_container(film.name, file, fflags="+genpts")
    except SourceError as error:
        raise SourceError(f"{film.name}: cannot be read a second time, for its video ({error})") from error


def beside_sound(container: Any) -> list[Any]:
    """Streams to copy: not sound, data, nor chapters. Only in Matroska, which attaches it, is a cover alone enough."""
    found = [stream for stream in container.streams if stream.type in _KINDS and not stream.disposition & _THUMBNAILS]
    matroska = container.format.name.startswith("matroska")
    return [] if all(map(is_picture, found)) and not matroska else found


def describe(stream: Any) -> str:
    """A stream in a message, as "video (h264)", "subtitle (srt)", "attachment (font.ttf)", "picture (png)"."""
    codec = stream.codec_context.name if stream.codec_context else stream.name
    kind = "picture" if is_picture(stream) else str(stream.type)
    return f"{kind} ({codec})" if codec else kind


def _first_frame(film: Film) -> Fraction:
    """When the first frame of the sound is heard, in seconds; packets before it may only prime the decoder."""
    assert film.reopen is not None
    with closing(film.reopen()) as file, _opened(film, file) as container:
        for packet in container.demux(container.streams[film.sound]):
            with suppress(av.error.FFmpegError):
                for frame in packet.decode():
                    return Fraction((frame.pts or 0) * frame.time_base)
    return Fraction(0)
