"""Vorbis comments of an output: those of FLAC, Ogg and Opus."""

from collections.abc import Mapping, Sequence
from typing import Any

from .extras import NativeTags
from .level_tags import is_level

__all__ = ["PICTURE", "chapter_comments", "set_comments"]

PICTURE = "METADATA_BLOCK_PICTURE"
"""The comment that holds a picture: a block of a FLAC in base64."""
_OF_ENCODING = ("encoder", "encoder_options", "encodersettings", "waveformatextensible_channel_mask")
"""Vorbis comments that are valid for the file only in which they stand."""
_VORBIS_NAMES = {"album_artist": "ALBUMARTIST", "track": "TRACKNUMBER", "disc": "DISCNUMBER", "comment": "DESCRIPTION"}
"""FFmpeg's names of tags, and the names that it gives them in Vorbis comments."""


def set_comments(comments: Any, tags: Mapping[str, str], native: NativeTags) -> None:
    """Give a list of Vorbis comments all that the input has, and leave what its encoder says of itself."""
    if native.kind == "vorbis":
        own = [pair for pair in comments if pair[0].lower() in _OF_ENCODING]
        theirs = [pair for pair in native.tags if pair[0].lower() not in _OF_ENCODING and not is_level(pair[0])]
        comments[:] = own + [pair for pair in theirs if pair[0].upper() != PICTURE]
        return
    there = {name.upper() for name, _ in comments}
    named = {_VORBIS_NAMES.get(name, name.upper()): text for name, text in tags.items()}
    comments += [(name, text) for name, text in named.items() if name not in there and _is_key(name)]


def chapter_comments(chapters: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Chapters as Vorbis comments, as FFmpeg writes and reads them."""
    comments = {}
    for number, chapter in enumerate(chapters):
        minutes, milliseconds = divmod(round(chapter["start"] * chapter["time_base"] * 1000), 60_000)
        start = f"{minutes // 60:02d}:{minutes % 60:02d}:{milliseconds // 1000:02d}.{milliseconds % 1000:03d}"
        comments[f"CHAPTER{number:03d}"] = start
        if chapter["metadata"].get("title"):
            comments[f"CHAPTER{number:03d}NAME"] = chapter["metadata"]["title"]
    return comments


def _is_key(name: str) -> bool:
    return bool(name) and all(" " <= letter <= "}" and letter != "=" for letter in name)
