"""The spectrum of noise, measured where there is nothing else."""

from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..engine.loop import BLOCK, Readable
from ..engine.resample import SoxrResampler
from ..errors import ConfigError
from ..spec import Audio
from .mid_side import count_signals, signals
from .noise_floor import BANDS, HOP, LEAST, SIZE, Floor, band_powers, spectra

__all__ = ["NoiseProfile", "Passage", "Rereadable", "check_passage", "measure_noise"]

Passage = tuple[float, float]
"""From so many seconds of a recording to so many."""

FLOOR_BELOW_MEAN_DB = 2.0
"""Of 0, 2 and 5 dB (where `find_floor` has it under noise alone) what gained most on music that leaves no gaps."""
QUIETEST_MOMENTS = (0.8, 0.9)
"""Of the mean power: what the quietest moments of a minute hold at most, if noise is all that is in them."""
LINES = 21
"""Bands whose median is taken, so that hum and whistles are not part of the noise."""
SHORTEST_SECONDS = 0.25
SAMPLE_RATE = 44100
"""Of `compact`, in Hz."""


class Rereadable(Readable, Protocol):
    """A recording that can be read again."""

    @property
    def name(self) -> str: ...

    def rewind(self) -> None:
        """Start again at the first frame."""
        ...


@dataclass(frozen=True)
class NoiseProfile:
    """Mean power of noise in each band of `noise_floor`, for each of `mid_side.signals`; one channel is for all."""

    channels: int
    power: tuple[tuple[float, ...], ...]

    def floor(self, signal: int, around: Floor | None) -> Floor | None:
        """The floor of a signal: of this noise, under the sound of the minute `around`; None where that is silent."""
        if around is None:
            return None
        power = np.asarray(self.power[signal if self.channels > 1 else 0], np.float32)
        quantiles = around.quantiles.copy()
        for row, share in enumerate(QUIETEST_MOMENTS):
            quantiles[row] = np.minimum(quantiles[row], np.float32(share) * power)
        return Floor(power * np.float32(10 ** (-FLOOR_BELOW_MEAN_DB / 10)), around.mean, quantiles, 1.0)

    def refuse_other(self, channels: int) -> None:
        """Refuse recordings of another number of channels.

        Raises:
            ConfigError: if there are neither as many channels nor one.
        """
        if self.channels not in (1, channels):
            raise ConfigError(f"the noise profile has {self.channels} channels, the recording {channels}")


def check_passage(passage: Passage) -> None:
    """Refuse what is no passage.

    Raises:
        ConfigError: if it does not begin at 0 or later, or lasts less than a quarter of a second.
    """
    start, end = passage
    if not (isfinite(start) and isfinite(end) and start >= 0 and end - start >= SHORTEST_SECONDS):
        raise ConfigError(
            f"a noise profile is START:END in seconds, {SHORTEST_SECONDS:g} s or longer; got {start:g}:{end:g}"
        )


def measure_noise(
    source: Readable, passage: Passage | None = None, *, sample_rate: int = SAMPLE_RATE, name: str = "the recording"
) -> NoiseProfile:
    """The noise in a passage of a recording, or in all of it.

    Args:
        source: at its start; read up to the end of the passage.
        passage: where there is nothing but noise; None: everywhere.
        sample_rate: of the network that will use it.
        name: for messages.

    Raises:
        ConfigError: if the passage lies beyond the end of the recording, or is too short, or silent.
        SourceError: if the recording cannot be read.
    """
    if passage:
        check_passage(passage)
    spec = source.spec
    first, last = (round(second * spec.sample_rate) for second in passage) if passage else (0, None)
    resampler = SoxrResampler(spec, sample_rate) if spec.sample_rate != sample_rate else None
    total, columns, done = np.zeros((count_signals(spec.channels), BANDS)), 0, 0
    held: Audio = np.zeros((spec.channels, 0), np.float32)
    while (last is None or done < last) and (block := source.read(BLOCK)).shape[1]:
        part = block[:, max(0, first - done) : None if last is None else max(0, last - done)]
        done += block.shape[1]
        held = np.concatenate([held, resampler.process(part) if resampler else part], axis=1)
        held, added, count = _summed(held)
        total, columns = total + added, columns + count
    if last is not None and done < last:
        raise ConfigError(f"{name}: ends after {spec.seconds(done):.2f} s, before the noise profile does")
    if resampler:
        _, added, count = _summed(np.concatenate([held, resampler.flush()], axis=1))
        total, columns = total + added, columns + count
    if not columns or not total.any():
        raise ConfigError(f"{name}: the noise profile is silent, or shorter than {SHORTEST_SECONDS:g} s")
    return NoiseProfile(spec.channels, tuple(tuple(map(float, _smooth(power / columns))) for power in total))


def _summed(held: Audio) -> tuple[Audio, NDArray[np.float64], int]:
    """What is left of the sound, and of each of its signals sum and number of the columns that are whole."""
    count = (held.shape[1] - SIZE) // HOP + 1
    if count <= 0:
        return held, np.zeros((count_signals(len(held)), BANDS)), 0
    powers = band_powers(spectra(signals(held)))
    return held[:, count * HOP :], powers.sum(axis=1, dtype=np.float64), count


def _smooth(power: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.ndimage import median_filter

    return np.asarray(np.maximum(median_filter(power, LINES, mode="nearest"), LEAST))
