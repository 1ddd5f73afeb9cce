"""Reads the headers of WAV, RF64, BW64, big-endian RIFX and Sony Wave64 from the start of any stream.

Sizes in headers are written before the samples, often by a program that never learns the length. So a size is trusted
only if plausible: 0, 0xFFFFFFFF and anything from 0x7FFF0000 (which SoX writes to pipes) mean "until the end".
Sources: Microsoft's RIFF specification of 1991 and WAVE_FORMAT_EXTENSIBLE, EBU Tech 3306 (RF64), ITU-R BS.2088 (BW64),
Sony's description of Wave64.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ...errors import SourceError
from ...spec import Spec
from ..bytestream import ByteStream
from ..source import checked_spec
from ..tags.chunks import read_chunk
from ..tags.extras import Extras
from .info_tags import unpack_info

__all__ = ["CHUNKS", "WAVE64", "WavHeader", "chunk_follows", "is_wav", "read_behind", "read_header"]

WAVE64 = bytes.fromhex("2e91cf11a5d628db04c10000")
_WAVE64_CHUNK = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_CONTAINERS = {b"RIFF": "wav", b"RIFX": "wav", b"RF64": "rf64", b"BW64": "rf64", b"riff": "w64"}
_CODECS = {(1, 1): "u8", (1, 2): "s16", (1, 3): "s24", (1, 4): "s32", (3, 4): "f32", (3, 8): "f64"} | {
    (6, 1): "alaw",
    (7, 1): "ulaw",
}
_EXTENSIBLE = 0xFFFE
_DOUBTFUL = 0x7FFF0000
_ENDLESS = 2**62
_LARGEST_TAGS = 1 << 20
_LARGEST_CHUNK_COUNT = 10_000
CHUNKS = frozenset(
    (
        b"LIST|id3 |ID3 |bext|JUNK|junk|PAD |FLLR|cue |smpl|inst|fact|PEAK|iXML|axml|chna|_PMX|acid|DISP|LGWV|minf|"
        b"elm1|regn|umid|afsp|plst|labl|note|cart|levl|ovwf|qlty|SAUR|tlst|strc|clm |AFAn|slnt|MD5 |ResU"
    ).split(b"|")
)
"""Chunks known to follow the samples."""


@dataclass(frozen=True)
class WavHeader:
    """The data that precede the samples.

    Attributes:
        size: bytes of samples, None for "until the end".
        doubtful: `size` is trusted only if the stream ends or another chunk begins there.
        start: byte at which the samples begin.
    """

    container: str
    spec: Spec
    encoding: str
    channel_mask: int
    big_endian: bool
    size: int | None
    doubtful: bool
    start: int
    tags: dict[str, str] = field(default_factory=dict)
    extras: Extras = field(default_factory=Extras)


@dataclass(frozen=True)
class _Chunk:
    name: bytes
    size: int
    padding: int


@dataclass(frozen=True)
class _Layout:
    spec: Spec
    encoding: str
    channel_mask: int


def is_wav(head: bytes) -> bool:
    """Whether `head`, the first 40 bytes, is of one of these containers."""
    if head[:4] == b"riff":
        return head[4:16] == WAVE64
    return head[:4] in _CONTAINERS and head[8:12] == b"WAVE"


def read_header(stream: ByteStream) -> WavHeader | None:
    """Read up to the first sample; None, with the stream position unchanged, if the codec is not PCM.

    Raises:
        SourceError: if the header is damaged, truncated, or declares a rate or channels out of range.
    """
    stream.mark()
    head = stream.read(12)
    family = head[:4]
    order = ">" if family == b"RIFX" else "<"
    if family == b"riff":
        stream.skip(28)
    layout: _Layout | None = None
    tags: dict[str, str] = {}
    extras = Extras(stream.name)
    large: int | None = None
    for chunk in _chunks(stream, family, order):
        if chunk.name == b"data":
            return replace(_finished(stream, family, layout, chunk.size, large), tags=tags, extras=extras)
        taken = read_chunk(stream, chunk.name, chunk.size, extras.chunks, extras, order)
        body = stream.read(min(chunk.size - taken, _wanted(chunk.name)))
        if chunk.name == b"fmt ":
            layout = _layout(stream.name, body, order)
            if layout is None:
                stream.back()
                return None
            stream.unmark()
        elif chunk.name == b"ds64" and len(body) >= 16:
            large = struct.unpack_from("<Q", body, 8)[0]
        elif chunk.name == b"LIST":
            tags |= unpack_info(body, order)
        _pass(stream, chunk, taken + len(body))
    raise SourceError(f"{stream.name}: ends after {stream.position} bytes, before any sound; it is no complete WAV")


def _wanted(name: bytes) -> int:
    return {b"fmt ": 64, b"ds64": 28, b"LIST": _LARGEST_TAGS}.get(name, 0)


def _pass(stream: ByteStream, chunk: _Chunk, taken: int) -> None:
    """Skip the rest of a chunk, and its padding unless the stream ends first."""
    rest = chunk.size - taken
    if stream.skip(rest) == rest:
        stream.skip(chunk.padding)


def _chunks(stream: ByteStream, family: bytes, order: str) -> Iterator[_Chunk]:
    for _ in range(_LARGEST_CHUNK_COUNT):
        chunk = _wave64_chunk(stream) if family == b"riff" else _riff_chunk(stream, order)
        if chunk is None:
            return
        yield chunk
    raise SourceError(f"{stream.name}: {_LARGEST_CHUNK_COUNT} chunks and no sound; its header is damaged")


def _riff_chunk(stream: ByteStream, order: str) -> _Chunk | None:
    head = stream.read(8)
    if len(head) < 8:
        return None
    name, size = struct.unpack(order + "4sI", head)
    if not (name.isascii() and name.decode("ascii").isprintable()):
        raise SourceError(f"{stream.name}: no chunk begins at byte {stream.position - 8}; its header is damaged")
    return _Chunk(name, size, size % 2)


def _wave64_chunk(stream: ByteStream) -> _Chunk | None:
    head = stream.read(24)
    if len(head) < 24:
        return None
    name = head[:4] if head[4:16] == _WAVE64_CHUNK else b"----"
    size = struct.unpack_from("<Q", head, 16)[0] - 24
    if size < 0:
        raise SourceError(f"{stream.name}: a chunk of {size + 24} bytes at byte {stream.position - 24}; it is damaged")
    return _Chunk(name, size, -size % 8)


def _layout(name: str, body: bytes, order: str) -> _Layout | None:
    if len(body) < 16:
        raise SourceError(f"{name}: its fmt chunk holds {len(body)} bytes, at least 16 are needed; it is damaged")
    tag, channels, rate, _, align, bits = struct.unpack_from(order + "HHIIHH", body)
    mask = 0
    if tag == _EXTENSIBLE and len(body) >= 26:
        mask, tag = struct.unpack_from(order + "IH", body, 20)
    spec = checked_spec(name, rate, channels)
    # The sample size follows from the block size; writers that omit it give the bits.
    size = align // channels if align and align % channels == 0 else (bits + 7) // 8
    encoding = _CODECS.get((tag, size)) or _CODECS.get((tag, (bits + 7) // 8))
    return _Layout(spec, encoding, mask) if encoding else None


def _finished(stream: ByteStream, family: bytes, layout: _Layout | None, size: int, large: int | None) -> WavHeader:
    if layout is None:
        raise SourceError(
            f"{stream.name}: sound at byte {stream.position} without a fmt chunk before it; it is damaged"
        )
    wide = family == b"riff" or (large is not None and size == 0xFFFFFFFF)
    if wide and large is not None:
        size = large
    endless = size >= _ENDLESS if wide else size == 0xFFFFFFFF
    doubtful = size == 0 or (not wide and size >= _DOUBTFUL)
    return WavHeader(
        container=_CONTAINERS[family],
        spec=layout.spec,
        encoding=layout.encoding,
        channel_mask=layout.channel_mask,
        big_endian=family == b"RIFX",
        size=None if endless else size,
        doubtful=doubtful,
        start=stream.position,
    )


def chunk_follows(stream: ByteStream, behind: int = 0) -> bool:
    """Whether, `behind` bytes ahead, the stream ends or a chunk known to follow samples begins."""
    head = stream.peek(behind + 24, behind)
    if head.lstrip(b"\0")[4:16] == _WAVE64_CHUNK:  # behind up to 7 bytes of padding
        return True
    # Some writers omit the padding byte after an odd number of bytes.
    return not head.strip(b"\0") or head[:4] in CHUNKS or head[1:5] in CHUNKS


def read_behind(stream: ByteStream, container: str, big_endian: bool, extras: Extras) -> None:
    """Read chunks and tags after the samples, from the current position, into `extras`; errors end them."""
    order, family = ">" if big_endian else "<", b"riff" if container == "w64" else b"RIFF"
    if family == b"RIFF":
        stream.skip(1 if stream.peek(4) not in CHUNKS else 0)
    else:
        stream.skip(len(head := stream.peek(7)) - len(head.lstrip(b"\0")))
    with suppress(SourceError):
        for chunk in _chunks(stream, family, order):
            taken = read_chunk(stream, chunk.name, chunk.size, extras.behind, extras, order)
            body = stream.read(min(chunk.size - taken, _wanted(chunk.name)))
            extras.tags_behind |= unpack_info(body, order) if chunk.name == b"LIST" else {}
            _pass(stream, chunk, taken + len(body))
