"""Restoration as one stage: segments of a network with overlap-add, recombined with the input."""

from .level import Level, LevelMeter, measure
from .restoration import Restoration
from .separate import Separate

__all__ = [
    "Level",
    "LevelMeter",
    "Restoration",
    "Separate",
    "measure",
]
