"""Storage formats: sample words, writable containers, and the choice of format for an output."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePath

from ..errors import ConfigError
from .tags.extras import Extras

__all__ = [
    "CODECS",
    "CONTAINERS",
    "RAW_CODECS",
    "WORDS",
    "Container",
    "Format",
    "Word",
    "choose",
    "kept_word",
    "names",
    "refuse_unwritable",
    "word_of",
    "written_suffix",
]


@dataclass(frozen=True)
class Word:
    """One way to store a sample.

    Attributes:
        size: in bytes.
        bits: resolution. Floats count as 32, since the engine holds float32; A-law and mu-law as 16.
        kind: "int", "float" or "law"; "codec" for the input of a lossy codec.
    """

    size: int
    bits: int
    kind: str


WORDS: Mapping[str, Word] = {
    "u8": Word(1, 8, "int"),
    "s8": Word(1, 8, "int"),
    "s16": Word(2, 16, "int"),
    "s24": Word(3, 24, "int"),
    "s32": Word(4, 32, "int"),
    "f32": Word(4, 32, "float"),
    "f64": Word(8, 32, "float"),
    "ulaw": Word(1, 16, "law"),
    "alaw": Word(1, 16, "law"),
}

CODECS: Mapping[str, Word] = {
    **dict.fromkeys(("ima_adpcm", "ms_adpcm", "nms_adpcm_16", "nms_adpcm_24", "nms_adpcm_32"), Word(1, 16, "codec")),
    **dict.fromkeys(("g721_32", "g723_24", "g723_40", "gsm610", "vox_adpcm"), Word(1, 16, "codec")),
    "dpcm_8": Word(1, 8, "codec"),
    "dpcm_16": Word(2, 16, "codec"),
    "alac_16": Word(2, 16, "int"),
    "alac_24": Word(3, 24, "int"),
    "alac_32": Word(4, 32, "int"),
}
"""Codecs of libsndfile, by its names: the integers they take, and the maximum bytes per sample.

