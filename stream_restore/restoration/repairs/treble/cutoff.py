"""Where sound is cut off: a steep fall of its spectrum, above which nothing ever comes.

A recording that went through a low-pass has a full spectrum up to a frequency and next to nothing above, at all times.
Music that is dark by nature falls slowly, or now and then reaches higher; the last overtone of a held tone has gaps
below it. So for a stretch of 7.4 s two spectra are asked, the mean and the largest that any moment had, and in both the
level must fall by more than `STEEP_DB`, and more than the spectrum falls anyway, from all but the weakest fifth of the
bins below to all but the loudest tenth of those above, and of all that come higher up: resamplers leave weak images of
the bass there. What lies below must be full: tones with gaps between them, as a held note has them, are no sign of a
filter.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ....spec import Audio
from .levels import column_size

__all__ = ["BLOCK_COLUMNS", "DAMAGED_HZ", "STRETCH", "Cutoff", "CutoffFinder"]

BLOCK_COLUMNS = 16
"""A block is as long as so many columns side by side: 0.74 s."""
STRETCH = 10
"""Blocks that are looked at together."""
LEAST_BLOCKS, AUDIBLE = 4, 1e-6
"""Less cannot be judged, and what is this much weaker than the loudest does not count."""
DAMAGED_HZ = (3000.0, 15500.0)
"""A cut-off between these is damage; above, it is how codecs save: many at 16 kHz, which is measured within 3 %."""
HIGHEST_HZ = 21000.0
STEEP_DB = 20.0
LOWEST = 0.5
"""The lowest frequency is judged at which the level falls by this part of the most it falls anywhere."""
FLAT, BELOW, ABOVE = (0.45, 0.6), (0.75, 0.95), (1.2, 1.6)
"""Where levels are taken, in parts of the frequency that is judged."""
WEAK, LOUD = 20.0, 90.0
"""Percentiles: the weakest below must lie above the loudest above."""
STEPS = 24
"""Frequencies that are judged, in an octave."""
GAP_DB, SPREAD_DB = 26.0, 30.0
"""Within half a kilohertz, and over all that lies below, the mean spectrum is not more uneven than this."""
GAP_BINS = 25
HEARD_DB = 90.0
"""What lies further below the loudest bin is the skirt of a tone, or nothing that is heard."""
SMOOTH = 9
EDGE_DB = 6.0
"""A cut-off lies where the level has fallen by so much below what it would be without."""
SEARCH = (0.8, 1.4)
"""Where it lies, in parts of the frequency that was judged best."""
SILENCE = 1e-10

Decibels = NDArray[np.float64]
Place = tuple[float, float]


@dataclass(frozen=True)
class Cutoff:
    """A frequency above which there is nothing.

    Attributes:
        hertz: where the fall begins: the level is `EDGE_DB` below what it would be without.
        middle_hertz: where it is half-way.
        drop_db: by how much the level falls for sure, more than it would anyway.
    """

    hertz: float
    middle_hertz: float
    drop_db: float

    @property
    def is_damage(self) -> bool:
        """Whether it is none of a codec."""
        return self.hertz >= DAMAGED_HZ[0] and self.middle_hertz <= DAMAGED_HZ[1]


class CutoffFinder:
    """Finds cut-offs in recordings of one sample rate.

    Attributes:
        block: frames of a block.
        needed: frames that a block's spectra need, from its beginning on.
        bins: of each spectrum.
    """

    def __init__(self, sample_rate: int) -> None:
        size = column_size(sample_rate)
        self.block, self.needed, self.bins = BLOCK_COLUMNS * size, BLOCK_COLUMNS * size + size // 2, size // 2
        self._size, self._window = size, np.hanning(size + 1)[:-1].astype(np.float32)
        self._bin_hz, self._half_rate = sample_rate / size, sample_rate / 2
        top = min(HIGHEST_HZ, self._half_rate / (ABOVE[0] + 0.05))
        octaves = np.log2(max(top, 1.0) / (DAMAGED_HZ[0] * 0.9))
        self._hertz = DAMAGED_HZ[0] * 0.9 * 2 ** (np.arange(max(0, int(octaves * STEPS))) / STEPS)
        bins = np.round(np.multiply.outer((FLAT, BELOW, ABOVE), self._hertz) / self._bin_hz).astype(int)
        self._bins = np.minimum(bins, self.bins)  # (places, low and high, frequencies)

    def spectra(self, frames: Audio) -> NDArray[np.float32]:
        """Mean and largest power of each bin in a block, all channels together, shape (2*bins,).

        Args:
            frames: shape (channels, at most `needed`); only whole columns are heard, and nothing is found in none.
        """
        if frames.shape[1] < self._size:
            return np.zeros(2 * self.bins, np.float32)
        columns = np.lib.stride_tricks.sliding_window_view(frames, self._size, axis=-1)[:, :: self._size // 2]
        spectrum = scipy.fft.rfft(columns * self._window, axis=-1)[..., :-1]
        power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
        return np.concatenate([power.mean(axis=0), power.max(axis=0)]).astype(np.float32)

    def find(self, blocks: NDArray[np.float32]) -> Cutoff | None:
        """The cut-off of a stretch; None if there is none, or that is not sure.

        Args:
            blocks: `spectra` of each block, shape (2*bins, blocks).
        """
        blocks = np.ascontiguousarray(blocks.T)  # of long rows NumPy takes means and maxima ten times as fast
        means, largest = blocks[:, : self.bins], blocks[:, self.bins :]
        mean, most, loudest = means.mean(axis=0, dtype=np.float64), largest.max(axis=0), largest.max(axis=1)
        if np.count_nonzero(loudest > max(SILENCE, AUDIBLE * loudest.max())) < LEAST_BLOCKS or not len(self._hertz):
            return None
        levels = [10 * np.log10(np.maximum(power, SILENCE * 1e-3)) for power in (mean, most)]
        likely = np.min([self._mean_drops(each) for each in levels], axis=0) >= STEEP_DB
        drops = {hertz: self._drop(levels, hertz) for hertz in self._hertz[likely].tolist()}
        sure = [hertz for hertz, drop in drops.items() if drop >= STEEP_DB and self._is_full(levels[0], hertz)]
        if not sure:
            return None
        # Not the steepest: higher up, what is weakened already would be the measure.
        enough = LOWEST * max(drops[hertz] for hertz in sure)
        hertz = min(hertz for hertz in sure if drops[hertz] >= enough)
        begin, middle = (self._edge(levels[0], hertz, fall) for fall in (EDGE_DB, max(EDGE_DB, drops[hertz] / 2)))
        return Cutoff(begin, middle, drops[hertz])

    def _mean_drops(self, level: Decibels) -> Decibels:
        """By how much the mean level falls at each frequency, less what it falls before."""
        total = np.concatenate([[0.0], np.cumsum(level)])
        flat, below, above = ((total[high] - total[low]) / np.maximum(1, high - low) for low, high in self._bins)
        return np.asarray(below - above - np.maximum(0, flat - below))

    def _drop(self, levels: list[Decibels], hertz: float) -> float:
        """By how much all spectra fall at a frequency for sure, or one of them if that is too little."""
        mean, most = levels
        drop = self._fall(mean, hertz)
        return drop if drop < STEEP_DB else min(drop, self._fall(most, hertz))

    def _fall(self, level: Decibels, hertz: float) -> float:
        flat, below, above = (self._part(level, hertz, place) for place in (FLAT, BELOW, ABOVE))
        weak = _percentile(below, WEAK)
        if weak <= level.max() - HEARD_DB:
            return 0.0
        tilt = max(0.0, float(_median(flat) - _median(below)))
        rest = _percentile(level[self._bin(ABOVE[0] * hertz) :], LOUD)
        return float(weak - max(_percentile(above, LOUD) + tilt, rest))

    def _is_full(self, mean: Decibels, hertz: float) -> bool:
        """Whether the spectrum has no gaps below a frequency."""
        from scipy.ndimage import percentile_filter

        below = self._part(mean, hertz, BELOW)
        low, high = (percentile_filter(below, part, GAP_BINS, mode="nearest") for part in (100 - LOUD, LOUD))
        return bool(np.median(high - low) <= GAP_DB and np.ptp(np.percentile(below, [WEAK, LOUD])) <= SPREAD_DB)

    def _edge(self, mean: Decibels, hertz: float, fall_db: float) -> float:
        """The highest frequency that is not yet weakened by so much."""
        flat, below = (float(_median(self._part(mean, hertz, place))) for place in (FLAT, BELOW))
        slope = min(0.0, (below - flat) / np.log2(sum(BELOW) / sum(FLAT)))
        first, last = (self._bin(part * hertz) for part in SEARCH)
        smooth = np.convolve(mean, np.full(SMOOTH, 1 / SMOOTH), "same")[first:last]
        octaves = np.log2((first + np.arange(len(smooth))) * self._bin_hz / (hertz * sum(BELOW) / 2))
        heard = np.flatnonzero(smooth > below + slope * octaves - fall_db)
        return float((first + (heard[-1] if len(heard) else 0)) * self._bin_hz)

    def _part(self, level: Decibels, hertz: float, place: Place) -> Decibels:
        low, high = (self._bin(part * hertz) for part in place)
        return level[low : max(high, low + 1)]

    def _bin(self, hertz: float) -> int:
        return min(round(hertz / self._bin_hz), self.bins - 1)


def _percentile(values: Decibels, part: float) -> Any:
    """What `np.percentile` gives, in a tenth of the time for a few hundred values, as their type.

    >>> values = np.array([3.0, 1.0, 2.0, 5.0])
    >>> bool(_percentile(values, 20.0) == np.percentile(values, 20.0))
    True
    """
    ordered = np.sort(values)
    before, share = divmod((len(ordered) - 1) * (part / 100), 1)
    low, high = ordered[int(before)], ordered[min(int(before) + 1, len(ordered) - 1)]
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share


def _median(values: Decibels) -> Any:
    ordered = np.sort(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
