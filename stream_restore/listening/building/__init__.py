"""Making a listening test: excerpts, anchors, equal loudness, and the page."""

from .build import Clip, build
from .clips import find_clips

__all__ = ["Clip", "build", "find_clips"]
