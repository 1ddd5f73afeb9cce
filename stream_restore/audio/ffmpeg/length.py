"""The length of a stream according to FFmpeg, and its reliability."""

from dataclasses import dataclass
from typing import Any

import av

from ...spec import Spec
from ..formats import WORDS, Format
from .names import LOSSLESS

__all__ = ["Length", "length_of"]

_DOUBTFUL = 0x7F000000
"""Bytes of PCM that programs declare if the length is unknown, as SoX does for an AIFF in a pipe."""

_LONGEST = 2**48
"""In frames; larger values are due to an overflow."""


@dataclass(frozen=True)
class Length:
    """The number of frames declared by a header.

    Attributes:
        declared: as declared; None if absent or implausible.
        estimate: for a progress bar.
        exact: whether `declared` is exact.
        least: whether fewer than `declared` mean that the end is missing.
    """

    declared: int | None
    estimate: int | None
    exact: bool
    least: bool


def length_of(container: Any, stream: Any, form: Format, spec: Spec, exact: bool) -> Length:
    """The length of an opened stream; the caller sets `exact` if the header gives the exact length.

    FFmpeg does not believe that header if the size of the file contradicts it, as that of two MP3s joined; what it then
    estimates from the bit rate is no whole number of frames.
    """
    codec = stream.codec_context.codec.canonical_name
    exact = exact and bool(stream.duration) and (stream.duration * stream.time_base * spec.sample_rate).denominator == 1
    plain = codec.startswith("pcm_")
    declared = _frames(stream.duration, stream.time_base, spec)
    if plain and _bytes(declared or 0, form, spec) >= _DOUBTFUL:
        return Length(None, None, exact=False, least=False)
    vorbis = codec == "vorbis" and form.container == "ogg"
    padded = (form.container, codec) == ("caf", "alac")
    known = exact or (codec in LOSSLESS and not padded) or (plain and form.container != "voc")
    return Length(
        declared,
        declared or _frames(container.duration, 1 / av.time_base, spec),
        exact=known or vorbis,
        least=known or form.container == "m4a",
    )


def _frames(duration: int | None, unit: Any, spec: Spec) -> int | None:
    frames = round(duration * unit * spec.sample_rate) if duration and unit else 0
    return frames if 0 < frames < _LONGEST else None


def _bytes(frames: int, form: Format, spec: Spec) -> int:
    word = WORDS.get(form.encoding)
    return frames * spec.channels * (word.size if word else 0)
