"""The container of True Audio, around packets that FFmpeg encoded.

FFmpeg's own muxer keeps a whole recording in memory, because the table of packet sizes comes first.
"""

import struct
import zlib
from collections.abc import Mapping, Sequence

from ...spec import Spec
from .output import Output

__all__ = ["MOST_FRAMES", "complete_tta", "shortened"]

MOST_FRAMES = 2**32 - 1
_PIECE = 1 << 20


def complete_tta(
    output: Output, spec: Spec, bits: int, frames: int, sizes: Sequence[int], tags: Mapping[str, str]
) -> None:
    """Put header and table of sizes before the packets that a file consists of, and tags (APEv2) behind them."""
    fields = struct.pack("<HHHII", 1, spec.channels, bits, spec.sample_rate, frames)
    head = _checked(b"TTA1" + fields) + _checked(struct.pack(f"<{len(sizes)}I", *sizes))
    _make_room(output, len(head))
    output.seek(0)
    output.write(head)
    output.seek(0, 2)
    output.write(_ape_tag(tags))


class _Rice:
    """The adaptive Rice code of one channel (libavcodec/ttadata.c): only how many bits a value takes."""

    def __init__(self) -> None:
        self._k = [10, 10]
        self._sums = [1 << 14, 1 << 14]

    def bits_at(self, bits: int) -> int:
        """How many of these bits, the lowest first, are the next value."""
        unary = (~bits & (bits + 1)).bit_length() - 1  # ones before the first zero
        depth = int(unary > 0)
        k = self._k[depth]
        value = ((unary - depth) << k) + (bits >> (unary + 1) & ((1 << k) - 1))
        if depth:
            self._adapt(1, value)
            value += 1 << self._k[0]
        self._adapt(0, value)
        return unary + 1 + k

    def _adapt(self, index: int, value: int) -> None:
        self._sums[index] += value - (self._sums[index] >> 4)
        k, total = self._k[index], self._sums[index]
        if k > 0 and total < 1 << (k + 4):
            self._k[index] -= 1
        elif total > 1 << (k + 5):
            self._k[index] += 1


def shortened(packet: bytes, frames: int, channels: int) -> bytes:
    """A packet of the first `frames` frames of a longer one: its bits up to there, and a checksum of its own."""
    bits, position = int.from_bytes(packet[:-4], "little"), 0
    codes = [_Rice() for _ in range(channels)]
    for _ in range(frames):
        for code in codes:
            position += code.bits_at(bits >> position)
    size = (position + 7) // 8
    return _checked((bits & ((1 << position) - 1)).to_bytes(size, "little"))


def _checked(data: bytes) -> bytes:
    return data + struct.pack("<I", zlib.crc32(data))


def _make_room(output: Output, size: int) -> None:
    """Move all bytes of a file by `size`, the last first."""
    position = output.seek(0, 2)
    while position and output.error is None:
        length = min(_PIECE, position)
        position -= length
        output.seek(position)
        data = output.read(length)
        output.seek(position + size)
        output.write(data)


def _ape_tag(tags: Mapping[str, str]) -> bytes:
    items = b""
    for name, text in tags.items():
        items += struct.pack("<II", len(text.encode()), 0) + name.encode() + b"\0" + text.encode()
    facts = struct.pack("<III", 2000, len(items) + 32, len(tags))
    head, foot = (b"APETAGEX" + facts + struct.pack("<I", flags) + bytes(8) for flags in (0xA0000000, 0x80000000))
    return head + items + foot if tags else b""
