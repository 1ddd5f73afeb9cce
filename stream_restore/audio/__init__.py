"""Audio input and output: files, URLs, pipes and headerless samples. The only package that opens audio files.

>>> import io
>>> from stream_restore.audio import open_source, parse_raw
>>> with open_source(io.BytesIO(bytes(8)), raw=parse_raw("s16le:8000:2")) as source:
...     source.read(10)
array([[0., 0.],
       [0., 0.]], dtype=float32)
"""

from .damage import OnDamage
from .formats import Format
from .outputs.output import refuse_same_file
from .pcm.raw import RawFormat, parse_raw
from .positions import format_position, format_timestamp
from .readers import open_source
from .sink import Position, Sink
from .source import Film, Source
from .spool import spool
from .storage import is_url
from .writers import open_sink

__all__ = [
    "Film",
    "Format",
    "OnDamage",
    "Position",
    "RawFormat",
    "Sink",
    "Source",
    "format_position",
    "format_timestamp",
    "is_url",
    "open_sink",
    "open_source",
    "parse_raw",
    "refuse_same_file",
    "spool",
]
