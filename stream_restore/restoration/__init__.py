"""Restoration as one stage: repairs, noise by a network of gains, segments of other networks with overlap-add."""

from typing import TYPE_CHECKING

from .._on_demand import on_demand

if TYPE_CHECKING:
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

__getattr__ = on_demand(
    __name__,
    {
        "level": ["Level", "LevelMeter", "measure"],
        "noise_profile": ["NoiseProfile", "measure_noise"],
        "restoration": ["Restoration"],
        "separate": ["Separate"],
    },
)
