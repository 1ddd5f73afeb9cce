"""User-supplied format of headerless samples."""

import re
from dataclasses import dataclass

from ...errors import ConfigError
from ...spec import Spec
from ..formats import RAW_CODECS, WORDS

__all__ = ["RawFormat", "parse_raw"]


@dataclass(frozen=True)
class RawFormat:
    """The word, byte order, rate and channels of headerless samples, interleaved.

    Attributes:
        encoding: a word or one of `RAW_CODECS`, see `parse_raw`.
        spec: sample rate and channels.
        big_endian: most significant byte first.
    """

    encoding: str
    spec: Spec
    big_endian: bool = False


def parse_raw(text: str) -> RawFormat:
    """Parse FORMAT:RATE:CHANNELS; the format is a word, followed by "le" (default) or "be", or a codec.

    Raises:
        ConfigError: if the text is malformed or the format is unknown; the message lists those accepted.

    >>> parse_raw("f32le:44100:2")
    RawFormat(encoding='f32', spec=Spec(sample_rate=44100, channels=2), big_endian=False)
    """
    parts = text.split(":")
    if len(parts) != 3 or not all(re.fullmatch("[0-9]{1,9}", part) for part in parts[1:]):
        raise ConfigError(f"{text!r} is not FORMAT:RATE:CHANNELS, such as f32le:44100:2")
    word = parts[0].lower()
    encoding = word[:-2] if word.endswith(("le", "be")) else word
    if encoding not in WORDS and word not in RAW_CODECS:
        accepted = f"{', '.join(WORDS)}, with le or be behind, and {', '.join(RAW_CODECS)}"
        raise ConfigError(f"{parts[0]!r} is no sample format; accepted: {accepted}")
    return RawFormat(encoding, Spec(int(parts[1]), int(parts[2])), word.endswith("be"))
