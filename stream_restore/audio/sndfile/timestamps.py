"""Removes the time of writing from files of libsndfile, so that the same audio gives the same bytes."""

import re
import struct

from ..outputs.output import Output

__all__ = ["strip_timestamps"]

_MAT5_TEXT = 124
"""Bytes of text at the start of a level 5 MAT-file; libsndfile requires its own text there when reading."""
_DATE = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def strip_timestamps(output: Output, container: str) -> None:
    """Remove the time of writing, after libsndfile has finished; other containers do not store it."""
    if container == "mat5":
        text = _at(output, 0, _MAT5_TEXT)
        output.seek(0)
        output.write(_DATE.sub(b"0000-00-00 00:00:00", text))
    elif container == "aiff":
        _strip_peak_timestamp(output)


def _strip_peak_timestamp(output: Output) -> None:
    """Clear the time in the PEAK chunk of float files: id, size, version, time (big-endian, 4 bytes each)."""
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
