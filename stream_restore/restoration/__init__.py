"""Restoration as one stage: segments of a network with overlap-add, recombined with the input."""

from .restoration import Level, LevelMeter, Restoration, measure
from .separate import Separate

__all__ = [
    "Level",
    "LevelMeter",
    "Restoration",
    "Separate",
    "measure",
]
