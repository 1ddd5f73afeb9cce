"""Headers of MPEG audio (ISO/IEC 11172-3, 13818-3) and ADTS (ISO/IEC 13818-7), and tags that stand between frames."""

import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ADTS", "MPEG", "TAG", "Framing", "tag_size"]

_RATES = (44100, 48000, 32000)
_FULL = {
    1: tuple(range(32, 449, 32)),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_LAYER2_LOW = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_LOW = {1: (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256), 2: _LAYER2_LOW, 3: _LAYER2_LOW}
"""Bit rates in kbit/s by layer, of MPEG-1 and of the lower sampling rates."""


@dataclass(frozen=True)
class Framing:
    """How frames of a codec follow one another.

    Attributes:
        head: size of a header in bytes.
        length: size of the frame that begins with a header, 0 if it is none.
        alike: bits of the second and third byte that all frames of a recording share.
        longest: size of the largest frame.
        sync: finds where a frame may begin.
    """

    head: int
    length: Callable[[bytes | bytearray, int], int]
    alike: tuple[int, int]
    longest: int
    sync: re.Pattern[bytes]

    def kind(self, data: bytes | bytearray, at: int) -> tuple[int, int]:
        """What the frame at `at` shares with its neighbours."""
        return data[at + 1] & self.alike[0], data[at + 2] & self.alike[1]


def _mpeg_length(data: bytes | bytearray, at: int) -> int:
    second, third = data[at + 1], data[at + 2]
    version, layer, index, rate = second >> 3 & 3, 4 - (second >> 1 & 3), third >> 4, third >> 2 & 3
    if data[at] != 0xFF or second < 0xE0 or version == 1 or layer == 4 or index in (0, 15) or rate == 3:
        return 0
    bits = 1000 * (_FULL if version == 3 else _LOW)[layer][index - 1]
    hertz = _RATES[rate] >> (0, 1, 1, 2)[3 - version if version else 3]
    padding = third >> 1 & 1
    if layer == 1:
        return (12 * bits // hertz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding


def _adts_length(data: bytes | bytearray, at: int) -> int:
    second, third = data[at + 1], data[at + 2]
    if data[at] != 0xFF or second & 0xF6 != 0xF0 or third >> 2 & 15 > 12:
        return 0
    size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    return size if size >= 7 else 0


MPEG = Framing(4, _mpeg_length, (0xFE, 0x0C), 2881, re.compile(rb"\xff[\xe0-\xff][\x10-\xef]"))
ADTS = Framing(7, _adts_length, (0xFE, 0xFC), 8191, re.compile(rb"\xff[\xf0\xf1\xf8\xf9]"))
TAG = re.compile(rb"ID3[\2-\4]|APETAGEX|TAG")


def tag_size(data: bytes | bytearray) -> int:
    """Size in bytes of a tag at the start of `data`, at least its first 32 bytes; 0 if there is none.

    ID3v2 and ID3v1 (id3.org), APE (versions 1 and 2), Lyrics3's first words.
    """
    if data[:3] == b"ID3" and data[3:4] in (b"\2", b"\3", b"\4") and len(data) >= 10 and max(data[6:10]) < 0x80:
        size = data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]
        return size + (20 if data[5] & 0x10 else 10)
    if data[:8] == b"APETAGEX" and len(data) >= 32:
        is_header = data[23] & 0x20
        return 32 + (int.from_bytes(data[12:16], "little") if is_header else 0)
    if data[:4] == b"TAG+":
        return 227
    return 128 if data[:3] == b"TAG" else 0
