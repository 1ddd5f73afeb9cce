"""PNG files of pictures with a palette."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["PALETTE", "encode_png"]

_ANCHORS = (
    "000004 0b0724 20114b 3b0f70 57157e 721f81 8c2981 a8327d c43c75 de4968 f1605d fa7f5e fe9f6d febf84 fddea0 fcfdbf"
)
"""The colour map magma (Smith and van der Walt, 2015, CC0) at 16 places: lighter means louder, for all eyes."""


def _palette() -> NDArray[np.uint8]:
    """256 colours, shape (256, 3), by linear interpolation."""
    anchors = np.array([list(bytes.fromhex(colour)) for colour in _ANCHORS.split()])
    places = np.linspace(0, len(anchors) - 1, 256)
    channels = [np.interp(places, np.arange(len(anchors)), channel) for channel in anchors.T]
    return np.asarray(np.rint(np.stack(channels, axis=1)), np.uint8)


PALETTE = _palette()


def encode_png(indices: NDArray[np.uint8]) -> bytes:
    """A PNG of places in the palette, shape (rows, columns), both at least 1; the first row is the upper one.

    >>> encode_png(np.zeros((2, 3), np.uint8))[:4]
    b'\\x89PNG'
    """
    rows, columns = indices.shape
    lines = np.pad(indices, ((0, 0), (1, 0))).tobytes()  # each line begins with its filter: none
    return b"".join([
        b"\x89PNG\r\n\x1a\n",
        _chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 3, 0, 0, 0)),
        _chunk(b"PLTE", PALETTE.tobytes()),
        _chunk(b"IDAT", zlib.compress(lines, 5)),
        _chunk(b"IEND", b""),
    ])  # fmt: skip


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
