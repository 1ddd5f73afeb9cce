"""Mains hum, as `Dehum` finds it, in what lies below 2 kHz."""

from dataclasses import dataclass

from ..engine.resample import SoxrResampler
from ..restoration.repairs.hum.dehum import Dehum, DehumState
from ..restoration.repairs.hum.estimate import HumEstimate
from ..spec import Audio, Spec

__all__ = ["Hum", "HumMeter"]

RATE = 4000
"""In Hz: enough harmonics to be sure, and ten times faster than the whole band."""
CELL = 1 << 17
"""Frames that are resampled at once: what comes late matters to nobody here."""

EVERY = 8
"""Hops of two seconds from one estimate to the next: each is of 52 seconds."""
FADED_DB = 1.76
"""By how much an estimate that is faded in and out is lower than the hum: 10*log10(3/2)."""


class _NowAndThen(Dehum):
    """Looks at every eighth hop only, and once at a recording that ends before the first of them."""

    def estimate(self, state: DehumState, hop: int) -> HumEstimate | None:
        # Where more is to come, much more than eight hops are there already.
        last = -(-state.audio.stop // self._hop) - 1
        return super().estimate(state, hop) if hop % EVERY == min(EVERY // 2, last - 1) else None


@dataclass(frozen=True)
class Hum:
    """Hum that was found.

    Attributes:
        hz: frequency of the mains, mean.
        level_dbfs: of all harmonics together, while it lasts, mean of the channels.
        seconds: how much of the recording has hum.
        overtones: harmonics that stand out, mean.
    """

    hz: float
    level_dbfs: float
    seconds: float
    overtones: float


class HumMeter:
    """Accumulates a recording block by block; memory is that of `Dehum`."""

    def __init__(self, spec: Spec) -> None:
        self._rate, self._frames = spec.sample_rate, 0
        mono, slow = Spec(spec.sample_rate, 1), Spec(min(RATE, spec.sample_rate), 1)
        self._dehum = _NowAndThen(slow)
        self._resampler = SoxrResampler(mono, slow.sample_rate, CELL) if slow != mono else None

    def update(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames)."""
        self._frames += block.shape[1]
        mean = block.mean(axis=0, keepdims=True)
        self._dehum.process(self._resampler.process(mean) if self._resampler else mean)

    def result(self) -> Hum | None:
        """What was found in all input; ends the stream."""
        if self._resampler:
            self._dehum.process(self._resampler.flush())
        self._dehum.flush()
        found = self._dehum.report()
        if not found["seconds"]:
            return None
        level = found["level_db"] + FADED_DB
        seconds = min(EVERY * found["seconds"], self._frames / self._rate)
        return Hum(found["frequency_hz"], level, seconds, found["overtones"])