Excluded because libsndfile 1.2 corrupts them: ALAC of 20 bits (stereo), and SDS (its last block)."""


@dataclass(frozen=True)
class Format:
    """How audio is stored; what an output inherits from its input.

    Attributes:
        container: "wav", "rf64", "w64", "flac", "mp3", "raw", ...
        encoding: one of `WORDS` for PCM, else the name of a codec ("mp3", "aac", "vorbis", ...).
        tags: "title", "artist", "album", "date", ... and their values.
        channel_mask: loudspeaker positions, as the bits of WAVE_FORMAT_EXTENSIBLE; 0 if unknown.
        big_endian: byte order of headerless samples.
        extras: what else the input holds: pictures, chunks, chapters.
    """

    container: str
    encoding: str
    tags: Mapping[str, str] = field(default_factory=dict)
    channel_mask: int = 0
    big_endian: bool = False
    extras: Extras = field(default_factory=Extras, repr=False, compare=False)


@dataclass(frozen=True)
class Container:
    """A writable container.

    Attributes:
        writer: "pcm" (headers written by this package), "sndfile" or "av". Encodings in `CODECS` always go through
            libsndfile, to files only.
        encodings: those it supports; the first is the default.
        suffixes: file name extensions, without the dot.
        pipe: whether it can be written to a pipe.
        limit: maximum bytes of sample data; None if unlimited.
        film: suffixes of files with more than sound.
    """

    writer: str
    encodings: tuple[str, ...]
    suffixes: tuple[str, ...]
    pipe: bool = False
    limit: int | None = None
    film: tuple[str, ...] = ()


_ALL = ("s16", "u8", "s8", "s24", "s32", "f32", "f64", "ulaw", "alaw")
_WAV = tuple(word for word in _ALL if word != "s8")
_AU = tuple(word for word in _ALL if word != "u8")
_MATROSKA = ("s16", "u8", "s24", "s32", "f32", "f64", "aac", "mp3", "opus")
_RAW_CODECS = ("gsm610", "nms_adpcm_16", "nms_adpcm_24", "nms_adpcm_32")
RAW_CODECS = (*_RAW_CODECS, "vox_adpcm")
"""Codecs that need no header. The last is only read: it cannot store an odd number of frames."""
_WAV_CODECS = ("ima_adpcm", "ms_adpcm", "gsm610", "g721_32", "nms_adpcm_16", "nms_adpcm_24", "nms_adpcm_32")
_SMALL = 2**32 - 2**20
"""The range of 32-bit sizes, less room for chunks around the sample data."""


def _sndfile(name: str, encodings: str, *suffixes: str, limit: int | None = _SMALL) -> Container:
    return Container("sndfile", tuple(encodings.split()), suffixes or (name,), limit=limit)


CONTAINERS: Mapping[str, Container] = {
    "wav": Container("pcm", (*_WAV, *_WAV_CODECS), ("wav", "wave"), pipe=True),
    "rf64": Container("pcm", _WAV, ("rf64",)),
    "au": Container("pcm", (*_AU, "g721_32", "g723_24", "g723_40"), ("au", "snd"), pipe=True),
    "raw": Container("pcm", (*_ALL, *_RAW_CODECS), ("raw", "pcm"), pipe=True),
    "flac": Container("av", ("s16", "s24"), ("flac",), pipe=True),
    "ogg": Container("sndfile", ("vorbis",), ("ogg", "oga"), pipe=True),
    "opus": Container("av", ("opus",), ("opus", "ogg"), pipe=True),
    "mp3": Container("av", ("mp3",), ("mp3",), pipe=True),
    "m4a": Container("av", ("aac",), ("m4a", "mp4", "m4b", "m4v"), pipe=True, film=("mp4", "m4v")),
    "alac": Container("av", ("s16", "s24"), ("m4a", "mp4"), pipe=True, film=("mp4",)),
    "mov": Container("av", ("s16", "u8", "s24", "s32", "f32", "f64", "aac"), ("mov",), film=("mov",)),
    "aac": Container("av", ("aac",), ("aac", "adts"), pipe=True),
    "matroska": Container("av", _MATROSKA, ("mkv", "mka"), pipe=True, film=("mkv", "mka")),
    "webm": Container("av", ("opus",), ("webm",), pipe=True, film=("webm",)),
    "wv": Container("av", ("s16", "s24", "f32"), ("wv",), pipe=True),
    "tta": Container("av", ("s16", "u8", "s24"), ("tta",)),
    "aiff": _sndfile("aiff", "s16 u8 s8 s24 s32 f32 f64 ulaw alaw ima_adpcm gsm610", "aiff", "aif", "aifc"),
    "caf": _sndfile("caf", "s16 s8 s24 s32 f32 f64 ulaw alaw alac_16 alac_24 alac_32", limit=None),
    "w64": _sndfile("w64", "s16 u8 s24 s32 f32 f64 ulaw alaw ima_adpcm ms_adpcm gsm610", limit=None),
    "nist": _sndfile("nist", "s16 s8 s24 s32 ulaw alaw", "nist", "sph"),
    "voc": _sndfile("voc", "s16 u8 ulaw alaw"),
    "ircam": _sndfile("ircam", "s16 s32 f32 ulaw alaw", "ircam", "sf"),
    "paf": _sndfile("paf", "s16 s8 s24"),
    "pvf": _sndfile("pvf", "s16 s8 s32"),
    "avr": _sndfile("avr", "s16 u8 s8"),
    "svx": _sndfile("svx", "s16 s8", "svx", "iff", "8svx"),
    "mat4": _sndfile("mat4", "f64 s16 s32 f32", "mat4"),
    "mat5": _sndfile("mat5", "f64 u8 s16 s32 f32", "mat", "mat5"),
    "sd2": Container("pcm", ("s16", "s8", "s24", "s32"), ("sd2",)),
    "htk": _sndfile("htk", "s16"),
    "mpc2k": _sndfile("mpc2k", "s16", "mpc2k", "snd"),
    "wve": _sndfile("wve", "alaw"),
    "xi": _sndfile("xi", "dpcm_16 dpcm_8"),
}


_FILMS = ("3gp", "asf", "avi", "flv", "m2ts", "mpeg", "mpg", "mts", "mxf", "ogv", "rm", "ts", "vob", "wmv")
"""Suffixes of films that are read and not written."""


def written_suffix(suffix: str) -> str:
    """The suffix of an output for an input of this suffix: the same if it is written, for other films Matroska's.

    >>> [written_suffix(suffix) for suffix in (".FLAC", ".avi", ".wma", "")]
    ['.FLAC', '.mkv', '.wav', '.wav']
    """
    name = suffix[1:].lower()
    if any(name in container.suffixes for container in CONTAINERS.values()):
        return suffix
    return ".mkv" if name in _FILMS else ".wav"


def word_of(encoding: str) -> Word | None:
    """The word that an encoder of this encoding takes as input; None for codecs that take floats."""
    return WORDS.get(encoding) or CODECS.get(encoding)


def kept_word(encoding: str) -> Word | None:
    """The word that an encoding preserves; None for lossy codecs."""
    word = word_of(encoding)
    return None if word is None or word.kind == "codec" else word


def names(pipe: bool = False) -> str:
    """The containers that can be written (to a pipe, if `pipe`), as a list for messages."""
    return ", ".join(name for name, container in CONTAINERS.items() if container.pipe or not pipe)


def choose(name: str, container: str | None, encoding: str | None, like: Format | None, pipe: bool = False) -> Format:
    """The format of an output called `name` ("-" for a pipe), from the requested format and the input's (`like`).

    Container: as requested; else by the suffix; else, for a file, the input's; else WAV.
    Encoding: as requested; else the input's if the container supports it; else the narrowest lossless word, or the
    widest available. From a lossy codec to PCM: the container's default, mostly 16 bits, because a decoder's float
    output holds nothing of value below them.

    Raises:
        ConfigError: if the container or encoding cannot be written; the message lists those that can.

    >>> choose("out.flac", None, None, Format("wav", "f32")).encoding
    's24'
    >>> choose("-", None, None, Format("mp3", "mp3"))
    Format(container='wav', encoding='s16', tags={}, channel_mask=0, big_endian=False)
    """
    if container is not None:
        container, encoding = _raw_name(container, encoding)
    found = _container(name, container, like)
    bare, big = _endian(found, encoding, like)
    word = _encoding(found, bare, like, pipe or name == "-")
    tags, mask, extras = (like.tags, like.channel_mask, like.extras) if like else ({}, 0, Extras())
    return Format(found, word, tags, mask, big, extras)


def refuse_unwritable(container: str, encoding: str | None) -> None:
    """Refuse a format that no input can be written as.

    What is possible may depend on the input: "m4a" holds ALAC or AAC, as the input does.

    Raises:
        ConfigError: if `choose` accepts it for no input.

    >>> refuse_unwritable("m4a", "s16")
    >>> refuse_unwritable("flac", "f32")
    Traceback (most recent call last):
        ...
    stream_restore.errors.ConfigError: flac cannot carry 'f32'; it can carry s16, s24
    """
    for like in CONTAINERS:
        with suppress(ConfigError):
            choose("", container, encoding, Format(like, ""))
            return
    choose("", container, encoding, None)


def _raw_name(container: str, encoding: str | None) -> tuple[str, str | None]:
    """Accept a word with byte order as a container name, as ffmpeg does: "f32le" is raw f32le."""
    if container[:-2] in WORDS and container[-2:] in ("le", "be"):
        return "raw", encoding or container
    return container, encoding


def _container(name: str, asked: str | None, like: Format | None) -> str:
    if asked is not None:
        return _by_suffix(asked.lower(), like, f"format {asked!r}")
    suffix = PurePath(name).suffix[1:].lower()
    if suffix:
        return _by_suffix(suffix, like, f"{name}: files called .{suffix}")
    return like.container if name != "-" and like and like.container in CONTAINERS else "wav"


def _by_suffix(suffix: str, like: Format | None, what: str) -> str:
    if suffix in CONTAINERS:
        return suffix if like is None or not _shared(suffix, like) else like.container
    found = [name for name, container in CONTAINERS.items() if suffix in container.suffixes]
    if not found:
        raise ConfigError(f"{what} cannot be written; those that can: {names()}")
    return like.container if like is not None and like.container in found else found[0]


def _shared(suffix: str, like: Format) -> bool:
    """Whether the input's container also uses this suffix, as ALAC and AAC share .m4a."""
    return like.container in CONTAINERS and suffix in CONTAINERS[like.container].suffixes


