"""What a recording holds beside its sound and its plain tags, on the way from a source to a sink."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

__all__ = ["CHUNKED", "LIMIT", "TAGGED", "Chunk", "Extras", "NativeTags"]

TAGGED = ("mp3", "flac", "ogg", "opus", "m4a", "alac")
"""Containers whose tags hold pictures."""

CHUNKED: Mapping[str, str] = {"wav": "riff", "rf64": "riff", "aiff": "aiff"}
"""Containers that get chunks, and the kind of these. In a Wave64 libsndfile takes those behind the sound for sound."""

LIMIT = 64 << 20
"""Bytes of chunks, and bytes that tags and pictures take in a file, that are kept; what exceeds it is left out."""

_COMMON: Mapping[str, str] = {
    "TIT2": "title",
    "TPE1": "artist",
    "TALB": "album",
    "TPE2": "album_artist",
    "TCOM": "composer",
    "TCON": "genre",
    "TDRC": "date",
    "TRCK": "track",
    "TPOS": "disc",
}
"""Frames of ID3, and FFmpeg's names of them."""


class Chunk(NamedTuple):
    """A chunk of a RIFF or IFF file: its four letters and its bytes, without padding."""

    name: bytes
    body: bytes


@dataclass(frozen=True)
class NativeTags:
    """Tags as mutagen represents them.

    Attributes:
        kind: "id3", "vorbis" or "mp4".
        tags: an `ID3`, a list of pairs (name, text), or an `MP4Tags`.
        pictures: those in the tags, in FLAC's form, whatever the kind.
        blocks: a FLAC's other blocks.
        minor: the minor version of an ID3 tag, 3 or 4.
        whole: whether they are all tags of the input; an ID3 chunk stands beside others.
    """

    kind: str
    tags: Any
    pictures: tuple[Any, ...] = ()
    blocks: tuple[Any, ...] = ()
    minor: int = 4
    whole: bool = True

    @property
    def common(self) -> dict[str, str]:
        """The usual tags of an ID3 tag, as FFmpeg names them."""
        found = {name: self.tags.get(frame) for frame, name in _COMMON.items()} if self.kind == "id3" else {}
        return {name: str(frame) for name, frame in found.items() if frame}


@dataclass
class Extras:
    """Chunks, pictures, chapters and tags in their original form.

    A source may still add to it until it is read to its end: a pipe may have chunks behind its sound.

    Attributes:
        name: of the input, for messages.
        sample_rate: of the input, in Hz: positions in chunks count its frames.
        encoding: of the input, see `Format.encoding`.
        family: "riff" or "aiff", the kind of `chunks`; "" if there are none.
        chunks: those before the sound, or of a container without order.
        behind: those behind the sound.
        tags_behind: tags behind the sound; a file's are in `Format.tags`, too.
        late: whether what is behind the sound was unknown until its end, as in a pipe.
        chapters: as PyAV gives and takes them.
        covers: pictures that FFmpeg sees.
        problems: messages on what could not be read.
        unread: whether mutagen is missing to read tags in their original form.
        load: reads the tags in their original form; None if there are none.
        moved: whether frames of the output are other frames of the input: it is a range of it.
        room: bytes of chunks that may still be added.
    """

    name: str = ""
    sample_rate: int = 0
    encoding: str = ""
    family: str = ""
    chunks: list[Chunk] = field(default_factory=list)
    behind: list[Chunk] = field(default_factory=list)
    tags_behind: dict[str, str] = field(default_factory=dict)
    late: bool = False
    chapters: Sequence[Mapping[str, Any]] = ()
    covers: int = 0
    problems: list[str] = field(default_factory=list)
    unread: bool = False
    load: "Callable[[Extras], NativeTags | None] | None" = None

    moved: bool = False
    room: int = LIMIT

    @cached_property
    def native(self) -> NativeTags | None:
        """The tags in their original form, read once; None without mutagen."""
        return self.load(self) if self.load else None

    def add(self, chunks: list[Chunk], chunk: Chunk, family: str) -> None:
        """Add a chunk to `chunks`, which is one of the two lists."""
        chunks.append(chunk)
        self.room -= len(chunk.body)
        self.family = family

    def move(self) -> None:
        """From now on positions in the recording are not those of the output, and are left out."""
        self.moved = True
        if self.chapters:
            self.chapters = ()
            self.say("its chapters are left out of a range")

    def say(self, text: str) -> None:
        """Add a message on what could not be read."""
        if text not in self.problems:
            self.problems.append(text)
