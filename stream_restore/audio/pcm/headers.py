"""Headers of PCM files: AU (Sun's audio(4) manual page), and none."""

import struct

from ...spec import Spec
from ..formats import Format

__all__ = ["AuHead", "Head"]

_UNKNOWN = 0xFFFFFFFF
_AU_CODES = {"ulaw": 1, "s8": 2, "s16": 3, "s24": 4, "s32": 5, "f32": 6, "f64": 7, "alaw": 27}


class Head:
    """The header of a PCM file, and what stands behind the samples: nothing, unless a subclass says what."""

    def start(self) -> bytes:
        """The header while the length is unknown; the final one in a pipe."""
        return b""

    def final(self, size: int) -> bytes:
        """The header for `size` bytes of samples, of the same length as `start`'s."""
        return b""

    def padding(self, size: int) -> bytes:
        """The bytes that follow `size` bytes of samples in a file, chunks included."""
        return b""


class AuHead(Head):
    """The header of an AU, whose only size field may be unknown in a file too."""

    def __init__(self, spec: Spec, form: Format) -> None:
        note = "".join(f"{name}={text}\n" for name, text in form.tags.items()).encode() or b"\0"
        self._note = note + b"\0" * (-len(note) % 8)
        self._rest = (_AU_CODES[form.encoding], spec.sample_rate, spec.channels)

    def start(self) -> bytes:
        """The header with the size unknown."""
        return self.final(_UNKNOWN)

    def final(self, size: int) -> bytes:
        """The header with the size, or unknown if it exceeds 32 bits."""
        said = min(size, _UNKNOWN)
        return struct.pack(">4sIIIII", b".snd", 24 + len(self._note), said, *self._rest) + self._note
