"""Tags that state how loud a recording is, and are wrong once its level has changed.

ReplayGain 2.0 names them for Vorbis comments, APEv2, ID3v2 and MP4; RFC 7845, section 5.2.1, for Opus; iTunes itself.
"""

import re
from collections.abc import Mapping

__all__ = ["is_level", "mentions_level", "without_levels"]

_NAME = re.compile(r"(^|[:_-])(replaygain_\w+|r128_(track|album)_gain|itunnorm|rva2?d?|rgad)\b", re.IGNORECASE)
_BYTES = re.compile(rb"replaygain_|r\0e\0p\0l\0a\0y\0g\0a\0i\0n\0|RVA2|RVAD|RGAD|iTunNORM", re.IGNORECASE)


def is_level(name: str) -> bool:
    """Whether a tag of this name states a level.

    >>> is_level("REPLAYGAIN_TRACK_GAIN"), is_level("----:com.apple.iTunes:iTunNORM"), is_level("title")
    (True, True, False)
    """
    return _NAME.search(name) is not None


def without_levels(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that do not state a level."""
    return {name: text for name, text in tags.items() if not is_level(name)}


def mentions_level(tag: bytes) -> bool:
    """Whether an ID3 tag may state a level."""
    return _BYTES.search(tag) is not None
