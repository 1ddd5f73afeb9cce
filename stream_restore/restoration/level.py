"""Mean and deviation of a whole recording, exactly: what Demucs normalises by."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt

import numpy as np

from ..engine.exact_sum import ExactSum
from ..spec import Audio

__all__ = ["Level", "LevelMeter", "measure"]


@dataclass(frozen=True)
class Level:
    """Mean and standard deviation of a whole recording, as Demucs normalises by."""

    mean: float
    deviation: float


def measure(blocks: Iterable[Audio]) -> Level:
    """Mean and deviation of the mean of all channels, exact: the same for any cuts.

    Fewer than two frames have no deviation; it counts as 1.
    """
    moments = LevelMeter()
    for block in blocks:
        moments.add(block)
    return moments.level()


@dataclass
class LevelMeter:
    """Exact sums over the mean of all channels."""

    total: ExactSum = field(default_factory=ExactSum)
    squares: ExactSum = field(default_factory=ExactSum)
    frames: int = 0

    def add(self, block: Audio) -> None:
        """Add a block, shape (channels, frames)."""
        # Channel by channel: NumPy's own mean of many channels depends on the number of frames in its last bits.
        mono = np.zeros(block.shape[1])
        for channel in block:
            mono += channel
        mono /= len(block)
        self.total.add(mono)
        self.squares.add(mono * mono)
        self.frames += block.shape[1]

    def level(self) -> Level:
        """See `measure`."""
        if self.frames < 2:
            return Level(float(self.total), 1.0)
        mean = self.total.fraction() / self.frames
        variance = (self.squares.fraction() - self.frames * mean * mean) / (self.frames - 1)
        return Level(float(mean), sqrt(max(0.0, float(variance))))
