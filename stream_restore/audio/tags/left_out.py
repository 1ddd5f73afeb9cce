"""Messages on what an output does not get of its input."""

from collections.abc import Iterator

from ...spec import Spec
from ..formats import Format
from .chunks import ID3, is_valid, listed
from .extras import CHUNKED, TAGGED

__all__ = ["left_out"]

_CURE = "; pip install 'stream_restore[tags]' to keep them"
_TOO_LATE = "stand behind the sound, too late for a pipe; open the file itself to keep them"


def left_out(form: Format, spec: Spec, pipe: bool) -> list[str]:
    """Messages on what an output does not get of its input; complete once the source is read to its end."""
    lost = [*form.extras.problems, *_lost_chunks(form, spec, pipe), *_lost_tags(form, pipe)]
    return [f"{form.extras.name}: {text}" for text in lost]


def _lost_chunks(form: Format, spec: Spec, pipe: bool) -> Iterator[str]:
    extras = form.extras
    chunks = [*extras.chunks, *extras.behind]
    if extras.family != CHUNKED.get(form.container):
        holds = form.container in CHUNKED or (form.container in TAGGED and not pipe)
        copied = holds and extras.native is not None
        chunks = [chunk for chunk in chunks if not (copied and chunk.name in ID3)]
        if chunks:
            yield f"{form.container} cannot hold its chunks: {listed(chunks)}"
        return
    wrong = [chunk for chunk in chunks if not is_valid(chunk, extras, spec.sample_rate)]
    if wrong:
        frames = "of the whole" if extras.moved else f"at {extras.sample_rate} Hz"
        yield f"its chunks count frames {frames}, and are left out: {listed(wrong)}"
    if pipe and extras.late and extras.behind:
        yield f"its chunks {_TOO_LATE}: {listed(extras.behind)}"


def _lost_tags(form: Format, pipe: bool) -> Iterator[str]:
    extras = form.extras
    if extras.late and extras.tags_behind and (pipe or form.container not in ("wav", "rf64")):
        yield f"its tags {_TOO_LATE}"
    holds = form.container in TAGGED or form.container in CHUNKED
    if extras.covers and not extras.family and not holds:
        yield f"{form.container} cannot hold its pictures"
    elif extras.covers and not extras.family and pipe and form.container in TAGGED:
        yield "its pictures cannot go into a pipe; name a file with -o to keep them"
    elif extras.covers and extras.unread:
        yield f"its pictures are left out{_CURE}"
    if extras.chapters and not _chaptered(form, pipe):
        yield f"its chapters are left out{_CURE if form.container == 'ogg' and extras.unread else ''}"


def _chaptered(form: Format, pipe: bool) -> bool:
    """Whether an output has chapters: by its encoder, by mutagen, or in an ID3 tag that is copied."""
    native = form.extras.native
    if form.container in TAGGED:
        return form.container != "ogg" or not (pipe or form.extras.unread)
    return form.container in CHUNKED and native is not None and native.kind == "id3"
