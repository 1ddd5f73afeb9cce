"""Conversion between stored samples and float32: PCM words, G.711, dither, blocks of a fixed size."""
