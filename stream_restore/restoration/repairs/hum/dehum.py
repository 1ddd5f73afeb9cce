"""Mains hum taken away: what stands still under music for tens of seconds, at the multiples of one frequency."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ....engine.stage import Start
from ....engine.threads import each
from ....engine.window import Window
from ....spec import Audio, Spec, empty
from ..repair import Repair
from .comb import SEARCHED, Comb, comb_at, steadiest
from .level import GROUP, group_means, hum_amplitudes, is_hum, polynomials
from .lines import HOP, MAINS_HZ, Complex, LineBank, Real
from .track import BLOCK, DEVIATIONS_HZ, SLOPES, Path, block_scores, followed_phase, likeliest_path

__all__ = ["Dehum", "DehumState", "HumEstimate"]

LEFT, RIGHT = 12, 12
"""Hops, of two seconds, that are looked at before and after the two that an estimate is for."""
HOPS = LEFT + 2 + RIGHT
PROMINENCE = 3.0
"""Of a path, per channel: below this a look at the phase would be lost time."""
LEAD, PLAUSIBLE = 8.0, 1.0
"""Of a steady frequency over others, and of its harmonics over other lines: below these as well."""
SAME_HZ = 0.01
"""Courses of the frequency that differ by less are one."""
AHEAD = 1.75
"""How many times as far the harmonics must stand out as any other lines."""


@dataclass
class HumEstimate:
    """What an estimate says: line amplitudes, shape (channels, orders, groups), and the phase of the fundamental."""

    mains: int
    amplitudes: Complex
    phase: Real


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
        self._hop = self._bank.hop
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
        scores = each(lambda index: block_scores(self._bank.of_mains(lines, index)), len(MAINS_HZ))
        return np.stack(scores).reshape(-1, 1)

    def _lines(self, state: DehumState, start: int, stop: int) -> Complex:
        cells = state.lines.read(start, stop).astype(np.complex128)
        return cells.reshape(self.input.channels, self._bank.rows, stop - start)

    def _hops(self, state: DehumState, stop: int) -> Audio:
        out = [self._next(state) for _ in range(state.hop, stop)]
        return np.concatenate(out, axis=1) if out else empty(self.input.channels)

    def _next(self, state: DehumState) -> Audio:
        """The next hop, without its hum."""
        begin = state.hop * self._hop
        frames = state.audio.read(begin, begin + self._hop)
        hum = self._hum(state)
        if hum.any():
            state.removed += float((hum**2).sum())
            frames = (frames - self.strength * hum).astype(np.float32)
        state.hop += 1
        state.audio.forget(begin + self._hop - self._bank.cell)
        state.lines.forget((state.hop - LEFT) * HOP)
        state.scores.forget(state.hop - LEFT)
        return frames

    def _hum(self, state: DehumState) -> Real:
        """The hum of the next hop: the estimate before fades into that of now. Shape (channels, hop)."""
        estimate = self.estimate(state)
        if estimate is None:
            now = np.zeros((self.input.channels, 2 * self._hop))
        else:
            now = self._sound(estimate, state.hop * self._hop)
        rise = np.arange(self._hop) / self._hop if state.hop else np.ones(self._hop)
        hum = state.tail + rise * now[:, : self._hop]
        state.tail = (1 - np.arange(self._hop) / self._hop) * now[:, self._hop :]
        return hum

    def estimate(self, state: DehumState) -> HumEstimate | None:
        """What is sure of the hum in the next two hops; None where nothing is."""
        valid = self._valid(state)
        if not valid.any() or not self._bank.rows:
            return None
        tried = [self._tried(state, valid, *course) for course in self._courses(state, valid)]
        if not tried:
            return None
        index, path, phase, comb = max(tried, key=lambda found: found[3].lead)
        seconds = float(valid.sum()) * GROUP * self._bank.cell / self.input.sample_rate
        if comb.lead < AHEAD or not is_hum(comb.orders, seconds):
            return None
        state.found += 1
        state.overtones += len(comb.orders)
        state.frequency += MAINS_HZ[index] + float(path.deviations_hz[LEFT])
        return HumEstimate(index, hum_amplitudes(group_means(self._seen(state, index), phase), valid), phase)

    def _tried(self, state: DehumState, valid: Real, index: int, path: Path) -> tuple[int, Path, Real, Comb]:
        """A course of the frequency of one of `MAINS_HZ` with its phase, and how far its harmonics stand out."""
        lines = self._seen(state, index)
        phase = followed_phase(lines, valid, path, self._bank.cell / self.input.sample_rate)
        return index, path, phase, comb_at(lines, phase, valid)

    def _courses(self, state: DehumState, valid: Real) -> Iterator[tuple[int, Path]]:
        """Courses that the mains frequency may take, with its place in `MAINS_HZ`: a steady one, then any."""
        steady = self._steady(state, valid)
        if steady:
            yield steady
        index, path = self._path(state)
        same = steady and index == steady[0] and np.abs(path.deviations_hz - steady[1].deviations_hz).max() < SAME_HZ
        if path.prominence >= PROMINENCE * self.input.channels and not same:
            yield index, path

    def _steady(self, state: DehumState, valid: Real) -> tuple[int, Path] | None:
        """The mains frequency that is steady, if one of them may be, by its place in `MAINS_HZ`, and its course."""
        time = np.arange(HOPS * HOP) * self._bank.cell / self.input.sample_rate
        found = []
        for index in range(len(MAINS_HZ)):
            lines = self._seen(state, index, SEARCHED)
            steady = steadiest(lines, valid)
            if steady.lead > LEAD:
                comb = comb_at(lines, 2 * np.pi * steady.deviation_hz * time, valid)
                found.append((comb.lead, index, steady.deviation_hz))
        lead, index, deviation_hz = max(found, default=(0.0, 0, 0.0))
        return (index, Path(np.full(HOPS - 1, deviation_hz), lead)) if lead > PLAUSIBLE else None

    def _seen(self, state: DehumState, index: int, count: int | None = None) -> Complex:
        """The lines of one of `MAINS_HZ` in all hops around the next, shape (channels, orders up to `count`, cells)."""
        start = (state.hop - LEFT) * HOP
        cells = state.lines.read(start, start + HOPS * HOP).reshape(self.input.channels, self._bank.rows, -1)
        return self._bank.of_mains(cells, index)[:, :count].astype(np.complex128)

    def _path(self, state: DehumState) -> tuple[int, Path]:
        """The mains frequency that is likelier, by its place in `MAINS_HZ`, and its course."""
        first, blocks = state.hop - LEFT, HOPS - 1
        scores = state.scores.read(first, first + blocks).astype(np.float64)
        scores = scores.reshape(len(MAINS_HZ), len(DEVIATIONS_HZ), len(SLOPES), blocks)
        at = first + np.arange(blocks)
        present = ((at >= 0) & (at < state.scores.stop)).astype(np.float64)
        paths = each(lambda index: likeliest_path(scores[index], present), len(MAINS_HZ))
        return max(enumerate(paths), key=lambda pair: pair[1].prominence)

    def _valid(self, state: DehumState) -> Real:
        """1 for each group of cells that lies within the recording, else 0, shape (HOPS*HOP/GROUP,)."""
        cells = (state.hop - LEFT) * HOP + np.arange(HOPS * HOP)
        inside = (cells >= 1) & ((cells + 1) * self._bank.cell <= state.audio.stop)
        return np.asarray(inside.reshape(-1, GROUP).all(axis=1), np.float64)

    def _sound(self, hum: HumEstimate, first: int) -> Real:
        """The hum of two hops from frame `first` on, shape (channels, 2*hop).

        The sum over k of a[k]*z**k, in pieces of one group at whose ends the amplitudes are given.
        """
        frames = np.arange(first, first + 2 * self._hop)
        nominal = frames % self.input.sample_rate * MAINS_HZ[hum.mains] % self.input.sample_rate
        cells = np.arange(LEFT * HOP - 1, (LEFT + 2) * HOP + 1)
        at = (frames - first) / self._bank.cell + LEFT * HOP
        angle = 2 * np.pi * nominal / self.input.sample_rate + np.interp(at, cells, hum.phase[cells])
        pieces = 2 * HOP // GROUP
        turn = np.exp(1j * angle).reshape(pieces, -1)
        start = LEFT * HOP // GROUP
        amplitudes = hum.amplitudes[..., start - 1 : start + pieces + 1]
        ends = ((amplitudes[..., :-1] + amplitudes[..., 1:]) / 2).transpose(2, 0, 1)  # (pieces + 1, channels, orders)
        along = np.arange(turn.shape[1]) / turn.shape[1]

        def sound(piece: int) -> Real:
            begins, finishes = polynomials(ends[piece : piece + 2], turn[piece]).real
            return np.asarray((1 - along) * begins + along * finishes)

        return np.concatenate(each(sound, pieces), axis=1)
