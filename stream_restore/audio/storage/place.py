"""Where a recording lies or its result: on the disk, or at a URL."""

import re
from pathlib import Path
from typing import TypeAlias, TypeGuard

from .remote import Remote

__all__ = ["Place", "is_url", "place_of", "target_of"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

Place: TypeAlias = Path | Remote
"""`str` gives its name for messages, without secrets; `/` what lies below it."""


def is_url(target: object) -> TypeGuard[str]:
    """Whether a target is the URL of an object, not the path of a file.

    >>> is_url("s3://archive/tape.wav"), is_url("tape.wav"), is_url("-")
    (True, False, False)
    """
    return isinstance(target, str) and _URL.match(target) is not None


def place_of(target: str | Path | Remote) -> Place:
    """The place that a path or a URL names.

    >>> place_of("s3://tapes/a.wav"), place_of(Path("a.wav")).name
    (Remote(url='s3://tapes/a.wav'), 'a.wav')
    """
    if isinstance(target, Remote):
        return target
    return Remote(target) if is_url(target) else Path(target)


def target_of(place: Place) -> str | Path:
    """What `open_source` and `open_sink` take.

    >>> target_of(Remote("s3://tapes/a.wav"))
    's3://tapes/a.wav'
    """
    return place.url if isinstance(place, Remote) else place
