"""What is sure of the hum in two hops, from all that is known of the 26 around."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....engine.threads import each
from .comb import SEARCHED, Comb, comb_at, steadiest
from .level import GROUP, group_means, hum_amplitudes, is_hum, polynomials
from .lines import HOP, MAINS_HZ, Complex, LineBank, Real
from .track import FIRST_STAGES, LAST_STAGES, Path, followed_phase, likeliest_path, phase_along

__all__ = ["HOPS", "LEFT", "RIGHT", "Around", "HumEstimate", "HumFinder"]

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
PROMISING = 0.9
"""The same, of a phase that fits the lowest 22, as a first look: below this nothing comes of it. Of 10139 looks that
found hum of 15 to 35 dB below music, steady or drifting, half of them in music that nothing was settled with, none had
less than 1.11; in the same music without hum three of four have less than 0.9. After the lowest 16, six of those that
nothing was settled with had less than 0.95.
"""


@dataclass(frozen=True)
class Around:
    """What is known around two hops.

    Attributes:
        lines: amplitudes, shape (channels, rows, HOPS*HOP).
        valid: 1 for each group of cells that lies within the recording, else 0, shape (HOPS*HOP/GROUP,).
        scores: of the search for the frequency, shape (mains frequencies, deviations, slopes, HOPS - 1).
        present: 1 for blocks within the recording, else 0, shape (HOPS - 1,).
    """

    lines: NDArray[np.complex64]
    valid: Real
    scores: Real
    present: Real


@dataclass(frozen=True)
class HumEstimate:
    """What an estimate says.

    Attributes:
        mains: place in `MAINS_HZ`.
        hertz: of the fundamental.
        overtones: number of harmonics that are sure.
        amplitudes: of the lines, shape (channels, orders, groups).
        phase: of the fundamental at each cell, beyond the nominal frequency's.
    """

    mains: int
    hertz: float
    overtones: int
    amplitudes: Complex
    phase: Real


class HumFinder:
    """Finds hum in what `bank` makes of a recording."""

    def __init__(self, bank: LineBank) -> None:
        self._bank = bank
        self._cell_seconds = bank.cell / bank.sample_rate

    def find(self, around: Around) -> HumEstimate | None:
        """What is sure of the hum; None where nothing is."""
        if not around.valid.any() or not self._bank.rows:
            return None
        courses = list(self._courses(around))
        tried = each(lambda number: self._tried(around, *courses[number]), len(courses))
        if not tried:
            return None
        index, path, phase, comb = max(tried, key=lambda found: found[3].lead)
        if comb.lead < AHEAD or not is_hum(comb.orders, float(around.valid.sum()) * GROUP * self._cell_seconds):
            return None
        amplitudes = hum_amplitudes(group_means(self._lines(around, index), phase), around.valid)
        return HumEstimate(
            index, MAINS_HZ[index] + float(path.deviations_hz[LEFT]), len(comb.orders), amplitudes, phase
        )

    def _tried(self, around: Around, index: int, path: Path) -> tuple[int, Path, Real, Comb]:
        """A course of the frequency of one of `MAINS_HZ` with its phase, and how far its harmonics stand out."""
        lines = self._lines(around, index, FIRST_STAGES[-1][1])
        phase = phase_along(path, HOPS * HOP, self._cell_seconds)
        phase = followed_phase(lines, around.valid, phase, FIRST_STAGES)
        comb = comb_at(lines, phase, around.valid)
        if comb.lead < PROMISING:
            return index, path, phase, comb
        lines = self._lines(around, index)
        phase = followed_phase(lines, around.valid, phase, LAST_STAGES)
        return index, path, phase, comb_at(lines, phase, around.valid)

    def _courses(self, around: Around) -> Iterator[tuple[int, Path]]:
        """Courses that the mains frequency may take, with its place in `MAINS_HZ`: a steady one, then any."""
        steady = self._steadiest(around)
        if steady:
            yield steady
        paths = each(lambda index: likeliest_path(around.scores[index], around.present), len(MAINS_HZ))
        index, path = max(enumerate(paths), key=lambda pair: pair[1].prominence)
        same = steady and index == steady[0] and np.abs(path.deviations_hz - steady[1].deviations_hz).max() < SAME_HZ
        if path.prominence >= PROMINENCE * len(around.lines) and not same:
            yield index, path

    def _steadiest(self, around: Around) -> tuple[int, Path] | None:
        """The mains frequency that is steady, if one of them may be, by its place in `MAINS_HZ`, and its course."""
        leads = each(lambda index: self._steady(around, index), len(MAINS_HZ))
        lead, index, deviation_hz = max((lead, index, hertz) for index, (lead, hertz) in enumerate(leads))
        return (index, Path(np.full(HOPS - 1, deviation_hz), lead)) if lead > PLAUSIBLE else None

    def _steady(self, around: Around, index: int) -> tuple[float, float]:
        """How far the harmonics of one of `MAINS_HZ` stand out if it is steady, 0 if it is not, and its deviation."""
        lines = self._lines(around, index, SEARCHED)
        steady = steadiest(lines, around.valid)
        if steady.lead <= LEAD:
            return 0.0, 0.0
        time = np.arange(HOPS * HOP) * self._bank.cell / self._bank.sample_rate
        phase: Real = 2 * np.pi * steady.deviation_hz * time
        return comb_at(lines, phase, around.valid).lead, steady.deviation_hz

    def _lines(self, around: Around, index: int, count: int | None = None) -> Complex:
        """The lines of one of `MAINS_HZ`, shape (channels, orders up to `count`, cells)."""
        return self._bank.of_mains(around.lines, index)[:, :count].astype(np.complex128)

    def sound(self, hum: HumEstimate, first: int) -> Real:
        """The hum of the two hops from frame `first` on, shape (channels, 2*hop).

        The sum over k of a[k]*z**k, in pieces of one group at whose ends the amplitudes are given.
        """
        rate, cell = self._bank.sample_rate, self._bank.cell
        frames = np.arange(first, first + 2 * self._bank.hop)
        nominal = frames % rate * MAINS_HZ[hum.mains] % rate
        cells = np.arange(LEFT * HOP - 1, (LEFT + 2) * HOP + 1)
        at = (frames - first) / cell + LEFT * HOP
        angle = 2 * np.pi * nominal / rate + np.interp(at, cells, hum.phase[cells])
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
