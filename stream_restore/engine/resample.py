"""Changing the sample rate: polyphase, equal to `scipy.signal.resample_poly`, and soxr.

The degradation chain uses the first, which defines the experiment. Conversion to a network's rate and back
uses the second, whose pass band is wider and whose stop band is deeper.
"""

from fractions import Fraction
from math import ceil

import numpy as np
import scipy  # loads scipy.signal, which is slow to import, when it is needed
import soxr
from numpy.typing import NDArray

from ..errors import ConfigError
from ..spec import Audio, Spec
from .grid import GridStage
from .threads import each

__all__ = ["PolyphaseResampler", "SoxrResampler"]

CELL = 4096
"""Fewest input frames of a cell of soxr, unless told otherwise."""
POLYPHASE_CELL = 8192
"""About the number of input frames of a polyphase cell; the result does not depend on it."""
SETTLED = 192
"""Frames, at the lower rate, that soxr's filters reach to either side: from 128 on the result does not change."""
LIMIT = 1 << 20
"""Largest numerator or denominator of a rate change: the filter is 20 times as long."""


class PolyphaseResampler(GridStage):
    """`scipy.signal.resample_poly` with its default window, in a stream, in float64.

    Between the rates lies the fraction up/down in lowest terms. Insert up - 1 zeros between frames, filter with a
    windowed sinc that cuts at the lower of the two Nyquist frequencies, keep every down-th frame:

        y[k] = sum over j of x[j] * h[k*down + half - j*up],   h = up * firwin(2*half + 1, 1/max(up, down))

    with half = 10*max(up, down) and a Kaiser window of beta 5 (Crochiere and Rabiner, Multirate Digital Signal
    Processing, 1983). The length is the nearest integer, where SciPy rounds up, so up and down again returns
    the original length.

    Raises:
        ConfigError: if the ratio of the rates, in lowest terms, needs too long a filter.
    """

    def __init__(self, input: Spec, sample_rate: int) -> None:
        output = Spec(sample_rate, input.channels)
        fraction = Fraction(sample_rate, input.sample_rate)
        self.up, self.down = fraction.numerator, fraction.denominator
        widest = max(self.up, self.down)
        if widest > LIMIT:
            raise ConfigError(f"{input.sample_rate} Hz to {sample_rate} Hz is {fraction}: too fine a ratio")
        half = 10 * widest
        taps = _low_pass(half, widest) * self.up
        # The answer for the frame at `k*down` appears at `k*down + half`: make `half` a multiple of `down`.
        delay = ceil(half / self.down)
        self._taps = np.concatenate([np.zeros(delay * self.down - half), taps])
        context = self.down * ceil((half // self.up + 1) / self.down)
        self._skip = delay + context // self.down * self.up
        grid = self.down * ceil(POLYPHASE_CELL / self.down)
        self._frames = grid // self.down * self.up
        super().__init__(input, output, grid, left=context, right=half // self.up + 1)

    def compute(self, window: Audio, cell: int) -> Audio:
        def channel(number: int) -> NDArray[np.float32]:
            out = scipy.signal.upfirdn(self._taps, window[number].astype(np.float64), self.up, self.down)
            return np.asarray(out[self._skip : self._skip + self._frames], np.float32)

        return np.array(each(channel, len(window)))


def _low_pass(half: int, widest: int) -> NDArray[np.float64]:
    """Windowed sinc of 2*half + 1 taps that keeps one `widest`-th of the band; all of it is a unit impulse."""
    if widest == 1:
        return np.asarray(np.eye(1, 2 * half + 1, half)[0])
    return np.asarray(scipy.signal.firwin(2 * half + 1, 1 / widest, window=("kaiser", 5.0)))


class SoxrResampler(GridStage):
    """The SoX resampler library at quality HQ (20 bits), cell by cell.

    Each cell is resampled with all the context that the filters need, so the output is `soxr.resample` of the
    whole, except for its first few frames. A cell begins where frames of both rates
    coincide. soxr's rounding of half frames is not uniform; the length is set here: the nearest integer.

    Args:
        cell: fewest input frames of a cell. Longer ones take less time, since fewer frames of context are resampled for
            each, and come later. What differs is the rounding of float32.
    """

    def __init__(self, input: Spec, sample_rate: int, cell: int = CELL) -> None:
        output = Spec(sample_rate, input.channels)
        fraction = Fraction(sample_rate, input.sample_rate)
        up, down = fraction.numerator, fraction.denominator
        context = ceil(SETTLED * max(Fraction(1), 1 / fraction))
        left = down * ceil(context / down)
        grid = down * ceil(max(cell, 4 * context) / down)
        self._skip, self._frames = left // down * up, grid // down * up
        super().__init__(input, output, grid, left=left, right=context)

    def compute(self, window: Audio, cell: int) -> Audio:
        rates = self.input.sample_rate, self.output.sample_rate
        out = soxr.resample(np.ascontiguousarray(window.T), *rates, quality="HQ")
        return np.ascontiguousarray(out[self._skip : self._skip + self._frames].T)
