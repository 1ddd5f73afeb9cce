"""Sound in and out: files, pipes and headerless samples. The only package that touches an audio file.

>>> import io
>>> from stream_restore.audio import open_source, parse_raw
>>> with open_source(io.BytesIO(bytes(8)), raw=parse_raw("s16le:8000:2")) as source:
...     source.read(10)
array([[0., 0.],
       [0., 0.]], dtype=float32)
"""

from .formats import Format
from .output import refuse_same_file
from .place import clock, place
from .raw import RawFormat, parse_raw
from .sink import Position, Sink
from .sinks import open_sink
from .source import Source
from .sources import open_source
from .spool import spool

__all__ = [
    "Format",
    "Position",
    "RawFormat",
    "Sink",
    "Source",
    "clock",
    "open_sink",
    "open_source",
    "parse_raw",
    "place",
    "refuse_same_file",
    "spool",
]
