"""Adds to a complete output file what its encoder cannot write: chunks, pictures, tags in their original form."""

from dataclasses import replace

from ...errors import SinkError
from ...spec import Spec
from ..formats import Format
from ..outputs.output import Output
from .chunks import append_chunks, listed
from .extras import CHUNKED, TAGGED, NativeTags
from .inherited import behind, in_front

__all__ = ["attach"]


def attach(output: Output, form: Format, spec: Spec) -> list[str]:
    """Add chunks, tags and pictures to a file that libsndfile or FFmpeg has completed; return messages.

    Raises:
        SinkError: if it cannot be written.
    """
    if not output.seekable():
        return []
    if form.container in CHUNKED:
        chunks = in_front(form, spec) + behind(form, spec)
        fits = not chunks or append_chunks(output, form.container, chunks)
        return [] if fits else [f"{output.name}: has no room for {listed(chunks)}"]
    extras = form.extras
    if form.container in TAGGED and (extras.native or (extras.chapters and form.container == "ogg")):
        return _write(output, form, spec)
    return []


def _write(output: Output, form: Format, spec: Spec) -> list[str]:
    try:
        from .native_writer import write_native
    except ImportError:
        return []
    native = form.extras.native or NativeTags("none", None)
    valid = _valid(native, form, spec)
    file = _Editable(output)
    file.seek(0)
    try:
        said = write_native(file, form.container, form.tags, valid, form.extras.chapters)
    except Exception as error:  # mutagen's errors have many classes, for tags that no container allows
        output.check()
        if file.touched:
            raise SinkError(f"{output.name}: its tags cannot be written: {error}") from error
        said = [f"its tags are left out: {error}"]
    if len(valid.blocks) < len(native.blocks) and form.container == "flac":
        said.append("a FLAC's blocks for another rate or sample format are left out")
    return [f"{output.name}: {text}" for text in said]


class _Editable:
    """A file for mutagen, which notes whether it was changed; every failure is raised."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.touched = False
        self.read, self.seek, self.tell = output.read, output.seek, output.tell

    def write(self, data: bytes) -> int:
        """Write all of `data`."""
        self.touched = self.touched or bool(data)
        self._output.write(data)
        self._output.check()
        return len(data)

    def truncate(self, size: int | None = None) -> None:
        """Cut the file to `size` bytes, or to the position."""
        self.touched = True
        self._output.truncate(self.tell() if size is None else size)

    def flush(self) -> None:
        """Do nothing: writes are not buffered."""


def _valid(native: NativeTags, form: Format, spec: Spec) -> NativeTags:
    """Without the blocks that another rate or sample word makes wrong: application data may repeat a WAV's header."""
    from .native import APPLICATION

    extras = form.extras
    same_rate, same_word = extras.sample_rate == spec.sample_rate, extras.encoding == form.encoding
    blocks = [block for block in native.blocks if same_rate and (same_word or block.code != APPLICATION)]
    return replace(native, blocks=tuple(blocks))
