"""Ogg with a constant serial number.

A serial number distinguishes the Ogg streams in one file (RFC 3533, section 6); libsndfile derives it from the clock.
Files written here have one stream, so a constant suffices, and the same audio then gives the same bytes.
"""

import struct
import zlib
from typing import BinaryIO

from ..outputs.output import Output

__all__ = ["FIRST_PAGE", "LAST_PAGE", "OggPages", "checksum", "is_chained", "page_size"]

_SERIAL = struct.pack("<I", 1)
FIRST_PAGE, LAST_PAGE = 2, 4
"""Flags of a page."""

_HEAD = 27
_LARGEST = 65307
"""Bytes of the largest page."""
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class OggPages:
    """A file object for libsndfile that writes the pages of one stream to an output with a constant serial number."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._held = bytearray()
        self._taken = 0

    def write(self, data: bytes) -> int:
        """Buffer `data`; write the pages that are complete."""
        self._held += data
        self._taken += len(data)
        while (size := page_size(self._held)) is not None:
            self._output.write(_numbered(bytes(self._held[:size])))
            del self._held[:size]
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Return nothing: Ogg is written sequentially."""
        return b""

    def seek(self, position: int, whence: int = 0) -> int:
        """Do nothing: Ogg is written sequentially."""
        return self._taken

    def tell(self) -> int:
        """The position of the next write, in bytes."""
        return self._taken


def page_size(data: bytes | bytearray) -> int | None:
    """Size in bytes of the page at the start of `data`; None if it is incomplete or not a page."""
    if len(data) < _HEAD or data[:4] != b"OggS" or len(data) < _HEAD + data[26]:
        return None
    lacing = data[_HEAD : _HEAD + data[26]]
    size = _HEAD + len(lacing) + sum(lacing)
    return size if len(data) >= size else None


def is_chained(file: BinaryIO) -> bool:
    """Whether the last page belongs to none of the streams that the file begins with: its length is not all."""
    begin, serials = file.read(_LARGEST), set()
    while (size := page_size(begin)) is not None and begin[5] & FIRST_PAGE:
        serials.add(begin[14:18])
        begin = begin[size:]
    file.seek(max(0, file.seek(0, 2) - _LARGEST))
    end = file.read()
    at = end.rfind(b"OggS")
    return at >= 0 and end[at + 14 : at + 18] not in serials


def _numbered(page: bytes) -> bytes:
    bare = page[:14] + _SERIAL + page[18:22] + bytes(4) + page[26:]
    return bare[:22] + struct.pack("<I", checksum(bare)) + bare[26:]


def checksum(page: bytes) -> int:
    """The CRC-32 of a page whose checksum field is 0: polynomial 0x04C11DB7, most significant bit first, initially 0.

    zlib uses the same polynomial with reflected bits, and inverts the initial and final values.
    """
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
