"""Conversion between stored samples and float32: PCM words, G.711, dither, blocks of a fixed size."""

from .coding import CLIP_MODES, Quantiser, decode, encode, needs_dither
from .fixed_blocks import FixedBlocks

__all__ = [
    "CLIP_MODES",
    "FixedBlocks",
    "Quantiser",
    "decode",
    "encode",
    "needs_dither",
]
