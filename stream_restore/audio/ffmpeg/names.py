"""Mapping of FFmpeg's names to those of this package: codecs, containers, loudspeakers, tags."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from av.stream import Disposition

from ..formats import Format
from ..tags.extras import Extras

__all__ = ["DEMUXERS", "LOSSLESS", "format_of", "is_picture", "layout_mask"]

DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,avr,caf,dts,eac3,epaf,flac,flv,gsm,iff,ircam,loas,matroska,mlp,mov,mp3,mpc,mpc8,"
    "mpeg,mpegts,nistsphere,nut,ogg,oma,pvf,qcp,rm,shn,sox,tak,truehd,tta,voc,w64,wav,webm,wv"
)
"""Audio containers. Playlists and other formats that make FFmpeg open further files or URLs are excluded."""

LOSSLESS = ("flac", "alac", "wavpack", "tta", "ape", "tak", "shorten", "mlp", "truehd")

_CONTAINERS = {"mov": "m4a", "nistsphere": "nist", "epaf": "paf", "iff": "svx"}
_CODECS = {
    "pcm_mulaw": "ulaw",
    "pcm_alaw": "alaw",
    "adpcm_ima_wav": "ima_adpcm",
    "adpcm_ima_qt": "ima_adpcm",
    "adpcm_ms": "ms_adpcm",
    "gsm": "gsm610",
    "gsm_ms": "gsm610",
}
_DECODED = {"u8": "u8", "s16": "s16", "s32": "s24", "flt": "f32", "dbl": "f64"}
"""The word of a lossless codec by its decoded sample type; 24-bit samples are the upper bits of 32."""

_FILE_TAGS = {"encoder", "software", "major_brand", "minor_version", "compatible_brands", "duration", "creation_time"}
"""Valid for the input file only, so not copied to the output."""

_STREAM_TAGS = {"language", "handler_name", "vendor_id", "encoder", "duration"}

_TAG_NAMES = {"author": "artist"}
"""FFmpeg's names for tags of some containers, and its usual names for them."""

_LANGUAGE = re.compile("(?<=^lyrics)-.*")
"""An ID3 tag says the language of lyrics."""

_FRONT = ["FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR"]
_SPEAKERS = [*_FRONT, "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR"]
"""In bit order, in FFmpeg as in WAVE_FORMAT_EXTENSIBLE."""


def format_of(container: Any, stream: Any) -> Format:
    """The format of the audio in an opened container."""
    codec = stream.codec_context.codec.canonical_name
    name = container.format.name.split(",")[0]
    name = _CONTAINERS.get(name, name)
    if name == "ogg" and codec == "opus":
        name = "opus"
    if name == "m4a" and codec == "alac":
        name = "alac"
    encoding = _encoding(codec, stream.codec_context.format.packed.name)
    if (name, codec) == ("caf", "alac"):
        encoding = encoding.replace("s", "alac_")  # libsndfile writes it
    tags = _tags(stream.metadata, _STREAM_TAGS) | _tags(container.metadata, set())
    chapters: list[Any] = getattr(container, "chapters", list)()  # older versions of PyAV cannot tell
    extras = Extras(chapters=chapters, covers=sum(map(is_picture, container.streams.video)))
    return Format(name, encoding, tags, layout_mask(stream.codec_context.layout.channels), extras=extras)


def is_picture(stream: Any) -> bool:
    """Whether a stream is one picture, as a cover."""
    return bool(stream.disposition & Disposition.attached_pic)


def _encoding(codec: str, decoded: str) -> str:
    if codec in _CODECS:
        return _CODECS[codec]
    plain = re.match(r"pcm_([sf]\d+|u8)", codec)
    if plain:
        return plain[1]
    return _DECODED.get(decoded, codec) if codec in LOSSLESS else codec


def _tags(metadata: Mapping[str, str], without: set[str]) -> dict[str, str]:
    names = {name: _TAG_NAMES.get(name.lower(), _LANGUAGE.sub("", name.lower())) for name in metadata}
    return {names[name]: text for name, text in metadata.items() if text and names[name] not in without | _FILE_TAGS}


def layout_mask(channels: Iterable[Any]) -> int:
    """The loudspeakers of a layout as a bit mask; 0 if one is unknown."""
    found = [channel.name for channel in channels]
    if not all(name in _SPEAKERS for name in found):
        return 0
    return sum(1 << _SPEAKERS.index(name) for name in found)
