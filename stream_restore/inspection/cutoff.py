"""Where a recording is cut off, by what the repair `treble` goes by."""

from dataclasses import dataclass

import numpy as np

from ..engine.window import Window
from ..restoration.repairs.treble.cutoff import STRETCH, CutoffFinder
from ..spec import Audio, Spec

__all__ = ["CutoffMeter", "LongCutoff"]

LEAST_SHARE = 0.1
"""Of a recording, so much must be cut off."""
LOWEST_HZ, STEPS, COUNTS = 2500.0, 48, 192
"""Frequencies are counted in steps of an octave."""


@dataclass(frozen=True)
class LongCutoff:
    """A frequency above which there is nothing.

    Attributes:
        hertz: the median where it is damage, else where there is one at all.
        drop_db: by how much the level falls there more than it would anyway, mean.
        share: of the recording that is cut off so.
        is_damage: whether the repair acts there.
    """

    hertz: float
    drop_db: float
    share: float
    is_damage: bool


class CutoffMeter:
    """Accumulates cut-offs of stretches block by block."""

    def __init__(self, spec: Spec) -> None:
        self._finder = CutoffFinder(spec.sample_rate)
        self._held, self._blocks = Window(spec.channels), Window(2 * self._finder.bins)
        self._stretches = 0
        self._counts, self._drops = np.zeros((2, COUNTS), np.int64), np.zeros(2)  # of codecs, of damage

    def update(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames)."""
        self._held.append(block)
        while self._blocks.stop * self._finder.block + self._finder.needed <= self._held.stop:
            self._analyse()
            if self._blocks.stop >= STRETCH:
                self._look(self._blocks.stop - STRETCH)

    def result(self) -> LongCutoff | None:
        """The cut-off found; None if there is none. Ends the stream."""
        if self._blocks.stop < STRETCH and self._held.stop > self._held.start:
            self._analyse()
            self._look(0)
        for damage in (True, False):
            counts = self._counts[int(damage)]
            total = int(counts.sum())
            if total > LEAST_SHARE * self._stretches:
                median = LOWEST_HZ * 2 ** (int(np.searchsorted(np.cumsum(counts), total / 2)) / STEPS)
                return LongCutoff(median, float(self._drops[int(damage)] / total), total / self._stretches, damage)
        return None

    def _analyse(self) -> None:
        start = self._blocks.stop * self._finder.block
        frames = self._held.read(start, min(start + self._finder.needed, self._held.stop))
        self._blocks.append(self._finder.spectra(frames)[:, None])
        self._held.forget(start + self._finder.block)

    def _look(self, first: int) -> None:
        found = self._finder.find(self._blocks.read(first, self._blocks.stop))
        self._blocks.forget(first + 1)
        self._stretches += 1
        if found is not None:
            place = min(COUNTS - 1, max(0, round(float(np.log2(found.hertz / LOWEST_HZ)) * STEPS)))
            self._counts[int(found.is_damage), place] += 1
            self._drops[int(found.is_damage)] += found.drop_db
