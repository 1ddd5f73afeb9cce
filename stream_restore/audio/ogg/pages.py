"""Ogg with the same serial number every time.

An Ogg stream carries a number that tells it from others in the same file (RFC 3533, section 6); libsndfile draws it
from the clock. There is one stream here, so any number will do, and the same sound then gives the same bytes.
"""

import struct
import zlib

from ..outputs.output import Output

__all__ = ["OggPages", "checksum", "page_size"]

_SERIAL = struct.pack("<I", 1)
_HEAD = 27
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class OggPages:
    """A file object for libsndfile that numbers the pages of one stream and hands them on to an output."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._held = bytearray()
        self._taken = 0

    def write(self, data: bytes) -> int:
        """Take bytes; pages go on when they are whole."""
        self._held += data
        self._taken += len(data)
        while (size := page_size(self._held)) is not None:
            self._output.write(_numbered(bytes(self._held[:size])))
            del self._held[:size]
        return len(data)

    def read(self, size: int = -1) -> bytes:
        """Nothing: Ogg is written from front to back."""
        return b""

    def seek(self, position: int, whence: int = 0) -> int:
        """Stay: Ogg is written from front to back."""
        return self._taken

    def tell(self) -> int:
        """The byte that is written next."""
        return self._taken


def page_size(data: bytes | bytearray) -> int | None:
    """Bytes in the page at the front of `data`; None while it is not whole, or if it is none."""
    if len(data) < _HEAD or data[:4] != b"OggS" or len(data) < _HEAD + data[26]:
        return None
    lacing = data[_HEAD : _HEAD + data[26]]
    size = _HEAD + len(lacing) + sum(lacing)
    return size if len(data) >= size else None


def _numbered(page: bytes) -> bytes:
    bare = page[:14] + _SERIAL + page[18:22] + bytes(4) + page[26:]
    return bare[:22] + struct.pack("<I", checksum(bare)) + bare[26:]


def checksum(page: bytes) -> int:
    """The CRC-32 of a page whose own checksum is 0: polynomial 0x04C11DB7, most significant bit first, start 0.

    zlib has the same polynomial with bits in the other order, start and end inverted.
    """
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
