"""PCM with headers read and written by this package: WAV and related containers, AU, headerless."""

from .raw import RawFormat, parse_raw
from .sink import PcmSink
from .source import PcmSource, WavSource, open_pcm, open_wav

__all__ = [
    "PcmSink",
    "PcmSource",
    "RawFormat",
    "WavSource",
    "open_pcm",
    "open_wav",
    "parse_raw",
]