def _endian(container: str, encoding: str | None, like: Format | None) -> tuple[str | None, bool]:
    if container != "raw":
        return encoding, False
    if encoding is not None and encoding[:-2] in WORDS and encoding[-2:] in ("le", "be"):
        return encoding[:-2], encoding.endswith("be")
    return encoding, like is not None and like.big_endian


def _encoding(container: str, asked: str | None, like: Format | None, pipe: bool) -> str:
    carried = CONTAINERS[container].encodings
    if asked is not None:
        if asked not in carried:
            raise ConfigError(f"{container} cannot carry {asked!r}; it can carry {', '.join(carried)}")
        return asked
    if like is None:
        return carried[0]
    if like.encoding in carried and not (pipe and like.encoding in CODECS):
        return like.encoding
    word = kept_word(like.encoding)
    return carried[0] if word is None else _nearest(word, carried)


def _nearest(word: Word, carried: tuple[str, ...]) -> str:
    """The narrowest encoding that holds `word`, preferably of its kind; else the widest, or the only one."""
    plain = [name for name in carried if name in WORDS and WORDS[name].kind != "law"]
    if not plain:
        return carried[0]
    holding = [name for name in plain if WORDS[name].bits >= word.bits]
    if not holding:
        return max(plain, key=lambda name: WORDS[name].bits)
    return min(holding, key=lambda name: (WORDS[name].bits, WORDS[name].kind != word.kind))
