"""Reading and writing by libsndfile, through soundfile. Imported only when needed."""

from .sink import SndfileSink
from .source import SndfileSource

__all__ = [
    "SndfileSink",
    "SndfileSource",
]
