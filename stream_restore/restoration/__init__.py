"""Restoration as one stage: repairs, noise by a network of gains, segments of other networks with overlap-add."""

from .level import Level, LevelMeter, measure
from .noise_profile import NoiseProfile, measure_noise
from .restoration import Restoration
from .separate import Separate

__all__ = [
    "Level",
    "LevelMeter",
    "NoiseProfile",
    "Restoration",
    "Separate",
    "measure",
    "measure_noise",
]
