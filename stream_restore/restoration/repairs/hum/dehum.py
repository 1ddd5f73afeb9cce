"""Mains hum taken away: what stands still under music for tens of seconds, at the multiples of one frequency."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ....engine.stage import Start
from ....engine.threads import each
from ....engine.window import Window
from ....spec import Audio, Spec, empty
from ..repair import Repair
from .estimate import HOPS, LEFT, RIGHT, Around, HumEstimate, HumFinder
from .level import GROUP
from .lines import HOP, MAINS_HZ, LineBank, Real
from .track import BLOCK, DEVIATIONS_HZ, SLOPES, block_scores

__all__ = ["Dehum", "DehumState"]

TOGETHER = 4
"""Hops that are looked at side by side."""


@dataclass
class DehumState:
    """Input that is not output yet, what is known of the lines, and what was found.

    Attributes:
        audio: frames from the next hop on.
        lines: amplitudes, channels and rows in one axis.
        scores: of the search for the frequency, for each mains frequency, deviation and slope.
        tail: the hum of the next hop by the estimate before, shape (channels, hop).
        hop: number of the next one.
        found: hops in which hum was found.
        removed: sum over frames of the squares of what was taken.
        overtones: sum over those hops of the harmonics that are sure.
        frequency: sum over those hops of the mains frequency in Hz.
    """

    audio: Window
    lines: Window
    scores: Window
    tail: NDArray[np.float64]
    hop: int = 0
    found: int = 0
    removed: float = 0.0
    overtones: float = 0.0
    frequency: float = 0.0


class Dehum(Repair[DehumState]):
    """Subtracts hum of 50 or 60 Hz, +-0.2 Hz and drifting, with its overtones up to 4 kHz.

    For every two seconds it looks at the 52 seconds around: the lines of all overtones (`lines`), the course of
    their common frequency, steady (`comb`) or not (`track`), whether they stand out farther than whatever lies beside
    them (`comb`), and their levels (`level`). Where it is not sure that there is hum, the output is the input, bit for
    bit. The output lags by 28 seconds. A shorter recording of four seconds or more is looked at as a whole: twenty
    excerpts of 5 s with hum at an SDR of 15 dB gain 16.7 dB on the mean, twenty of 12 s 21.5, found in all of them.

    64 minutes of music that nothing was settled with, hum at an SDR of 25 dB: found in 63, +15.3 dB on the mean, none
    loses; before, by lines that are steady alone, in 22, +3.8. Without hum all come back bit for bit, and of 240
    excerpts of 5 and 12 s all but one, which has hum of its own, at -58 dBFS.

    Raises:
        ConfigError: a strength outside 0 to 1.

    >>> Dehum(Spec(44100, 2)).latency / 44100 < 28
    True
    """

    name: ClassVar[str] = "hum"

    def __init__(self, input: Spec, strength: float = 1.0) -> None:
        self._bank = LineBank(input)
        self._hop, self._finder = self._bank.hop, HumFinder(self._bank)
        super().__init__(input, (2 + RIGHT) * self._hop - 1, strength)

    def initial_state(self) -> DehumState:
        channels = self.input.channels
        return DehumState(
            Window(channels),
            Window(channels * self._bank.rows, np.complex64),
            Window(len(MAINS_HZ) * len(DEVIATIONS_HZ) * len(SLOPES)),
            np.zeros((channels, self._hop)),
        )

    @property
    def lookback(self) -> int:
        return (LEFT + 2) * self._hop - 1 + self._bank.cell

    def start_at(self, frame: int) -> Start[DehumState]:
        # The hop before is output, too, wrongly: its estimate fades into the first that is right.
        hop = max(0, frame // self._hop - 1)
        seen = max(0, hop - LEFT)
        first = max(0, seen * self._hop - self._bank.cell)
        state = replace(self.initial_state(), hop=hop)
        state.audio = Window(self.input.channels, start=first)
        state.lines.restart(seen * HOP, state.lines.read(0, 0))
        state.scores.restart(seen, state.scores.read(0, 0))
        return Start(state, first, hop * self._hop)

    def advance(self, state: DehumState, block: Audio) -> Audio:
        state.audio.append(block)
        complete = state.audio.stop // self._hop
        self._analyse(state, complete)
        return self._hops(state, complete - 1 - RIGHT)

    def drain(self, state: DehumState) -> Audio:
        frames, given = state.audio.stop, state.hop * self._hop
        hops = -(-frames // self._hop)
        self._analyse(state, hops)
        return self._hops(state, hops)[:, : frames - given]

    def summary(self, state: DehumState) -> Mapping[str, float]:
        found = max(1, state.found)
        power = state.removed / (found * self._hop * self.input.channels)
        return {
            "seconds": state.found * self._hop / self.input.sample_rate,
            "frequency_hz": state.frequency / found,
            "overtones": state.overtones / found,
            "level_db": float(10 * np.log10(power)) if power else -np.inf,
        }

    def _analyse(self, state: DehumState, hops: int) -> None:
        """Find the lines of the hops up to, not including, number `hops`."""
        for hop in range(state.lines.stop // HOP, hops):
            cell = hop * HOP
            frames = state.audio.read((cell - 1) * self._bank.cell, (cell + HOP) * self._bank.cell)
            state.lines.append(self._bank.amplitudes(frames, cell).reshape(-1, HOP))
            if hop > state.scores.stop and (hop + 1) * self._hop <= state.audio.stop:
                state.scores.append(self._scores(state, cell - HOP))

    def _scores(self, state: DehumState, first: int) -> NDArray[Any]:
        """Scores of the block that begins at cell `first`, as one column."""
        lines = self._lines(state, first, first + BLOCK)

        def scores(index: int) -> NDArray[np.float32]:
            return block_scores(self._bank.of_mains(lines, index))

        return np.stack(each(scores, len(MAINS_HZ))).reshape(-1, 1)

    def _lines(self, state: DehumState, start: int, stop: int) -> NDArray[np.complex64]:
        """Amplitudes of cells, shape (channels, rows, cells)."""
        cells: NDArray[np.complex64] = state.lines.read(start, stop)
        return cells.reshape(self.input.channels, self._bank.rows, stop - start)

    def _hops(self, state: DehumState, stop: int) -> Audio:
        out: list[Audio] = []
        while state.hop < stop:
            # What is known around each is complete: estimates do not depend on each other.
            found = each(partial(self._found, state), min(TOGETHER, stop - state.hop))
            out += [self._next(state, *now) for now in found]
        return np.concatenate(out, axis=1) if out else empty(self.input.channels)

    def _found(self, state: DehumState, ahead: int) -> tuple[HumEstimate | None, Real]:
        """What is sure of the hum in two hops, so many after the next, and its sound, shape (channels, 2*hop)."""
        hop = state.hop + ahead
        estimate = self.estimate(state, hop)
        if estimate is None:
            return None, np.zeros((self.input.channels, 2 * self._hop))
        return estimate, self._finder.sound(estimate, hop * self._hop)

    def _next(self, state: DehumState, estimate: HumEstimate | None, now: Real) -> Audio:
        """The next hop, without its hum: that of the estimate before fades into `now`."""
        begin = state.hop * self._hop
        frames = state.audio.read(begin, begin + self._hop)
        if estimate:
            state.found += 1
            state.overtones += estimate.overtones
            state.frequency += estimate.hertz
        rise = np.arange(self._hop) / self._hop if state.hop else np.ones(self._hop)
        hum = state.tail + rise * now[:, : self._hop]
        state.tail = (1 - np.arange(self._hop) / self._hop) * now[:, self._hop :]
        if hum.any():
            state.removed += float((hum**2).sum())
            frames = (frames - self.strength * hum).astype(np.float32)
        state.hop += 1
        state.audio.forget(begin + self._hop - self._bank.cell)
        state.lines.forget((state.hop - LEFT) * HOP)
        state.scores.forget(state.hop - LEFT)
        return frames

    def estimate(self, state: DehumState, hop: int) -> HumEstimate | None:
        """What is sure of the hum in the two hops from number `hop` on; None where nothing is."""
        first, blocks = hop - LEFT, HOPS - 1
        cells = first * HOP + np.arange(HOPS * HOP)
        inside = (cells >= 1) & ((cells + 1) * self._bank.cell <= state.audio.stop)
        scores = state.scores.read(first, first + blocks).astype(np.float64)
        at = first + np.arange(blocks)
        around = Around(
            self._lines(state, first * HOP, (first + HOPS) * HOP),
            np.asarray(inside.reshape(-1, GROUP).all(axis=1), np.float64),
            scores.reshape(len(MAINS_HZ), len(DEVIATIONS_HZ), len(SLOPES), blocks),
            ((at >= 0) & (at < state.scores.stop)).astype(np.float64),
        )
        return self._finder.find(around)
