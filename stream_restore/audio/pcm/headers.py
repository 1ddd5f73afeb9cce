"""What stands before plain samples in an AU (Sun's audio(4) manual page), and in a file without any header."""

import struct
from typing import Protocol

from ...spec import Spec
from ..formats import Format

__all__ = ["AuHead", "Head", "NoHead"]

_UNKNOWN = 0xFFFFFFFF
_AU_CODES = {"ulaw": 1, "s8": 2, "s16": 3, "s24": 4, "s32": 5, "f32": 6, "f64": 7, "alaw": 27}


class Head(Protocol):
    """What stands before the sound."""

    def start(self) -> bytes:
        """The header while the length is unknown; in a pipe it stays so."""

    def final(self, size: int) -> bytes:
        """The header for `size` bytes of sound, as long as `start`'s."""

    def padding(self, size: int) -> bytes:
        """What stands behind `size` bytes of sound in a file."""


class AuHead:
    """The header of an AU, whose only size may be left unknown in a file too."""

    def __init__(self, spec: Spec, form: Format) -> None:
        note = "".join(f"{name}={text}\n" for name, text in form.tags.items()).encode() or b"\0"
        self._note = note + b"\0" * (-len(note) % 8)
        self._rest = (_AU_CODES[form.encoding], spec.sample_rate, spec.channels)

    def start(self) -> bytes:
        """The size unknown."""
        return self.final(_UNKNOWN)

    def final(self, size: int) -> bytes:
        """The size, if it can be said."""
        said = min(size, _UNKNOWN)
        return struct.pack(">4sIIIII", b".snd", 24 + len(self._note), said, *self._rest) + self._note

    def padding(self, size: int) -> bytes:
        """Nothing stands behind the sound."""
        return b""


class NoHead:
    """Samples and nothing else."""

    def start(self) -> bytes:
        """Nothing."""
        return b""

    def final(self, size: int) -> bytes:
        """Nothing."""
        return b""

    def padding(self, size: int) -> bytes:
        """Nothing."""
        return b""
