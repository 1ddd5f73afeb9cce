"""Peaks that were cut off, given back."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ....spec import Audio, Spec
from ..cells import CellRepair
from ..samples import Mask, size_at
from .blurred import blurred_level
from .consistency import bounds
from .estimate import REACH, peaks
from .level import clip_level

__all__ = ["Declip"]

FRAME = 1024
"""The shortest frames of audio that are solved at once, at 44.1 kHz."""
CELL = 32
"""Of them in a cell."""
REACHES = (0.25, 1.0, 2.0)
"""Cells on both sides of a cell in which the level is sought: nearby first, for it may change; 3.7 s in all."""

Samples = NDArray[np.float32]


class Declip(CellRepair):
    """Gives peaks back that were cut off; samples that were not are returned bit for bit.

    The level is found by itself, per channel and side, in the 3.7 seconds around each cell of 0.7 (`level`), also where
    resampling, lossy coding or noise blurred it (`blurred`); where none is found, nothing is changed. Peaks are made
    anew by A-SPADE (`aspade`) in frames of 93 and 186 ms and by social sparsity (`social`) in frames of 46, 186 and
    372 ms: their mean, made likelier twice (`estimate`).
    They may exceed full scale. The output lags by 2.2 seconds.

    Ten excerpts of 2 s of music, one channel, clipped to an SDR of 7 and 15 dB; gain in SDR, mean (least), and times
    real time on one core while other work ran:

        A-SPADE, frames of 1024, overlapping by 3/4      +7.1 (+4.4)    +7.4 (-0.3)   5.3
        the same, 2048                                   +8.2 (+4.5)    +8.7 (-0.1)   4.2
        the same, 4096                                   +8.9 (+4.5)    +9.4 (+0.6)   3.3
        the same, 8192                                   +9.1 (+4.6)    +9.5 (+1.1)   2.5
        the same, 16384                                  +9.0 (+4.4)    +9.4 (+2.2)   1.9
        4096, coefficients weighted by frequency^-1/4    +8.5 (+4.6)    +9.1 (-0.3)   3.1
        l1 norm, 4096, 100 iterations                    +1.4 (+0.4)    +2.7 (+0.4)   5.0
        the same, parabola weights                       +4.5 (+1.6)    +7.1 (+3.6)   5.1
        the same, reweighted in each iteration           +6.8 (+2.0)    +6.7 (+1.8)   4.9
        reweighted least squares alone                   +2.3 (+0.7)    +5.8 (+1.5)   12
        mean over 2048 to 16384, overlapping by half     +9.8 (+5.2)   +10.2 (+1.6)   1.5
        the same, and reweighted least squares           +9.9 (+5.0)   +10.4 (+1.6)   1.5

    The last, with faster growth and 1024 for 2048, was what was here before social sparsity (`social`) took the place
    of its shortest and longest frames. In about the same CPU time, stereo, before and after:

        33 excerpts of 2.2 s that nothing was tuned on   +10.9 (+5.7)  +10.9 (+3.8)   after: +11.2 (+4.9)  +11.3 (+4.7)
        librosa's six clips, 8 s of each                 +11.1 (+8.6)  +14.4 (+10.0)  after: +12.6 (+8.7)  +16.2 (+9.2)
        of these the solo trumpet                        +12.1         +19.9          after: +18.9         +28.0

    Of the 66 cases of the first row, 26 lose, by 0.8 dB at most.
    Least is what was loud to begin with: of a master whose peaks are all equal nothing in the sound says how high they
    were, and long peaks of its bass come back too high (naev's `ambiphonic`, 15 dB: +3.1, level found; cut off at its
    true highest value: +5.9). To shrink where the estimates disagree gives it +0.5 dB and costs others 0.1 on the mean.
    To weight the mean by sparsity or agreement, to choose the length that is best in each 93 ms (an oracle: +0.1 to
    +0.2 dB more than the step of least squares brings), to pull peaks towards typical heights, or to bound them brought
    +0.1 dB or less on the mean.

    Raises:
        ConfigError: a strength outside 0 to 1.

    >>> Declip(Spec(44100, 2)).latency / 44100 < 2.3
    True
    """

    name: ClassVar[str] = "clipping"
    counts: ClassVar[tuple[str, ...]] = ("samples", "seconds")

    def __init__(self, input: Spec, strength: float = 1.0) -> None:
        self._shortest = size_at(input.sample_rate, FRAME)
        grid = CELL * self._shortest
        super().__init__(input, grid, int(REACHES[-1] * grid), strength)

    def mend(self, window: Audio) -> tuple[Audio, list[float]]:
        inner = self.inner
        given = window[:, inner]
        clipped = np.stack([self._clipped(channel) for channel in window])
        where = clipped[:, inner]
        if not where.any():
            return given, [0.0, 0.0]
        reach = self._shortest * REACH
        near = slice(inner.start - reach, inner.stop + reach)
        rebuilt = peaks(window[:, near], clipped[:, near], slice(reach, reach + self.grid), self._shortest)
        beyond = bounds(given, where).nearest(rebuilt[:, reach : reach + self.grid])
        seconds = self.grid / self.input.sample_rate
        return np.where(where, beyond, given), [float(where.sum()), seconds]

    def _clipped(self, channel: Samples) -> Mask:
        """Which samples of a channel of a window are cut off as those of its cell are."""
        above, below = self._level(channel), self._level(-channel)
        return np.asarray((channel >= above) | (channel <= -below))

    def _level(self, half: Samples) -> float:
        """The least value that is cut off in the cell; infinite where nothing is."""
        for reach in REACHES:
            around = int(reach * self.grid)
            level = clip_level(half[self.context - around : self.context + self.grid + around])
            if level is not None:
                return level
        # What is blurred takes more samples to see, and does not change from one second to the next.
        blurred = blurred_level(half)
        return np.inf if blurred is None else blurred
