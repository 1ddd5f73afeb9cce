"""Changing the sample rate: polyphase, equal to `scipy.signal.resample_poly`, and soxr.

The degradation chain uses the first, because that is what the experiment is defined by. Bringing a
recording to a network's rate and back uses the second, whose pass band is wider and whose stop band is deeper.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import firwin, upfirdn

from .errors import ConfigError
from .grid import GridStage
from .spec import Audio, Spec, empty
from .stage import Stage

__all__ = ["PolyphaseResampler", "SoxrResampler"]

CELL = 4096
"""About the number of input frames of one polyphase cell."""
LIMIT = 1 << 20
"""Largest numerator or denominator of a rate change: the filter is 20 times as long."""


class PolyphaseResampler(GridStage):
    """`scipy.signal.resample_poly` with its default window, in a stream, in float64.

    Between the rates lies the fraction up/down in lowest terms. Insert up - 1 zeros between frames, filter with a
    windowed sinc that cuts at the lower of the two Nyquist frequencies, keep every down-th frame:

        y[k] = sum over j of x[j] * h[k*down + half - j*up],   h = up * firwin(2*half + 1, 1/max(up, down))

    with half = 10*max(up, down) and a Kaiser window of beta 5 (Crochiere and Rabiner, Multirate Digital Signal
    Processing, 1983). The length is the nearest integer, where SciPy rounds up: so up and down again returns
    the length one began with.

    Raises:
        ConfigError: rates whose fraction in lowest terms is too long for a filter.
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
        grid = self.down * ceil(CELL / self.down)
        self._frames = grid // self.down * self.up
        super().__init__(input, output, grid, left=context, right=half // self.up + 1)

    def compute(self, window: Audio, cell: int) -> Audio:
        out = upfirdn(self._taps, window.astype(np.float64), self.up, self.down)
        return out[:, self._skip : self._skip + self._frames].astype(np.float32)


def _low_pass(half: int, widest: int) -> NDArray[np.float64]:
    """Windowed sinc of 2*half + 1 taps that keeps one `widest`-th of the band; all of it is a unit impulse."""
    if widest == 1:
        return np.asarray(np.eye(1, 2 * half + 1, half)[0])
    return np.asarray(firwin(2 * half + 1, 1 / widest, window=("kaiser", 5.0)))


@dataclass
class _SoxrState:
    stream: soxr.ResampleStream
    given: int = 0
    returned: int = 0
    nbytes: int = field(default=0)
    """The resampler's own buffers, which it does not tell: a bound."""


class SoxrResampler(Stage[_SoxrState]):
    """The SoX resampler library, quality HQ (20 bits), as `soxr.resample` gives it; bit-identical under any cuts.

    Its own rounding of half frames is not uniform, so the length is set here: the nearest integer.
    """

    def __init__(self, input: Spec, sample_rate: int) -> None:
        output = Spec(sample_rate, input.channels)
        # Half the filter, and a block of each internal stage: measured, and checked by the tests for many rates.
        slower = min(input.sample_rate, sample_rate)
        self._held = ceil(4096 * max(1, input.sample_rate / slower))
        super().__init__(input, output, latency=self._held)

    def initial_state(self) -> _SoxrState:
        rates = self.input.sample_rate, self.output.sample_rate
        stream = soxr.ResampleStream(*rates, self.input.channels, dtype="float32", quality="HQ")
        return _SoxrState(stream, nbytes=4 * self.input.channels * self._held)

    def advance(self, state: _SoxrState, block: Audio) -> Audio:
        state.given += block.shape[1]
        return self._resample(state, block, last=False)

    def drain(self, state: _SoxrState) -> Audio:
        # What follows the recording is silence; with a little of it there are always enough frames to cut from.
        silence = np.zeros((self.input.channels, 2 * ceil(1 / self.ratio)), np.float32)
        if not state.given:
            return empty(self.output.channels)
        return self._resample(state, silence, last=True)

    def _resample(self, state: _SoxrState, block: Audio, last: bool) -> Audio:
        if not block.shape[1]:
            return empty(self.output.channels)
        out = state.stream.resample_chunk(np.ascontiguousarray(block.T), last=last).T
        out = out[:, : self.output_frames(state.given) - state.returned]
        state.returned += out.shape[1]
        return np.ascontiguousarray(out)
