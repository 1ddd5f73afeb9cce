"""Detects from the first bytes how a container can be read."""

from dataclasses import dataclass
from typing import Literal

from .bytestream import ByteStream

__all__ = ["Kind", "id3_size", "sniff"]

_ONE_PASS = (b"fLaC", b"OggS", b".snd", b"\x1a\x45\xdf\xa3")
"""FLAC, Ogg, AU, and EBML (Matroska and WebM)."""

_MPEG_FRAME = 2048
_LARGEST_ID3 = 1 << 24


@dataclass(frozen=True)
class Kind:
    """How a container can be read.

    Attributes:
        streams: whether one sequential pass gives the same samples as a seekable file.
        ogg: whether it is an Ogg.
        exact: whether it is an MP3 whose header gives the exact number of frames.
        framing: whether it is a mere sequence of frames, of MPEG audio or ADTS.
    """

    streams: bool
    ogg: bool = False
    exact: bool = False
    framing: Literal["mpeg", "adts"] | None = None


def sniff(stream: ByteStream) -> Kind:
    """Inspect the first bytes, without consuming them.

    An MP3 with a Xing or Info tag gives the length of its end padding, which FFmpeg removes only if it can seek; live
    streams have no such tag.
    """
    head = stream.peek(12)
    if head[:4] in _ONE_PASS:
        return Kind(streams=True, ogg=head[:4] == b"OggS")
    return _mpeg(stream, head)


def _mpeg(stream: ByteStream, head: bytes) -> Kind:
    start = id3_size(head)
    if start > _LARGEST_ID3:
        return Kind(streams=False)
    audio = stream.peek(start + _MPEG_FRAME)[start:]
    if len(audio) < 4 or audio[0] != 0xFF or audio[1] & 0xE0 != 0xE0:
        return Kind(streams=False)
    tagged = b"Xing" in audio or b"Info" in audio
    return Kind(streams=not tagged, exact=tagged, framing="mpeg" if audio[1] & 0x06 else "adts")


def id3_size(head: bytes) -> int:
    """Size in bytes of an ID3v2 tag at the start; it is stored as four groups of seven bits."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + 10
