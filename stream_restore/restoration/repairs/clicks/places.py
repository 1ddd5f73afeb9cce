"""Where the clicks of a recording are, if there are any: short, sudden, and the same sound before and after.

A candidate is where neither the samples before nor those after predict what is there. Interpolation over it tells how
much better all predictions are without it: the energy of their errors falls by so many times the usual, which for
noise would be once for each sample. That is its weight. A click weighs hundreds to millions; the onset of a string or
a drum weighs much too, but then the sound after it is another than before: it dies away, and so does a clap.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import percentile_filter

from ..gaps import BLOCKS, QUIETEST, Gaps, Places, Samples
from ..samples import Mask, at_once, marked, median, runs, silent, step
from .autoregression import (
    framed,
    interpolated,
    prediction_errors,
    predictors,
    unknowns,
)

__all__ = ["ClickFinder"]

ORDER = 32
GROWS, BEGINS = 3.5, 5.0
"""Times the usual error: a candidate is where errors exceed the first, and the second somewhere."""
JOINED = 6
"""Candidates so near to each other are one."""
PEAK_PERCENTILE, PEAKS_SECONDS, PEAK_OF_NOISE = 88, 0.1, 2.6
"""Strings, reeds and voices have an error at each period: what most blocks reach nearby is usual, too."""
INNER = 2.0
"""Times its own uncertainty: samples at the ends of a candidate that interpolation changes by less were right."""
TAIL_SECONDS = 0.0001
"""Clicks die away: what is left of them there is too faint to be told from the sound, and would bend what lies
beneath. Tests of each sample in a wider gap, alone or given those after it, left more of it (by 1 to 2 dB)."""
LIGHT, LONG, HEAVY = (100.0, 10.0), (500.0, 20.0), (10000.0, 200.0)
"""Least weight of a click where there are many; of a long one that predictors are not to be learnt with; of one that
shows that there are many. Each is a constant, and so much more for each sample."""
BESIDE_SECONDS = (0.010, 0.003)
"""Errors after a click are compared with those before it, over so long."""
STEADY = 0.68
"""Octaves that they may differ by, if it is to show anything. Sounds begin and end."""
SURE = (((20000.0, 300.0), 0.42), ((200000.0, 2000.0), STEADY))
SURE_LONG = (((20000.0, 1500.0), 0.3), ((1000000.0, 20000.0), 0.5))
"""Least weights of one alone, and of a long one, and how steady it must be with each."""
SAME = 0.28
"""Octaves that errors before and after many may differ by on the whole: what is struck or clapped dies away."""
NEW, NEW_SHARE = 1.0, 0.3
"""Octaves that the sound itself, its differences, may change by at a lone one, and at which part of many by more: a
tone that begins is as predictable as what was before. Over synthetic chords this leaves claves and castanets
alone, half of which were taken for clicks; on nineteen pieces it costs lone clicks 0.4 dB at an SDR of 10 dB, 0 at 25.
"""
MANY_A_SECOND, FEWEST, HEAVY_SHARE = 0.5, 4, 0.2
"""Heavy ones in each second, and their part of all: where there are so many, the light ones are clicks, too."""
CLEARLY_MANY, CLEAR_SHARE = 4.0, 0.15
"""So many times more of them may be a lesser part."""
ALIKE_MANY, ALIKE_SHARE = 1.5, 0.88
"""Where heavy ones are a lesser part, there must be so many times more of them, and so many of the light ones must be
as steady, each by itself."""
EVEN, EVENLY = 0.02, 0.5
"""If so many of the distances between heavy ones lie so near to their median, they are pulses of a low tone."""
PULSES, PULSES_SHARE = 3, 0.08
"""If so many more, and such a part, of the distances between all do, they are an engine's or a creaking voice's: of
distances left to chance, one in seventy does."""
LIGHT_SECONDS, LONGEST_SECONDS = 0.0015, 0.010
"""Of light ones, and of all."""
LEAST_ERROR = 1e-3
"""In parts of the sound: what is made by a computer has no noise, and all its corners would be clicks."""


@dataclass(frozen=True)
class _Candidates:
    """Candidates, their ends shortened, and what tells whether they are clicks.

    Attributes:
        weight: shape (candidates,).
        louder_after: octaves that errors after them lie above those before, shape (candidates, 2): of `BESIDE_SECONDS`.
        sounding: whether they are far from silence, shape (candidates,).
        is_new: whether other sound than before follows, shape (candidates,).
    """

    gaps: Gaps
    weight: Samples
    louder_after: Samples
    sounding: Mask
    is_new: Mask

    def weigh(self, least: tuple[float, float], steady: float = np.inf) -> Mask:
        """Which are so heavy and so steady, far from silence."""
        return self.outweigh(least) & self.sounding & np.asarray((np.abs(self.louder_after) < steady).all(axis=1))

    def outweigh(self, least: tuple[float, float]) -> Mask:
        """Which are so heavy, in silence, too."""
        heavy = self.weight > least[0] + least[1] * self.gaps.sizes
        return np.asarray((self.gaps.sizes > 0) & heavy)


_Weigh = Callable[[_Candidates, tuple[float, float]], Mask]


@dataclass(frozen=True)
class _Predicted:
    """Predictors of frames, their errors, and those that are left where candidates are interpolated.

    Attributes:
        filters: shape (frames, order + 1).
        errors, left: forward and backward, shape (frames*hop,) each.
    """

    filters: Samples
    errors: tuple[Samples, Samples]
    left: tuple[Samples, Samples]

    def changed(self, sound: Samples, repaired: Samples) -> "_Predicted":
        """The same where frames of `repaired` are those of `sound`, anew where they are not."""
        other = np.flatnonzero((sound != repaired).any(axis=1))
        filters = self.filters.copy()
        filters[other] = predictors(repaired[other], filters.shape[1] - 1)

        def errors(frames: Samples) -> tuple[Samples, Samples]:
            forward, backward = (each.reshape(len(filters), -1).copy() for each in self.errors)
            forward[other], backward[other] = (
                each.reshape(len(other), -1) for each in prediction_errors(frames[other], filters[other])
            )
            return forward.ravel(), backward.ravel()

        return _Predicted(filters, errors(sound), errors(repaired))


def _predicted(sound: Samples, order: int) -> _Predicted:
    filters = predictors(sound, order)
    errors = prediction_errors(sound, filters)
    return _Predicted(filters, errors, errors)


class ClickFinder:
    """Finds clicks in channels of a rate.

    Args:
        rate: in Hz.
        frame: a power of two, over which sound is taken as steady.
    """

    def __init__(self, rate: int, frame: int) -> None:
        self.frame, self.hop = frame, frame // 2
        self._rate, self._order = rate, min(ORDER, frame // 8)
        self._block = max(8, frame // BLOCKS)
        self._beside = [round(seconds * rate) for seconds in BESIDE_SECONDS]
        self._tail = round(TAIL_SECONDS * rate)
        self._longest = round(LONGEST_SECONDS * rate)

    def find(self, sound: Samples) -> list[tuple[Gaps, Samples]]:
        """For each channel its clicks, and the channel with a first interpolation over them.

        Light ones are believed at the place of another channel's, where this one is silent, too.

        Args:
            sound: shape (channels, n), n a multiple of half a frame.
        """
        around = round(PEAKS_SECONDS / 2 * self._rate)
        sounding = [~silent(channel, around) for channel in sound]
        looked = at_once(self._look, sound, sounding)
        chosen = [self._believed(each, int(s.sum())) for (_, each), s in zip(looked, sounding, strict=True)]
        believed = [each.gaps[which] for (_, each), which in zip(looked, chosen, strict=True)]
        marks = [marked(gaps.begins, gaps.ends, sound.shape[1]) for gaps in believed]
        anywhere = np.flatnonzero(np.any(marks, axis=0))
        gaps = [
            each.gaps[which | self._light(each, _Candidates.outweigh) & _touching(each.gaps, anywhere)]
            for (_, each), which in zip(looked, chosen, strict=True)
        ]
        filled = at_once(self._interpolated, sound, gaps, [filters for filters, _ in looked])
        return [(self._with_tails(each, sound.shape[1]), other) for each, other in zip(gaps, filled, strict=True)]

    def _look(self, sound: Samples, sounding: Mask) -> tuple[Samples, _Candidates]:
        """Predictors and candidates, from what predictors say that were learnt without any candidate.

        One that was learnt with a click predicts badly everywhere.
        """
        first = _predicted(framed(sound, self.frame), self._order)
        least_step = step(sound.astype(np.float32))
        found = self._candidates(sound, sound, first, sounding, least_step)
        doubtful = self._light(found) | found.weigh(LONG, STEADY)
        if not doubtful.any():
            return first.filters, found
        repaired = self._interpolated(sound, found.gaps[doubtful], first.filters)
        again = first.changed(framed(sound, self.frame), framed(repaired, self.frame))
        return again.filters, self._candidates(sound, repaired, again, sounding, least_step)

    def _with_tails(self, gaps: Gaps, frames: int) -> Gaps:
        if len(gaps) < self._many(frames):
            return gaps
        return Gaps(*runs(marked(gaps.begins, gaps.ends + self._tail, frames)))

    def _interpolated(self, sound: Samples, gaps: Gaps, filters: Samples) -> Samples:
        return interpolated(sound, gaps, dict(enumerate(filters)), self.hop)

    def _short(self, found: _Candidates) -> Mask:
        return np.asarray(found.gaps.sizes <= LIGHT_SECONDS * self._rate)

    def _light(self, found: _Candidates, weigh: _Weigh = _Candidates.weigh) -> Mask:
        return weigh(found, LIGHT) & self._short(found) | weigh(found, HEAVY)

    def _believed(self, found: _Candidates, frames: int) -> Mask:
        light, heavy = self._light(found), found.weigh(HEAVY, STEADY)
        many = heavy.sum() / self._many(frames)
        enough = heavy.sum() >= (HEAVY_SHARE if many < CLEARLY_MANY else CLEAR_SHARE) * light.sum()
        if many >= 1 and (enough or (many >= ALIKE_MANY and self._are_alike(found, light))):
            unlike = np.median(found.louder_after[found.weigh(HEAVY)], axis=0)
            even = _is_even(found.gaps.begins[heavy]) or _are_pulses(found.gaps.begins[light])
            begin_sounds = found.is_new[heavy].mean() > NEW_SHARE
            return light & (not even) & (not begin_sounds) & bool((np.abs(unlike) < SAME).all())
        sure = _any(found, SURE) & self._short(found) | _any(found, SURE_LONG)
        sure &= ~found.is_new
        return sure & (not _is_even(found.gaps.begins[sure]))

    def _many(self, frames: int) -> float:
        return max(FEWEST, MANY_A_SECOND * frames / self._rate)

    def _are_alike(self, found: _Candidates, light: Mask) -> bool:
        """Whether light ones leave the sound as it was, nearly each by itself."""
        louder = np.abs(found.louder_after[light])
        return bool(np.mean((louder < STEADY).all(axis=1)) > ALIKE_SHARE)

    def _candidates(
        self, sound: Samples, repaired: Samples, predicted: "_Predicted", sounding: Mask, least_step: float
    ) -> _Candidates:
        left = [np.abs(each) for each in predicted.left]
        both = np.minimum(*left)
        usual = self._usual(left[0], both, repaired, least_step)
        errors = np.minimum(*(_smoothed(each) for each in predicted.errors)).reshape(-1, self._block)
        grown = (errors > (GROWS * usual[:, None]) ** 2).ravel()
        places = np.flatnonzero(grown)
        begun = places[errors.ravel()[places] > (BEGINS * usual[places // self._block]) ** 2]
        grown = _joined(grown, JOINED)
        gaps = Gaps(*runs(grown))
        gaps = gaps[_touching(gaps, begun) & (gaps.sizes <= self._longest)]
        weight, shortened = self._weighed(sound, gaps, predicted.filters, usual)
        usable = ~(grown & sounding)
        louder_after = self._louder_after(gaps, both, usable)
        changes = self._louder_after(gaps, np.abs(np.diff(repaired, prepend=repaired[:1])), usable)
        is_new = np.abs(changes).max(axis=1) > NEW
        return _Candidates(shortened, weight, louder_after, ~_touching(gaps, np.flatnonzero(~sounding)), is_new)

    def _usual(self, forward: Samples, both: Samples, sound: Samples, least_step: float) -> Samples:
        """The usual size of an error in each block: of most samples around, or of most blocks' largest nearby.

        Args:
            forward: sizes of errors.
            both: the lesser ones of both directions.
        """
        middle = median(forward.reshape(-1, self.hop))[:, 0] / 0.6745
        peaks = both.reshape(-1, self._block).max(axis=1)
        nearby = int(PEAKS_SECONDS * self._rate / self._block) | 1
        largest = percentile_filter(peaks, PEAK_PERCENTILE, size=nearby) / PEAK_OF_NOISE
        least = LEAST_ERROR * np.sqrt(np.square(sound).reshape(-1, self.hop).mean(axis=1))
        usual = np.maximum(np.repeat(np.maximum(middle, least), self.hop // self._block), largest)
        return np.asarray(np.maximum(usual, max(least_step, QUIETEST)))

    def _weighed(self, sound: Samples, gaps: Gaps, filters: Samples, usual: Samples) -> tuple[Samples, Gaps]:
        """How much smaller errors become, in squares of the usual; and the gaps without what was right."""
        weight, begins, ends = np.zeros(len(gaps)), gaps.begins.copy(), gaps.ends.copy()
        for each in unknowns(sound, gaps, dict(enumerate(filters)), self.hop):
            spread = np.linalg.inv(each.matrix)
            change = sound[each.places] - spread @ each.right
            deviation = np.sqrt(spread.diagonal().clip(0))
            at = 0
            for number in range(len(gaps))[each.gaps]:
                part = slice(at, at := at + int(gaps.sizes[number]))
                size = usual[(gaps.begins[number] + gaps.ends[number]) // 2 // self._block]
                weight[number] = change[part] @ each.matrix[part, part] @ change[part] / size**2
                wrong = np.flatnonzero(np.abs(change[part]) > INNER * size * deviation[part])
                first, last = (wrong[0], wrong[-1] + 1) if len(wrong) else (0, 0)
                begins[number], ends[number] = gaps.begins[number] + first, gaps.begins[number] + last
        return weight, Gaps(begins, ends)

    def _louder_after(self, gaps: Gaps, errors: Samples, usable: Mask) -> Samples:
        sums, counts = (np.concatenate([[0], np.cumsum(each)]) for each in (errors * usable, usable))

        def mean(begins: Places, ends: Places) -> Samples:
            first, last = begins.clip(0), ends.clip(max=len(errors))
            return np.asarray((sums[last] - sums[first]) / np.maximum(counts[last] - counts[first], 1) + QUIETEST)

        ratios = [mean(gaps.ends, gaps.ends + n) / mean(gaps.begins - n, gaps.begins) for n in self._beside]
        return np.log2(np.stack(ratios, axis=1))


def _any(found: _Candidates, rules: Sequence[tuple[tuple[float, float], float]]) -> Mask:
    """Which are heavy and steady enough by one of the rules."""
    return np.asarray(np.any([found.weigh(*rule) for rule in rules], axis=0))


def _smoothed(errors: Samples) -> Samples:
    """The mean square of each and its two neighbours; there is as much beyond the ends as before them."""
    squares = np.square(errors)
    sums = squares.copy()
    sums[1:] += squares[:-1]
    sums[:-1] += squares[1:]
    sums[[0, -1]] += squares[[0, -1]]
    return sums / 3


def _touching(gaps: Gaps, places: Places) -> Mask:
    """Which have one of the places in them, given in order."""
    return np.asarray(np.searchsorted(places, gaps.ends) > np.searchsorted(places, gaps.begins))


def _joined(found: Mask, apart: int) -> Mask:
    """With the places between marked ones that are so near to each other."""
    begins, ends = runs(found)
    near = np.flatnonzero(begins[1:] - ends[:-1] <= apart)
    return found | marked(ends[near], begins[near + 1], len(found))


def _is_even(places: Places) -> bool:
    """Whether clicks follow each other like the periods of a tone."""
    distances = np.diff(places)
    return len(distances) >= FEWEST and bool(_near_median(distances) > EVENLY * len(distances))


def _are_pulses(places: Places) -> bool:
    """Whether more of them than by chance do, as where a machine misses some."""
    distances = np.diff(places)
    others = _near_median(distances) - 1
    return bool(others >= PULSES and others > PULSES_SHARE * len(distances))


def _near_median(distances: Places) -> int:
    if not len(distances):
        return 0
    middle = np.median(distances)
    return int(np.sum(np.abs(distances - middle) <= EVEN * middle))
