"""Figures of an estimate against its reference, all of them running: `update` block by block, `merge`, `result`.

Memory does not grow with duration, and the figures are equal, bit for bit, however recordings are cut into parts and
blocks, and however the parts are merged. `Part` holds the law.
"""

from .delay import Delay, DelayFinder
from .distortion import Distortion, Metrics, decibels
from .parts import Part
from .projection import Projection
from .segments import Segmental, Segments
from .spectral import Spectral, SpectralFigures

__all__ = [
    "Delay",
    "DelayFinder",
    "Distortion",
    "Metrics",
    "Part",
    "Projection",
    "Segmental",
    "Segments",
    "Spectral",
    "SpectralFigures",
    "decibels",
]
