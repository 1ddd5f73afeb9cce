"""What a slip of the hand does to figures: the same estimate, but late or at another level."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from .audio import open_source
from .metrics import Distortion, Metrics
from .run import BLOCK
from .spec import Audio

__all__ = ["SLIPS", "slip"]

SLIPS = {"1 s late": (1.0, 1.0), "127 times too loud": (0.0, 127.0), "both": (1.0, 127.0)}
"""By name: a delay in seconds and a factor."""


def slip(reference: Path, estimate: Path, late_seconds: float, factor: float) -> Metrics:
    """The figures of an estimate that comes late, behind silence, and is multiplied.

    Raises:
        SourceError: one of the recordings cannot be read.
    """
    distortion = Distortion()
    with open_source(reference) as wanted, open_source(estimate) as got:
        late = got.spec.frames(late_seconds)
        for block, other in _late(wanted.read, got.read, late, got.spec.channels):
            distortion.update(block, np.float32(factor) * other)
    return distortion.result()


def _late(
    wanted: Callable[[int], Audio], got: Callable[[int], Audio], late: int, channels: int
) -> Iterator[tuple[Audio, Audio]]:
    """Blocks of a reference, and of an estimate that comes `late` frames late."""
    while late > 0 and (block := wanted(min(late, BLOCK))).shape[1]:
        yield block, np.zeros((channels, block.shape[1]), np.float32)
        late -= block.shape[1]
    while (block := wanted(BLOCK)).shape[1]:
        yield block, got(block.shape[1])
