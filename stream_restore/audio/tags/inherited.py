"""The chunks and tags that an output gets from its input, in the form in which it can hold them."""

from collections.abc import Sequence

from ...spec import Spec
from ..formats import Format
from .chunks import ID3, is_valid
from .extras import CHUNKED, TAGGED, Chunk, Extras
from .level_tags import mentions_level, without_levels

__all__ = ["behind", "in_front", "inherited_tags"]


def in_front(form: Format, spec: Spec) -> list[Chunk]:
    """The chunks that stand before the sound of an output: those that did in the input.

    libsndfile reads no RF64 that has one of an odd size there; in that container they stand behind.
    """
    chunks = _fitting(form.extras.chunks, form, spec)
    return [chunk for chunk in chunks if form.container != "rf64" or len(chunk.body) % 2 == 0]


def behind(form: Format, spec: Spec) -> list[Chunk]:
    """The chunks that stand behind the sound of an output; complete once the source is read to its end.

    Pictures from a container of another kind are in an ID3 chunk.
    """
    extras = form.extras
    before = [chunk for chunk in extras.chunks if form.container == "rf64" and len(chunk.body) % 2]
    return _fitting([*before, *extras.behind], form, spec) + _pictures(form)


def _fitting(chunks: Sequence[Chunk], form: Format, spec: Spec) -> list[Chunk]:
    extras = form.extras
    if extras.family != CHUNKED[form.container]:
        return []
    return [_without_levels(chunk, extras) for chunk in chunks if is_valid(chunk, extras, spec.sample_rate)]


def _without_levels(chunk: Chunk, extras: Extras) -> Chunk:
    if chunk.name not in ID3 or not mentions_level(chunk.body):
        return chunk
    try:
        from .native_writer import id3_without_levels

        return Chunk(chunk.name, id3_without_levels(chunk.body))
    except Exception:  # without mutagen, and for damage of any kind
        extras.say("its ID3 chunk may hold ReplayGain, which is no longer true")
        return chunk


def _pictures(form: Format) -> list[Chunk]:
    extras = form.extras
    native = None if extras.family == CHUNKED[form.container] else extras.native
    if native is None or not (native.pictures or (extras.chapters and native.kind == "id3")):
        return []
    from .native_writer import id3_bytes

    try:
        return [Chunk(b"ID3 " if form.container == "aiff" else b"id3 ", id3_bytes(native))]
    except Exception as error:  # what an ID3 tag cannot hold
        extras.say(f"its pictures are left out: {error}")
        return []


def inherited_tags(form: Format) -> tuple[dict[str, str], list[str]]:
    """The tags of an output, and messages: an ID3 chunk's, unless the chunk itself is kept; no level of the input."""
    extras, found = form.extras, dict(form.tags)
    own = form.container not in TAGGED and CHUNKED.get(form.container) in (None, extras.family)
    native = None if own else extras.native  # read now: the file may change while its sound is processed
    if native and extras.family and form.container in TAGGED:
        found = native.common | found
    tags = without_levels(found)
    note = f"{extras.name or 'the input'}: its ReplayGain is left out, since levels change; measure the result anew"
    return tags, [note] if len(tags) < len(found) else []
