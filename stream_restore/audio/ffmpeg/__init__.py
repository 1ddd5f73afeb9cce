"""Decoding and encoding by FFmpeg, through PyAV. Imported only when needed."""

from .sink import AvSink
from .source import AvSource

__all__ = [
    "AvSink",
    "AvSource",
]
