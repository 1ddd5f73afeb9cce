"""Ogg pages: constant serial numbers when writing, lost pages and chained streams when reading."""

from .pages import OggPages
from .watch import OggWatch

__all__ = [
    "OggPages",
    "OggWatch",
]
