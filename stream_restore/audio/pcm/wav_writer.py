"""The header of a WAV whose length is unknown when it is written.

A JUNK chunk reserves space for the 64-bit sizes of RF64 (EBU Tech 3306, "on the fly" conversion): a file below 4 GiB is
a plain WAV, a larger one becomes RF64 at the end. In a pipe the sizes stay 0xFFFFFFFF, which makes FFmpeg, SoX and
libsndfile read to the end; with 0 two of them read nothing. Beyond 4 GiB only FFmpeg still does; SoX
(`sox --ignore-length`, or AU) and libsndfile need another way.
"""

import struct

from ...spec import Spec
from ..formats import WORDS, Format
from ..tags.chunks import pack_chunks
from ..tags.inherited import behind, in_front
from .headers import Head
from .info_tags import pack_info

__all__ = ["WavHead"]

_UNKNOWN = 0xFFFFFFFF
_TAGS = {"ulaw": 7, "alaw": 6, "f32": 3, "f64": 3}
_SUBTYPE = bytes.fromhex("000000001000800000aa00389b71")
_USUAL_MASKS = {1: 4, 2: 3}
"""Front centre; front left and right: the default for one and two channels."""


class WavHead(Head):
    """RIFF header, JUNK or ds64, fmt, fact, tags, and the head of the data chunk.

    In a file, chunks and tags stand before or behind the sound, where they stood in the input; in a pipe all that are
    known stand before it.

    `limit` is the largest size of a plain WAV in bytes; tests of RF64 set a smaller one.
    """

    def __init__(self, spec: Spec, form: Format, limit: int = _UNKNOWN - 1, pipe: bool = False) -> None:
        self._align = spec.channels * WORDS[form.encoding].size
        self._fmt = _fmt(spec, form)
        self._spec, self._form = spec, form
        later = {} if pipe else form.extras.tags_behind
        chunks = in_front(form, spec) + (behind(form, spec) if pipe else [])
        self._front = pack_chunks(chunks) + pack_info({k: v for k, v in form.tags.items() if k not in later})
        self._limit = limit if form.container == "wav" else -1

    def start(self) -> bytes:
        """The header with all sizes unknown."""
        return self._head(b"RIFF", _UNKNOWN, _UNKNOWN, _UNKNOWN, struct.pack("<4sI28x", b"JUNK", 28))

    def final(self, size: int) -> bytes:
        """The header for `size` bytes of samples, as RF64 if they need 64 bits."""
        frames = size // self._align
        riff = len(self.start()) - 8 + size + len(self.padding(size))
        if riff <= self._limit:
            return self._head(b"RIFF", riff, size, frames, struct.pack("<4sI28x", b"JUNK", 28))
        large = struct.pack("<4sIQQQI", b"ds64", 28, riff, size, frames, 0)
        return self._head(b"RF64", _UNKNOWN, _UNKNOWN, min(frames, _UNKNOWN), large)

    def padding(self, size: int) -> bytes:
        """One byte after an odd size, because chunks begin at even bytes; then the chunks behind the sound."""
        chunks = pack_chunks(behind(self._form, self._spec))
        return b"\0" * (size % 2) + chunks + pack_info(self._form.extras.tags_behind)

    def _head(self, family: bytes, riff: int, data: int, frames: int, sizes: bytes) -> bytes:
        fact = struct.pack("<4sII", b"fact", 4, frames)
        front = struct.pack("<4sI4s", family, riff, b"WAVE")
        return front + sizes + self._fmt + fact + self._front + struct.pack("<4sI", b"data", data)


def _fmt(spec: Spec, form: Format) -> bytes:
    word = WORDS[form.encoding]
    tag = _TAGS.get(form.encoding, 1)
    align = spec.channels * word.size
    common = (spec.channels, spec.sample_rate, min(spec.sample_rate * align, _UNKNOWN), align, 8 * word.size)
    if spec.channels <= 2 and form.channel_mask in (0, _USUAL_MASKS[spec.channels]):
        return struct.pack("<4sIHHIIHHH", b"fmt ", 18, tag, *common, 0)
    extension = struct.pack("<HHIH", 22, 8 * word.size, form.channel_mask, tag) + _SUBTYPE
    return struct.pack("<4sIHHIIHH", b"fmt ", 40, 0xFFFE, *common) + extension
