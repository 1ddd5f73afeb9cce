"""Where a recording lies or its result: on the disk, or at a URL."""

from pathlib import Path
from typing import TypeAlias

from .remote import Remote, is_url

__all__ = ["Place", "place_of", "target_of"]

Place: TypeAlias = Path | Remote
"""`str` gives its name for messages, without secrets; `/` what lies below it."""


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
