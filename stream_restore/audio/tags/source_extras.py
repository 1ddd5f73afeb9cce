"""Finds what a container read by FFmpeg or libsndfile holds beside its sound, in a file and at the start of a pipe."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import BinaryIO

from ..bytestream import ByteStream
from ..sniff import id3_size
from ..source import Source
from .chunks import ID3, read_iff
from .extras import LIMIT, TAGGED, Extras, NativeTags

__all__ = ["add_extras", "leading_tags", "native_of_chunks"]

_FAMILIES = {"aiff": "aiff", "wav": "riff"}
_BLOCKS = 1000
_PAGE_HEAD = 27


def add_extras(source: Source, reopen: Callable[[], BinaryIO], at_once: bool = False) -> Source:
    """Complete `source.format.extras`.

    Args:
        source: which is given back.
        reopen: opens the file, or what is known of it, at its start.
        at_once: read tags now, because `reopen` does not work later.
    """
    form = source.format
    extras = replace(
        form.extras, name=source.name, sample_rate=source.spec.sample_rate, encoding=form.encoding, problems=[]
    )
    if form.container in _FAMILIES:
        try:
            with reopen() as file:
                read_iff(file, _FAMILIES[form.container], extras)
        except OSError as error:
            extras.say(f"its chunks cannot be read: {error.strerror or error}")
        extras.load = native_of_chunks
    elif form.container in TAGGED:
        extras.load = partial(_load, form.container, reopen)
    source.format = replace(form, extras=extras)
    if at_once and extras.native is None:
        extras.load = None
    return source


def native_of_chunks(extras: Extras) -> NativeTags | None:
    """The ID3 tag in a chunk of a WAV or an AIFF, unless it comes too late to be written as another kind of tag."""
    chunks = extras.chunks if extras.late else extras.chunks + extras.behind
    bodies = [chunk.body for chunk in chunks if chunk.name in ID3]
    found = _load("mp3", lambda: BytesIO(bodies[0]), extras) if bodies else None
    return replace(found, whole=False) if found else None


def _load(container: str, reopen: Callable[[], BinaryIO], extras: Extras) -> NativeTags | None:
    try:
        from .native import read_native
    except ImportError:
        extras.unread = True
        return None
    try:
        with reopen() as file:
            return read_native(container, file)
    except Exception as error:  # whatever a damaged tag makes of mutagen
        extras.say(f"its tags cannot be read in their original form, and pictures are left out: {error}")
        return None


def leading_tags(stream: ByteStream) -> bytes:
    """The start of a pipe up to the end of its tags, without consuming it; nothing if they are larger than `LIMIT`."""
    head = stream.peek(10)
    if head[:4] == b"fLaC":
        end = _end_of_flac_tags(stream)
    elif head[:4] == b"OggS":
        end = _end_of_ogg_tags(stream)
    else:
        end = id3_size(head)
    return stream.peek(end) if end <= LIMIT else b""


def _end_of_flac_tags(stream: ByteStream) -> int:
    end = 4
    for _ in range(_BLOCKS):
        head = stream.peek(end + 4, end)
        end += 4 + int.from_bytes(head[1:4], "big")
        if len(head) < 4 or head[0] & 0x80 or end > LIMIT:
            return end
    return LIMIT + 1


def _end_of_ogg_tags(stream: ByteStream) -> int:
    """The end of the page on which the second packet of the first stream ends."""
    first, end, serial = True, 0, b""
    while end <= LIMIT:
        head = stream.peek(end + _PAGE_HEAD, end)
        if len(head) < _PAGE_HEAD or head[:4] != b"OggS":
            return LIMIT + 1
        lacing = stream.peek(end + _PAGE_HEAD + head[26], end + _PAGE_HEAD)
        end += _PAGE_HEAD + len(lacing) + sum(lacing)
        if first:
            first, serial = False, head[14:18]
        elif head[14:18] == serial and any(size < 255 for size in lacing):
            return end
    return end
