"""Reads tags in the original form of their container, by mutagen. Imported only when needed: mutagen is an extra."""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from io import BytesIO
from typing import Any, BinaryIO

from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3, Frames, ID3NoHeaderError
from mutagen.id3._util import ID3JunkFrameError
from mutagen.mp4 import MP4, MP4Cover
from mutagen.ogg import OggPage

from .comments import PICTURE
from .extras import LIMIT, NativeTags

__all__ = ["APPLICATION", "CUE_SHEET", "Bounded", "read_id3", "read_native"]

APPLICATION, CUE_SHEET = 2, 5
"""Numbers of FLAC's blocks."""
_MAGIC = {"ogg": b"\x03vorbis", "opus": b"OpusTags"}
_READS = 100_000
"""Reads of a file, and frames of an ID3 tag, that one tag may take: millions of tiny entries would fill the memory."""
_BLOCKS = (APPLICATION, CUE_SHEET)
"""A seek table holds positions in bytes, which do not stay valid."""
_MIME = {MP4Cover.FORMAT_JPEG: "image/jpeg", MP4Cover.FORMAT_PNG: "image/png"}
_FRONT_COVER = 3


class Bounded:
    """A file that may be read for `LIMIT` bytes in all.

    Raises:
        ValueError: in `read`, beyond that.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._bytes, self._reads = LIMIT, _READS
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        """Read at most `size` bytes."""
        allowed = self._bytes + 1
        data = self._file.read(allowed if size < 0 else min(size, allowed))
        self._bytes -= len(data)
        self._reads -= 1
        if self._bytes < 0 or self._reads < 0:
            raise ValueError(f"more than {LIMIT >> 20} MiB, or too many entries")
        return data


def read_native(container: str, file: BinaryIO) -> NativeTags | None:
    """The tags of a file, from its start; None if it has none.

    Raises:
        Exception: of any class, if they are damaged or take more than `LIMIT` bytes.
    """
    return _READERS[container](Bounded(file))


def read_id3(file: Any) -> NativeTags | None:
    """An ID3 tag at the start of a file."""
    try:
        found = ID3(file, known_frames=_guarded_frames(), load_v1=False)
    except ID3NoHeaderError:
        return None
    return NativeTags("id3", found, tuple(map(_of_id3, found.getall("APIC"))), minor=3 if found.version[1] == 3 else 4)


def _guarded_frames() -> Mapping[str, type[Any]]:
    """Frame classes that refuse compressed data, which could expand without a bound, and more than `_READS` frames."""
    count = iter(range(_READS))
    return {name: _guarded(kind, count) for name, kind in Frames.items()}


def _guarded(kind: type[Any], count: Iterator[int]) -> type[Any]:
    def from_data(cls: Any, header: Any, flags: int, data: bytes) -> Any:
        if next(count, None) is None:
            raise ValueError("too many entries")
        if flags & (cls.FLAG24_COMPRESS if header.version[1] >= 4 else cls.FLAG23_COMPRESS):
            raise ID3JunkFrameError("compressed")
        return super(guarded, cls)._fromData(header, flags, data)

    guarded: type[Any] = type(kind.__name__, (kind,), {"_fromData": classmethod(from_data)})
    return guarded


def _of_id3(frame: APIC) -> Picture:
    return _picture(frame.data, frame.mime, int(frame.type), frame.desc)


def _read_flac(file: Any) -> NativeTags:
    found = FLAC(file)
    blocks = tuple(block for block in found.metadata_blocks if block.code in _BLOCKS)
    return NativeTags("vorbis", list(found.tags or ()), tuple(found.pictures), blocks)


def _read_ogg(file: Any, magic: bytes) -> NativeTags | None:
    """Vorbis comments from the second packet of the first stream; the rest of the file is not read."""
    from mutagen._vorbis import VComment

    packet = _second_packet(file)
    if not packet.startswith(magic):
        return None
    comments = VComment(Bounded(BytesIO(packet[len(magic) :])), errors="replace", framing=False)
    return NativeTags("vorbis", list(comments), tuple(_pictures_in(comments)))


def _second_packet(file: Any) -> bytes:
    serial, packet = OggPage(file).serial, bytearray()
    while True:
        page = OggPage(file)
        if page.serial == serial:
            packet += page.packets[0]
            if len(page.packets) > 1 or page.complete:
                return bytes(packet)


def _pictures_in(comments: list[tuple[str, str]]) -> Iterator[Picture]:
    for name, text in comments:
        if name.upper() == PICTURE:
            with suppress(Exception):  # mutagen raises errors of several classes; the comment itself is kept
                yield Picture(base64.b64decode(text))


def _read_mp4(file: Any) -> NativeTags | None:
    tags = MP4(file).tags
    if tags is None:
        return None
    covers = [cover for cover in tags.get("covr", ()) if cover.imageformat in _MIME]
    return NativeTags("mp4", tags, tuple(_picture(bytes(cover), _MIME[cover.imageformat]) for cover in covers))


def _picture(data: bytes, mime: str, kind: int = _FRONT_COVER, description: str = "") -> Picture:
    picture = Picture()
    picture.data, picture.mime, picture.type, picture.desc = data, mime, kind, description
    return picture


_READERS: Mapping[str, Callable[[Any], NativeTags | None]] = {
    "mp3": read_id3,
    "flac": _read_flac,
    "ogg": lambda file: _read_ogg(file, _MAGIC["ogg"]),
    "opus": lambda file: _read_ogg(file, _MAGIC["opus"]),
    "m4a": _read_mp4,
    "alac": _read_mp4,
}
