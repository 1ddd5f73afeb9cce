"""Pages of Ogg streams: constant serial numbers in what is written, lost pages in what is read."""

from .pages import OggPages
from .watch import OggWatch

__all__ = [
    "OggPages",
    "OggWatch",
]
