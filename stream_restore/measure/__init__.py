"""Figures of an estimate against its reference, all of them running: `update` block by block, `merge`, `result`.

Memory does not grow with duration, and the figures are equal, bit for bit, for any division into parts and blocks and
any order of merging. `Accumulator` defines the contract.
"""

from typing import TYPE_CHECKING

from .._on_demand import on_demand

if TYPE_CHECKING:
    from .accumulator import Accumulator
    from .bss_eval import Projection
    from .comparison import FIGURES, Comparison, Figures, compare
    from .delay import Delay, DelayFinder
    from .distortion import Distortion, Metrics, decibels
    from .segmental import Segmental, Segments
    from .spectral import Spectral, SpectralFigures

__all__ = [
    "FIGURES",
    "Accumulator",
    "Comparison",
    "Delay",
    "DelayFinder",
    "Distortion",
    "Figures",
    "Metrics",
    "Projection",
    "Segmental",
    "Segments",
    "Spectral",
    "SpectralFigures",
    "compare",
    "decibels",
]

__getattr__ = on_demand(
    __name__,
    {
        "accumulator": ["Accumulator"],
        "bss_eval": ["Projection"],
        "comparison": ["FIGURES", "Comparison", "Figures", "compare"],
        "delay": ["Delay", "DelayFinder"],
        "distortion": ["Distortion", "Metrics", "decibels"],
        "segmental": ["Segmental", "Segments"],
        "spectral": ["Spectral", "SpectralFigures"],
    },
)
