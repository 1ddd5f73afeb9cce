"""How long FFmpeg says a stream is, and how far that can be believed."""

from dataclasses import dataclass
from typing import Any

import av

from ...spec import Spec
from ..formats import WORDS, Format
from .names import LOSSLESS

__all__ = ["Length", "length_of"]

_DOUBTFUL = 0x7F000000
"""Bytes of plain samples that programs claim when they do not know, as SoX does for an AIFF in a pipe."""

_LONGEST = 2**48
"""Frames; more is an overflow somewhere."""


@dataclass(frozen=True)
class Length:
    """Frames as a header has them.

    Attributes:
        declared: what it says; None if nothing, or nothing that can be true.
        estimate: for a progress bar.
        exact: `declared` is the number of frames.
        least: fewer than `declared` mean that the end is missing.
    """

    declared: int | None
    estimate: int | None
    exact: bool
    least: bool


def length_of(container: Any, stream: Any, form: Format, spec: Spec, exact: bool) -> Length:
    """The length of an opened stream; `exact` if the caller knows that its header tells it."""
    codec = stream.codec_context.codec.canonical_name
    plain = codec.startswith("pcm_")
    declared = _frames(stream.duration, stream.time_base, spec)
    if plain and _bytes(declared or 0, form, spec) >= _DOUBTFUL:
        return Length(None, None, exact=False, least=False)
    vorbis = codec == "vorbis" and form.container == "ogg"
    known = exact or codec in LOSSLESS or (plain and form.container != "voc")
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
