"""Ogg pages: constant serial numbers when writing, detection of lost pages when reading."""

from .pages import OggPages
from .watch import OggWatch

__all__ = [
    "OggPages",
    "OggWatch",
]
