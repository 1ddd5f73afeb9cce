"""Treble that a steep low-pass took, made anew."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ....engine.stage import Start
from ....engine.window import Window
from ....spec import Audio, Spec, empty
from ..repair import Repair
from .cutoff import BLOCK_COLUMNS, STRETCH, CutoffFinder
from .fine import MARGIN, OVERLAP, Spectra, make_noise, overlap_add, power_around, replicated, spectra
from .levels import (
    COLUMNS,
    STEP_DB,
    BandLayout,
    Levels,
    StraightLine,
    column_size,
    features,
    highest,
    known_bands,
    reference_db,
)

__all__ = ["Treble", "TrebleState"]

WANTED = BLOCK_COLUMNS * OVERLAP
"""Columns of a block."""
CONTEXT = (COLUMNS - WANTED) // 2
"""Columns on both sides of them that levels are continued with."""
LOUDEST_DB = 12.0
"""What is added is no louder than this above the highest bands that are known."""


@dataclass
class TrebleState:
    """What is kept of a recording.

    Attributes:
        past: input from the next block's surroundings on.
        blocks: spectra of blocks, one in a column.
        cutoffs: of each stretch, 0 where there is none, in a column of its first block.
        tail: what was added and reaches into the next block, shape (channels, frames).
        block: number of the next one.
        found: blocks that were filled.
        hertz: sum of their cut-offs.
        added: sum of the squares of what was added.
    """

    past: Window
    blocks: Window
    cutoffs: Window
    tail: NDArray[np.float32]
    block: int = 0
    found: int = 0
    hertz: float = 0.0
    added: float = 0.0


class Treble(Repair[TrebleState]):
    """Adds what a recording lacks above a steep cut-off between 3 and 16 kHz, up to half its sample rate.

    Where it is cut off is found in the 7.4 s around each block of 0.74 (`cutoff`); where nothing is found, the
    recording comes back bit for bit. What is added has the fine structure of what lies below (`fine`), at levels that
    continue those below (`levels`), and nothing below the cut-off. Channels are filled each by itself, with the same
    cut-off, copies and noise, so they remain as alike as they were. The output lags by 7.5 seconds.

    Args:
        levels: what continues levels upwards.

    Raises:
        ConfigError: a strength outside 0 to 1.

    >>> Treble(Spec(44100, 2)).latency / 44100 < 7.5
    True
    """

    name: ClassVar[str] = "treble"

    def __init__(self, input: Spec, strength: float = 1.0, levels: Levels | None = None) -> None:
        self._levels = levels or StraightLine()
        self._finder = CutoffFinder(input.sample_rate)
        self._size = column_size(input.sample_rate)
        self._hop, self._block = self._size // OVERLAP, self._finder.block
        self._bands = BandLayout(input.sample_rate, self._size)
        self._window = np.hanning(self._size + 1)[:-1].astype(np.float32)
        self._noise = make_noise()
        super().__init__(input, (STRETCH - 1) * self._block + self._finder.needed - 1, strength)

    def initial_state(self) -> TrebleState:
        channels = self.input.channels
        tail = np.zeros((channels, self._size - self._hop), np.float32)
        return TrebleState(Window(channels), Window(2 * self._finder.bins), Window(1), tail)

    @property
    def lookback(self) -> int:
        return 2 * self._block - 1 + max((STRETCH - 1) * self._block, CONTEXT * self._hop)

    def start_at(self, frame: int) -> Start[TrebleState]:
        # The block before is output, too, wrongly: what is added to it reaches into the first that is right.
        block = max(0, frame // self._block - 1)
        seen = max(0, block - STRETCH + 1)
        first = max(0, min(seen * self._block, block * self._block - CONTEXT * self._hop))
        state = replace(
            self.initial_state(),
            past=Window(self.input.channels, start=first),
            blocks=Window(2 * self._finder.bins, start=seen),
            cutoffs=Window(1, start=seen),
            block=block,
        )
        return Start(state, first, block * self._block)

    def advance(self, state: TrebleState, block: Audio) -> Audio:
        state.past.append(block)
        while state.blocks.stop * self._block + self._finder.needed <= state.past.stop:
            self._analyse(state)
        return self._blocks(state, state.blocks.stop - STRETCH + 1)

    def drain(self, state: TrebleState) -> Audio:
        frames, done = state.past.stop, state.block * self._block
        blocks = -(-frames // self._block)
        while state.blocks.stop < blocks:
            self._analyse(state)
        if 0 < blocks < STRETCH:
            self._look(state, 0, blocks)
        return self._blocks(state, blocks)[:, : frames - done]

    def summary(self, state: TrebleState) -> Mapping[str, float]:
        seconds = state.found * self._block / self.input.sample_rate
        power = state.added / max(1, state.found * self._block * self.input.channels)
        return {
            "seconds": seconds,
            "cutoff_hz": state.hertz / max(1, state.found),
            "level_db": float(10 * np.log10(power)) if power else -np.inf,
        }

    def _analyse(self, state: TrebleState) -> None:
        """Take the next block into the spectra, and look at the stretch that ends with it."""
        start = state.blocks.stop * self._block
        frames = state.past.read(start, min(start + self._finder.needed, state.past.stop))
        state.blocks.append(self._finder.spectra(frames)[:, None])
        if state.blocks.stop - STRETCH >= state.cutoffs.stop:
            self._look(state, state.blocks.stop - STRETCH, state.blocks.stop)

    def _look(self, state: TrebleState, first: int, stop: int) -> None:
        found = self._finder.find(state.blocks.read(first, stop))
        state.cutoffs.append(np.full((1, 1), found.hertz if found is not None and found.is_damage else 0))
        state.blocks.forget(first + 1)

    def _blocks(self, state: TrebleState, stop: int) -> Audio:
        out = [self._next(state) for _ in range(state.block, stop)]
        return np.concatenate(out, axis=1) if out else empty(self.input.channels)

    def _next(self, state: TrebleState) -> Audio:
        """The next block, with its treble."""
        begin, reach = state.block * self._block, self._size - self._hop
        frames = state.past.read(begin, begin + self._block)
        added = np.pad(state.tail, ((0, 0), (0, self._block - reach)))
        cutoff = self._cutoff(state)
        state.tail = np.zeros_like(state.tail)
        if cutoff is not None:
            new = self._treble(state, cutoff)
            added += new[:, : self._block]
            state.tail = new[:, self._block :]
            state.found += 1
            state.hertz += cutoff
        if added.any():
            state.added += float(np.square(added, dtype=np.float64).sum())
            frames = np.asarray(frames + np.float32(self.strength) * added, np.float32)
        state.block += 1
        state.past.forget(begin + self._block - CONTEXT * self._hop)
        state.cutoffs.forget(state.block - STRETCH + 1)
        return frames

    def _cutoff(self, state: TrebleState) -> float | None:
        """The lowest cut-off of all stretches that the next block lies in; above it there is nothing in the block."""
        first = max(0, state.block - STRETCH + 1)
        hertz = state.cutoffs.read(first, min(state.block + 1, state.cutoffs.stop))[0]
        return float(hertz[hertz > 0].min()) if hertz.any() else None

    def _treble(self, state: TrebleState, cutoff_hz: float) -> Audio:
        """What is added to the next block and reaches beyond it, shape (channels, block + size - hop)."""
        begin, side = state.block * self._block, OVERLAP - 1
        start = begin - CONTEXT * self._hop
        heard = spectra(
            state.past.read(start, start + (COLUMNS - 1) * self._hop + self._size), self._size, self._window
        )
        cutoff = round(cutoff_hz * self._size / self.input.sample_rate)
        around = heard[:, CONTEXT - side : CONTEXT + WANTED + side]
        first = begin - side * self._hop
        fine = replicated(around, cutoff, first, self._noise, self._window)
        gains = np.stack([self._gains(channel, cutoff_hz) for channel in heard])
        gains[..., : cutoff + MARGIN] = 0
        return overlap_add(np.asarray(fine * gains, np.complex64), self._window)

    def _gains(self, heard: Spectra, cutoff_hz: float) -> NDArray[Any]:
        """Root mean square of what is to be added to each bin of the columns that are wanted, shape (WANTED, bins)."""
        power = heard.real**2 + heard.imag**2
        levels = self._bands.levels(power).T
        seen = features(levels, self._bands.tonality(power).T, cutoff_hz)
        loudest = reference_db(levels, known_bands(cutoff_hz))
        continued = np.minimum(self._levels(seen), highest(seen) + LOUDEST_DB / STEP_DB) * STEP_DB + loudest
        wanted = slice(CONTEXT, CONTEXT + WANTED)
        target = 10 ** (self._bands.per_bin(continued.T[wanted]) / 10)
        return np.sqrt(np.maximum(target - power_around(heard[wanted]), 0))
