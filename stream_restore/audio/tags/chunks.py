"""Chunks of RIFF and AIFF files that describe a recording, and stay valid while its length and rate do.

Chunks of another kind are left out: those that hold or summarise samples (PEAK, levl), that pad, and unknown ones.
Sources: Microsoft's RIFF specification of 1991, EBU Tech 3285 (bext), Apple's AIFF 1.3.
"""

import os
import struct
from collections.abc import Iterable
from typing import BinaryIO, Protocol

from .extras import LIMIT, Chunk, Extras

__all__ = ["ID3", "append_chunks", "is_valid", "listed", "pack_chunks", "read_chunk", "read_iff"]

_KEPT = {
    "riff": frozenset(
        b"bext|iXML|axml|chna|_PMX|cart|cue |plst|LIST|smpl|inst|acid|strc|DISP|umid|id3 |ID3 ".split(b"|")
    ),
    "aiff": frozenset(b"MARK|COMT|INST|MIDI|AESD|APPL|SAXL|ID3 |id3 ".split(b"|")),
}
_WITHOUT_NUMBERS = frozenset(b"iXML|axml|_PMX|id3 |ID3 ".split(b"|"))
"""Chunks of RIFF whose byte order does not matter."""
_COUNTS_FRAMES = frozenset(b"bext|iXML|cue |plst|LIST|smpl|acid|strc|MARK|INST|SAXL".split(b"|"))
"""Chunks with positions or lengths in frames."""
ID3 = (b"id3 ", b"ID3 ")
"""The names of a chunk that holds an ID3 tag."""
_CHUNKS = 10_000


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def peek(self, size: int, /) -> bytes: ...


class _File(Protocol):
    def seek(self, position: int, whence: int = 0, /) -> int: ...
    def write(self, data: bytes, /) -> int: ...


def read_chunk(stream: _Stream, name: bytes, size: int, chunks: list[Chunk], extras: Extras, order: str) -> int:
    """Read the body of a RIFF chunk, if it is to be kept, into `chunks`; return the number of bytes consumed.

    The size is not believed: what is not there, or exceeds `LIMIT`, is left out with a message.
    """
    if name not in _KEPT["riff"] or (name == b"LIST" and stream.peek(4) == b"INFO"):
        return 0
    if order == ">" and name not in _WITHOUT_NUMBERS:
        extras.say(f"its chunk {_shown(name)} is big-endian, and left out")
        return 0
    if size > extras.room:
        _too_large(extras, name)
        return 0
    body = stream.read(size)
    if len(body) < size:
        extras.say(f"its chunk {_shown(name)} is cut short, and left out")
    else:
        extras.add(chunks, Chunk(name, body), "riff")
    return len(body)


def read_iff(file: BinaryIO, family: str, extras: Extras) -> None:
    """Read the chunks of an AIFF or a WAV file; damage ends them."""
    file.seek(12)
    for _ in range(_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            return
        name, size = struct.unpack(">4sI" if family == "aiff" else "<4sI", head)
        start = file.tell()
        if name in _KEPT[family] and size > extras.room:
            _too_large(extras, name)
        elif name in _KEPT[family]:
            body = file.read(size)
            if len(body) == size and not (name == b"LIST" and body[:4] == b"INFO"):
                extras.add(extras.chunks, Chunk(name, body), family)
        file.seek(start + size + size % 2)


def is_valid(chunk: Chunk, extras: Extras, sample_rate: int) -> bool:
    """Whether a chunk of the input is valid at the rate of the output, and where that begins."""
    return chunk.name not in _COUNTS_FRAMES or (extras.sample_rate in (0, sample_rate) and not extras.moved)


def pack_chunks(chunks: Iterable[Chunk], order: str = "<") -> bytes:
    """Chunks as a RIFF (or, with ">", an AIFF) has them.

    >>> pack_chunks([Chunk(b"cue ", b"abc")])
    b'cue \\x03\\x00\\x00\\x00abc\\x00'
    """
    return b"".join(
        struct.pack(f"{order}4sI", name, len(body)) + body + b"\0" * (len(body) % 2) for name, body in chunks
    )


def append_chunks(file: _File, container: str, chunks: Iterable[Chunk]) -> bool:
    """Append chunks to a complete AIFF or WAV, and count them in its size; False if they do not fit."""
    end = file.seek(0, os.SEEK_END)
    order = ">" if container == "aiff" else "<"
    added = bytes(end % 2) + pack_chunks(chunks, order)
    if end + len(added) - 8 > 0xFFFFFFFF:
        return False
    file.write(added)
    file.seek(4)
    file.write(struct.pack(f"{order}I", end + len(added) - 8))
    return True


def listed(chunks: Iterable[Chunk]) -> str:
    """The names of chunks, for messages.

    >>> listed([Chunk(b"cue ", b""), Chunk(b"LIST", b"adtl")])
    'cue, LIST'
    """
    return ", ".join(dict.fromkeys(_shown(chunk.name) for chunk in chunks))


def _shown(name: bytes) -> str:
    return name.decode("ascii").strip()


def _too_large(extras: Extras, name: bytes) -> None:
    extras.say(f"its chunk {_shown(name)} is left out: no more than {LIMIT >> 20} MiB of chunks are kept")
