"""Reads and writes the tags of a RIFF file, its LIST/INFO chunk."""

import struct
from collections.abc import Mapping

__all__ = ["pack_info", "unpack_info"]

_NAMES = {
    b"INAM": "title",
    b"IART": "artist",
    b"IPRD": "album",
    b"ICRD": "date",
    b"ICMT": "comment",
    b"IGNR": "genre",
    b"IPRT": "track",
    b"ICOP": "copyright",
    b"IENG": "engineer",
    b"ILNG": "language",
}
_IDS = {name: identifier for identifier, name in _NAMES.items()}
_ALIASES = {b"ITRK": "track", b"YEAR": "date"}
_WRITER = b"ISFT"
"""The program that wrote the file: valid for the input only, so not copied to the output."""


def unpack_info(body: bytes, byte_order: str = "<") -> dict[str, str]:
    """Tags of the body of a LIST chunk; empty if it is a list of another type.

    Identifiers without a name in this package keep their four letters.

    >>> unpack_info(pack_info({"title": "Tape", "ISRC": "x"})[8:])
    {'title': 'Tape', 'ISRC': 'x'}
    """
    tags: dict[str, str] = {}
    position = 4 if body[:4] == b"INFO" else len(body)
    while position + 8 <= len(body):
        identifier, size = struct.unpack_from(byte_order + "4sI", body, position)
        text = _text(body[position + 8 : position + 8 + size])
        name = _NAMES.get(identifier) or _ALIASES.get(identifier) or _text(identifier)
        if text and identifier != _WRITER:
            tags[name] = text
        position += 8 + size + size % 2
    return tags


def pack_info(tags: Mapping[str, str]) -> bytes:
    """A LIST/INFO chunk, header included; empty if it can store none of the tags."""
    entries = b"".join(_entry(name, text) for name, text in tags.items())
    return struct.pack("<4sI", b"LIST", 4 + len(entries)) + b"INFO" + entries if entries else b""


def _entry(name: str, text: str) -> bytes:
    identifier = _IDS.get(name.lower()) or name.encode("ascii", "ignore")
    if len(identifier) != 4 or not identifier.isupper():
        return b""
    body = text.encode() + b"\0"
    return struct.pack("<4sI", identifier, len(body)) + body + b"\0" * (len(body) % 2)


def _text(data: bytes) -> str:
    bare = data.split(b"\0")[0]
    try:
        return bare.decode().strip()
    except UnicodeDecodeError:
        return bare.decode("cp1252", "replace").strip()
