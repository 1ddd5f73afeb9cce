"""Files of libsndfile without the time at which they were written: the same sound then gives the same bytes."""

import struct

from .output import Output

__all__ = ["forget_time"]

_MAT5_TEXT = 124
"""Bytes of the text at the front of a MAT-file of level 5, free but for its first words."""


def forget_time(output: Output, container: str) -> None:
    """Take out what the clock said, once libsndfile is done; other containers say nothing of it."""
    if container == "mat5":
        output.seek(0)
        output.write(b"MATLAB 5.0 MAT-file, written by libsndfile".ljust(_MAT5_TEXT))
    elif container == "aiff":
        _forget_peak_time(output)


def _forget_peak_time(output: Output) -> None:
    """Of the chunk that tells the loudest sample of floats: id, size, version, time (big-endian, of 4 bytes each)."""
    position = 12
    while len(head := _at(output, position, 8)) == 8:
        name, size = struct.unpack(">4sI", head)
        if name == b"PEAK":
            output.seek(position + 12)
            output.write(bytes(4))
            return
        position += 8 + size + size % 2


def _at(output: Output, position: int, size: int) -> bytes:
    output.seek(position)
    return output.read(size)
