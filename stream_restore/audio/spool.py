"""Copies pipes to temporary files, for processing in two passes."""

import tempfile
from typing import BinaryIO

from ..errors import SinkError
from .bytestream import ByteStream
from .formats import WORDS, Format
from .pcm.source import PcmSource
from .samples.coding import Quantiser, encode
from .source import Source

__all__ = ["spool", "spool_bytes"]

_FRAMES = 1 << 16
_BYTES = 1 << 20


def spool(source: Source) -> Source:
    """Read a source to its end and return the same audio, rereadable; the given source is closed.

    A rereadable source is returned unchanged. Integer samples of 8 to 24 bits are stored in their own word, others as
    float32; both are exact. The file is in the folder for temporary files (environment variable TMPDIR).

    Raises:
        SourceError: if the source cannot be read to its end.
        SinkError: if the disk is full.
    """
    if source.rereadable:
        return source
    word = source.format.encoding
    word = word if word in WORDS and WORDS[word].bits <= 24 and WORDS[word].kind == "int" else "f32"
    file = _temporary()
    with source:
        _copy_sound(source, file, word)
    copy = PcmSource(ByteStream(file, source.name, seekable=True), source.spec, Format("raw", word), 0, None)
    copy.format, copy.warnings, copy.film = source.format, list(source.warnings), source.film
    return copy


def spool_bytes(stream: ByteStream) -> BinaryIO:
    """Copy the rest of a byte stream to a temporary file, for containers that cannot be read in one pass.

    Raises:
        SourceError: if the stream cannot be read to its end.
        SinkError: if the disk is full.
    """
    file = _temporary()
    while piece := stream.read(_BYTES):
        _store(file, piece, stream.name)
    file.seek(0)
    return file


def _copy_sound(source: Source, file: BinaryIO, word: str) -> None:
    numbers = Quantiser(word, source.spec, clip_mode="none")
    while (block := source.read(_FRAMES)).shape[1]:
        _store(file, encode(numbers(block), word), source.name)
    file.seek(0)


def _temporary() -> BinaryIO:
    try:
        return tempfile.TemporaryFile()
    except OSError as error:
        raise SinkError(f"no temporary file: {error.strerror}; set TMPDIR to a folder that can be written") from error


def _store(file: BinaryIO, data: bytes, name: str) -> None:
    try:
        file.write(data)
        file.flush()
    except OSError as error:
        file.close()
        folder = tempfile.gettempdir()
        raise SinkError(f"{name}: cannot be kept in {folder}: {error.strerror}; set TMPDIR to a larger disk") from error
