"""Writes tags and pictures into a complete file, by mutagen. Imported only when needed: mutagen is an extra."""

import base64
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, ID3, USLT, ID3NoHeaderError
from mutagen.mp4 import MP4, MP4Cover
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis

from .comments import PICTURE, chapter_comments, set_comments
from .extras import NativeTags
from .level_tags import is_level
from .native import read_id3

__all__ = ["id3_bytes", "id3_without_levels", "write_native"]

_OF_ID3_FILE = ("TSSE", "MLLT", "ASPI", "SEEK")
"""Frames with the encoder's name or with positions in bytes."""
_OF_MP4_FILE = ("\xa9too", "----:com.apple.iTunes:iTunSMPB", "----:com.apple.iTunes:Encoding Params")
"""The encoder's name and padding."""
_LARGEST_BLOCK = 2**24 - 1
_FORMATS = {"image/jpeg": MP4Cover.FORMAT_JPEG, "image/jpg": MP4Cover.FORMAT_JPEG, "image/png": MP4Cover.FORMAT_PNG}


def write_native(
    file: Any,
    container: str,
    tags: Mapping[str, str],
    native: NativeTags,
    chapters: Sequence[Mapping[str, Any]] = (),
) -> list[str]:
    """Add to the tags that an encoder wrote what it left out; return messages on what the container cannot hold.

    Between containers with tags of one kind all tags are copied, otherwise pictures and lyrics.

    Args:
        file: complete, open for reading and writing, at its start.
        tags: of the output, as FFmpeg names them.
        native: of the input; without any, the chapters alone are added.
        chapters: as PyAV gives them, for Vorbis comments; encoders have written them elsewhere.
    """
    return _WRITERS[container](file, {**tags, **chapter_comments(chapters)}, native)


def id3_bytes(native: NativeTags) -> bytes:
    """An ID3 tag with the pictures, and all other tags if they are of that kind."""
    return _rendered(_id3_of(native) if native.kind == "id3" else _with_pictures(ID3(), native.pictures), native.minor)


def id3_without_levels(body: bytes) -> bytes:
    """An ID3 tag, as a chunk holds it, without ReplayGain; as it is, if it has none."""
    native = read_id3(BytesIO(body))
    found = native is not None and any(map(is_level, native.tags))
    return _rendered(_id3_of(native), native.minor) if native and found else body


def _rendered(tag: ID3, minor: int) -> bytes:
    file = BytesIO()
    if minor == 3:
        tag.update_to_v23()
    tag.save(file, v1=0, v2_version=minor)
    return file.getvalue()


def _write_id3(file: Any, tags: Mapping[str, str], native: NativeTags) -> list[str]:
    if native.kind == "id3":
        tag = _id3_of(native)
        for frame in [] if native.whole else _id3_in(file).values():
            if frame.HashKey not in tag:
                tag.add(frame)
    else:
        tag = _with_pictures(_id3_in(file), native.pictures)
        if "lyrics" in tags:
            tag.delall("TXXX:lyrics")
            tag.delall("TXXX:USLT")  # FFmpeg does not write that frame itself
            tag.add(USLT(encoding=3, lang="und", desc="", text=tags["lyrics"]))
    if native.minor == 3:
        tag.update_to_v23()
    file.seek(0)
    tag.save(file, v1=0, v2_version=native.minor)
    return []


def _id3_in(file: Any) -> ID3:
    try:
        return ID3(file)
    except ID3NoHeaderError:
        return ID3()


def _id3_of(native: NativeTags) -> ID3:
    tag = copy.deepcopy(native.tags)
    for key in [key for key in tag if is_level(key) or key.startswith(_OF_ID3_FILE)]:
        del tag[key]
    return tag


def _with_pictures(tag: ID3, pictures: Iterable[Picture]) -> ID3:
    for number, picture in enumerate(pictures):
        frame = APIC(encoding=3, mime=picture.mime, type=picture.type, desc=picture.desc, data=picture.data)
        frame.salt = str(number)  # several may have one description
        tag.add(frame)
    return tag


def _write_flac(file: Any, tags: Mapping[str, str], native: NativeTags) -> list[str]:
    out = FLAC(file)
    if out.tags is None:
        out.add_tags()
    set_comments(out.tags, tags, native)
    out.clear_pictures()
    for picture in native.pictures:
        if len(picture.write()) <= _LARGEST_BLOCK:
            out.add_picture(picture)
    out.metadata_blocks += native.blocks
    file.seek(0)
    out.save(file)
    return [] if len(out.pictures) == len(native.pictures) else ["a picture of 16 MiB or more does not fit into a FLAC"]


def _write_ogg(kind: type[Any], file: Any, tags: Mapping[str, str], native: NativeTags) -> list[str]:
    out = kind(file)
    set_comments(out.tags, tags, native)
    pairs = [pair for pair in out.tags if pair[0].upper() != PICTURE]
    pairs += [(PICTURE, base64.b64encode(picture.write()).decode("ascii")) for picture in native.pictures]
    out.tags[:] = pairs
    file.seek(0)
    out.save(file)
    return []


def _write_mp4(file: Any, tags: Mapping[str, str], native: NativeTags) -> list[str]:
    out = MP4(file)
    if out.tags is None:
        out.add_tags()
    if native.kind == "mp4":
        out.tags.clear()
        out.tags.update({k: v for k, v in native.tags.items() if not is_level(k) and k not in _OF_MP4_FILE})
    else:
        fitting = [picture for picture in native.pictures if picture.mime.lower() in _FORMATS]
        if fitting:
            out.tags["covr"] = [MP4Cover(picture.data, _FORMATS[picture.mime.lower()]) for picture in fitting]
        if len(fitting) < len(native.pictures):
            return [*_saved(out, file), "only pictures in JPEG and PNG fit into an MP4"]
    return _saved(out, file)


def _saved(out: MP4, file: Any) -> list[str]:
    file.seek(0)
    out.save(file)
    return []


_WRITERS: Mapping[str, Callable[[Any, Mapping[str, str], NativeTags], list[str]]] = {
    "mp3": _write_id3,
    "flac": _write_flac,
    "ogg": lambda file, tags, native: _write_ogg(OggVorbis, file, tags, native),
    "opus": lambda file, tags, native: _write_ogg(OggOpus, file, tags, native),
    "m4a": _write_mp4,
    "alac": _write_mp4,
}
