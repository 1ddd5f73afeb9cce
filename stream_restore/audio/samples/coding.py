"""Conversion between stored samples and float32.

Integers of N bits are divided by 2^(N-1). This is exact up to 24 bits, the precision of a float32 mantissa; 32-bit
integers are rounded to it, so the lowest 8 bits of an s32 file are lost.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...engine.noise import Noise, tpdf
from ...errors import ConfigError
from ...spec import Audio, Spec
from ..formats import WORDS, Format, kept_word, word_of
from .g711 import DECODED, compress

__all__ = ["CLIP_MODES", "Quantiser", "decode", "encode", "needs_dither"]

CLIP_MODES = ("clamp", "tanh", "none")
DITHER_PURPOSE = 0x6F757470
"""The purpose of output dither in `Noise`: "outp" in ASCII."""

Integers: TypeAlias = NDArray[np.int32]
Values: TypeAlias = NDArray[Any]

_TYPES = {"s8": "i1", "u8": "u1", "s16": "i2", "s32": "i4", "f32": "f4", "f64": "f8", "ulaw": "u1", "alaw": "u1"}


def decode(data: bytes | bytearray, encoding: str, channels: int, big_endian: bool = False) -> Audio:
    """Decode interleaved samples to shape (channels, frames); `data` must hold whole frames.

    >>> decode(bytes([0, 64, 0, 128]), "s16", channels=2)
    array([[ 0.5],
           [-1. ]], dtype=float32)
    """
    stored = _unpack24(data, big_endian) if encoding == "s24" else np.frombuffer(data, _type(encoding, big_endian))
    return scaled(stored.reshape(-1, channels).T, encoding)


def scaled(stored: Values, encoding: str) -> Audio:
    """Scale values of a word to full scale +-1; the same shape, contiguous."""
    if WORDS[encoding].kind == "law":
        stored, encoding = DECODED[encoding][stored], "s16"
    with np.errstate(over="ignore"):
        sound = np.array(stored, np.float32, order="C")
    if WORDS[encoding].kind == "int":
        sound -= np.float32(128 if encoding == "u8" else 0)
        sound *= np.float32(0.5 ** (WORDS[encoding].bits - 1))
    return sound


def encode(values: Values, encoding: str, big_endian: bool = False) -> bytes:
    """Encode values of a word, shape (channels, frames), as interleaved bytes.

    `values` are those that `Quantiser` returns: integers for integer words and laws, floats for floats.
    """
    interleaved = values.T
    if encoding == "s24":
        return _pack24(interleaved, big_endian)
    if WORDS[encoding].kind == "law":
        interleaved = compress(interleaved, encoding)
    if encoding == "u8":
        interleaved = interleaved + 128
    return interleaved.astype(_type(encoding, big_endian), order="C").tobytes()


def _type(encoding: str, big_endian: bool) -> np.dtype[Any]:
    return np.dtype((">" if big_endian else "<") + _TYPES[encoding])


def _unpack24(data: bytes | bytearray, big_endian: bool) -> Integers:
    triples = np.frombuffer(data, np.uint8).reshape(-1, 3)
    words = np.zeros((len(triples), 4), np.uint8)
    words[:, 1:] = triples[:, ::-1] if big_endian else triples
    return np.asarray(words.view("<i4")[:, 0] >> 8, np.int32)


def _pack24(interleaved: Integers, big_endian: bool) -> bytes:
    words = interleaved.astype("<i4", order="C").reshape(-1, 1).view(np.uint8)[:, :3]
    return (words[:, ::-1] if big_endian else words).tobytes()


def needs_dither(encoding: str, like: Format | None) -> bool:
    """Whether an output word is shorter than the input's.

    Inputs of floats, 32-bit integers, lossy codecs and unknown origin count as 32 bits.
    """
    word = word_of(encoding)
    if word is None or word.kind == "float":
        return False
    origin = kept_word(like.encoding) if like else None
    return word.bits < (origin.bits if origin else 32)


class Quantiser:
    """Converts float32 samples to values of one word, counting clipped samples.

    * Integer words and laws are always clipped to their range. Floats have no such limit, so "clamp" and "none" leave
      them unchanged; "tanh" applies tanh to both, as Demucs' option of that name does.
    * With `dither`, triangular noise of one step is added, a function of the seed and the absolute frame; without,
      values are rounded to the nearest (ties to even), which is exact for samples that came from such a word.

    `first` is the absolute frame at which the first block begins.

    Attributes:
        clipped: samples beyond the range of the word ("tanh": beyond full scale, before tanh) so far.

    Raises:
        ConfigError: if the clip mode is unknown.
    """

    def __init__(
        self,
        encoding: str,
        spec: Spec,
        clip_mode: str = "clamp",
        seed: int = 0,
        dither: bool = False,
        first: int = 0,
    ) -> None:
        if clip_mode not in CLIP_MODES:
            raise ConfigError(f"clip mode {clip_mode!r} is not one of {', '.join(CLIP_MODES)}")
        word = word_of(encoding)
        self._bits = None if word is None or word.kind == "float" else word.bits
        self._bend = clip_mode == "tanh"
        self._noise = Noise(seed, DITHER_PURPOSE, spec.channels, tpdf) if dither else None
        self._frame = self._first = first
        self.clipped = 0

    def __call__(self, block: Audio) -> Values:
        """Quantise one block of finite samples, the same shape; blocks must be consecutive."""
        sound = self._bent(block) if self._bend else block
        values: Values = sound if self._bits is None else self._integers(sound, self._bits)
        self._frame += block.shape[1]
        return values

    def go_on(self, frame: int, clipped: int) -> None:
        """Continue as if the next block begins at `frame`, counted from `first`."""
        self._frame, self.clipped = self._first + frame, clipped

    def _bent(self, block: Audio) -> Audio:
        self.clipped += int(np.count_nonzero(np.abs(block) > 1))
        return np.tanh(block)

    def _integers(self, sound: Audio, bits: int) -> Integers:
        # Scaling by a power of two is exact; float32 holds every integer a word of 24 bits can take.
        full = 2 ** (bits - 1)
        steps: Values = sound * np.float32(full)
        if bits > 24:
            steps = steps.astype(np.float64)
        if self._noise is not None:
            steps = steps + self._noise.read(self._frame, sound.shape[1])
        return self._limited(np.rint(steps, out=steps), full)

    def _limited(self, steps: Values, full: int) -> Integers:
        if steps.size and (steps.max() >= full or steps.min() < -full):
            if not self._bend:
                self.clipped += int(np.count_nonzero((steps >= full) | (steps < -full)))
            steps = np.clip(steps, -full, full - 1)
        return steps.astype(np.int32)
