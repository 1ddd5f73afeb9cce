"""Where scratches are: bursts of 3 to 11 ms, far above all around them, after which the sound is what it was before.

Predictors that are learnt with a scratch predict badly all around it. So what stands out of their errors is only a
place to look at; whether it is a scratch is decided by predictors of the sound before and after, and by how far it
stands out of all that these nine seconds have. What is struck or spoken rings on, comes after a silence, or is no
louder than others like it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import percentile_filter

from ..clicks.autoregression import framed, prediction_errors, predictor, predictors
from ..gaps import BLOCKS, QUIETEST, Gaps, Samples
from ..samples import Mask, at_once, runs, silent

__all__ = ["ScratchFinder"]

ORDER = 32
SILENT_SECONDS = 0.05
"""Around silence, in which nothing is looked for."""
AROUND_SECONDS, AROUND_PERCENTILE = 0.07, 75
STANDS_OUT, PEAK = 6.0, 9.0
"""Times the power of the errors of most blocks around: what all blocks of a place to look at have; the strongest."""
CRACKLE_A_SECOND = 2.5
"""Where so many stand out there is crackle: what lies between its clicks is worth more than a bridge over all."""
ONSET = 0.03
"""Part of the strongest block's that the first has, where they last too long: predictors that a scratch is learnt with
fail before it, too."""
SHORTEST_SECONDS, LONGEST_SECONDS, EDGE_SECONDS = 0.0025, 0.0114, 0.002
"""Of a scratch; and before and after it where its beginning and end are looked for."""
ERROR, ERROR_PERCENTILE = 9.0, 85
"""Times the power of the errors beside it that its first and its last have."""
APART_SECONDS, WIDER = 0.006, 3
"""Between such errors of one scratch, at most; and samples more, on both sides."""
BESIDE_SECONDS = (0.003, 0.010)
ALMOST = (25.0, 10.0, 7.0)
"""What is so clear and so steady is no measure of the other sounds; in dB, as `_Burst` has them."""
COMMON_PERCENTILE = 99
"""Of blocks: what a scratch must be louder than is not the one loudest."""
SURE = ((35.0, 5.0, 8.0, 6.0), (10.0, 6.0, 15.0, 12.0))
"""Least distance from all beside it, how steady, and least distances from errors and slopes of the nine seconds, in
dB: what stands out far from all of them need not do so as much from what is beside it, and the other way round."""
CLEAR = 20.0
"""Least distance from most that is beside it."""
LOUDER = 2.5
"""dB that errors after most bursts may be louder by: what is struck or clapped dies away, and a scratch has ended. Half
of the scratches have louder errors after than before, and nearly all claps."""
LEVEL = 10.0
"""dB that the sound around may be louder or softer than usual: what comes out of a silence is no scratch."""
LEAST_SECONDS = 2.0
"""Of sound, without which nothing is usual."""


@dataclass(frozen=True)
class _Usual:
    """What is heard where there are no scratches, and after bursts.

    Attributes:
        error, slope: power of the loudest blocks but a few.
        level: power of most blocks.
        louder_after: of most bursts.
    """

    error: float
    slope: float
    level: float
    louder_after: float


@dataclass(frozen=True)
class _Burst:
    """What may be a scratch, [begin, end); all figures in dB.

    Attributes:
        above_most, above_all: its strongest errors above the median of those beside it, and above the strongest.
        above_sound: its power above that of the sound beside it.
        change: the most that errors, slopes or the sound itself are louder or softer after it than before.
        error, slope: power of its strongest block.
        around: power of the sound beside it.
        louder_after: errors just after it above those just before.
    """

    begin: int
    end: int
    above_most: float
    above_all: float
    above_sound: float
    change: float
    error: float
    slope: float
    around: float
    louder_after: float

    def is_sure(self, usual: _Usual) -> bool:
        errors, slopes = _decibels(self.error, usual.error), _decibels(self.slope, usual.slope)
        sure = any(
            self.above_all > least[0] and self.change < least[1] and errors > least[2] and slopes > least[3]
            for least in SURE
        )
        in_sound = abs(_decibels(self.around, usual.level)) < LEVEL
        return sure and in_sound and usual.louder_after < LOUDER and self.above_most > CLEAR and self.above_sound > 0


class ScratchFinder:
    """Finds scratches in channels of a rate.

    Args:
        rate: in Hz.
        frame: a power of two, over which sound is taken as steady; so much is listened to on both sides of a scratch.
    """

    def __init__(self, rate: int, frame: int) -> None:
        self._rate, self._side, self._block = rate, frame, max(8, frame // BLOCKS)
        self._order = min(ORDER, frame // 8)
        self._longest, self._edge = round(LONGEST_SECONDS * rate), max(WIDER + 2, round(EDGE_SECONDS * rate))
        self._beside = [max(1, round(seconds * rate)) for seconds in BESIDE_SECONDS]

    def find(self, sound: Samples) -> list[Gaps]:
        """For each channel its scratches; where one is, a lesser one in another channel is believed, too.

        Args:
            sound: shape (channels, n), n a multiple of half a frame.
        """
        errors = at_once(self._errors, sound)
        found = at_once(self._bursts, sound, errors)
        sure = [self._sure(*each) for each in zip(sound, errors, found, strict=True)]
        anywhere = np.any([_marks(bursts, sound.shape[1]) for bursts in sure], axis=0)
        chosen = []
        for mine, all_of_mine in zip(sure, found, strict=True):
            others = [b for b in all_of_mine if b.above_most > CLEAR and anywhere[b.begin : b.end].any()]
            chosen.append(Gaps(*runs(_marks(mine + others, sound.shape[1]))))
        return chosen

    def _errors(self, sound: Samples) -> Samples:
        """What predictors of frames leave, the smaller one of both directions."""
        frames = framed(sound, self._side)
        both = prediction_errors(frames, predictors(frames, self._order))
        return np.asarray(np.minimum(*(np.abs(each) for each in both)))

    def _bursts(self, sound: Samples, errors: Samples) -> list[_Burst]:
        around = round(AROUND_SECONDS * self._rate / self._block) | 1
        powers = _powers(errors, self._block)
        usual = np.maximum(percentile_filter(powers, AROUND_PERCENTILE, size=around), QUIETEST**2)
        begins, ends = runs(_without_holes(powers > STANDS_OUT * usual))
        found, most = [], self._longest // self._block + 2
        if len(begins) > CRACKLE_A_SECOND * len(sound) / self._rate:
            return []
        for first, last in zip(begins.tolist(), ends.tolist(), strict=True):
            above = powers[first:last] / usual[first:last]
            if last - first > most:
                first += int(np.argmax(above > ONSET * above.max()))
            if above.max() > PEAK and last - first <= most:
                burst = self._burst(sound, first * self._block - self._edge)
                found += [burst] if burst else []
        return found

    def _burst(self, sound: Samples, start: int) -> _Burst | None:
        """What begins within the next blocks, if it ends in time."""
        side, order = self._side, self._order
        stop = start + self._longest + 2 * self._edge
        if start < side + order or stop + side + order > len(sound):
            return None
        part = sound[start - side - order : stop + side + order]
        common = predictor(np.stack([part[order : side + order], part[-side - order : -order]]), order)
        forward, backward = _squares(part, common)
        middle = int(np.minimum(forward, backward)[side:-side].argmax())
        first = np.flatnonzero(forward[side : side + middle] > ERROR * self._usual(forward[:side]))
        last = np.flatnonzero(backward[side + middle : -side] > ERROR * self._usual(backward[-side:]))
        begin = start + middle - self._reach(middle - first[::-1]) - WIDER
        end = start + middle + self._reach(last) + 1 + WIDER
        lasts = SHORTEST_SECONDS * self._rate <= end - begin <= self._longest
        return self._measured(sound, begin, end) if start < begin and end < stop and lasts else None

    def _reach(self, distances: NDArray[np.int64]) -> int:
        """The last of the distances, from 0 on, before nothing is near."""
        steps = np.diff(distances, prepend=0)
        near = np.cumprod(steps <= APART_SECONDS * self._rate).sum()
        return int(distances[near - 1]) if near else 0

    def _usual(self, squares: Samples) -> float:
        return float(np.percentile(_means(squares, self._block // 2), ERROR_PERCENTILE)) + QUIETEST**2

    def _measured(self, sound: Samples, begin: int, end: int) -> _Burst:
        side, order, block = self._side, self._order, self._block
        before, burst, after = sound[begin - side : begin], sound[begin:end], sound[end : end + side]
        common = predictor(np.stack([before, after]), order)
        left = _squares(sound[begin - side - order : begin + order], common)[0]
        right = _squares(sound[end - order : end + side + order], common)[1]
        error = _loudest(np.minimum(*_squares(sound[begin - order : end + order], common)), block)
        beside = np.concatenate([_means(left, block), _means(right, block)])
        around = float(np.square(np.concatenate([before, after])).mean())
        least = self._beside[0]
        return _Burst(
            begin,
            end,
            above_most=_decibels(error, float(np.median(beside))),
            above_all=_decibels(error, float(beside.max())),
            above_sound=_decibels(float(np.square(burst).mean()), around),
            change=max(
                _change(left, right, self._beside),
                _change(np.square(np.diff(before)), np.square(np.diff(after)), self._beside),
                _change(np.square(before), np.square(after), self._beside[-1:]),
            ),
            error=error,
            slope=_loudest(np.square(np.diff(sound[begin - 1 : end])), block),
            around=around,
            louder_after=_decibels(float(right[:least].mean()), float(left[-least:].mean())),
        )

    def _sure(self, sound: Samples, errors: Samples, found: list[_Burst]) -> list[_Burst]:
        """Which stand out of all that is heard here."""
        if not found:
            return []
        sounding = ~silent(sound, round(SILENT_SECONDS * self._rate))
        found = [each for each in found if sounding[each.begin : each.end].all()]
        usual = self._usual_here(sound, errors, sounding, found) if found else None
        return [each for each in found if each.is_sure(usual)] if usual else []

    def _usual_here(self, sound: Samples, errors: Samples, sounding: Mask, found: list[_Burst]) -> _Usual | None:
        """What is heard where there are no scratches, if there is enough of it."""
        clear, beside, change = ALMOST
        outstanding = [b for b in found if b.above_most > clear and b.above_all > beside]
        almost = [b for b in outstanding if b.change < change]
        others = (sounding & ~_marks(almost, len(sound), self._side))[:: self._block]
        if others.sum() * self._block < LEAST_SECONDS * self._rate:
            return None
        error, slope = (
            float(np.percentile(_powers(each, self._block)[others], COMMON_PERCENTILE))
            for each in (errors, np.diff(sound, prepend=sound[:1]))
        )
        level = float(np.median(_powers(sound, self._block)[others]))
        return _Usual(error, slope, level, float(np.median([b.louder_after for b in outstanding] or [0.0])))


def _marks(bursts: Sequence[_Burst], frames: int, wider: int = 0) -> Mask:
    """Where they are."""
    marks = np.zeros(frames, bool)
    for burst in bursts:
        marks[max(0, burst.begin - wider) : burst.end + wider] = True
    return marks


def _powers(samples: Samples, block: int) -> Samples:
    """Of each whole block."""
    return _means(np.square(samples), block)


def _means(squares: Samples, block: int) -> Samples:
    return np.asarray(squares[: len(squares) // block * block].reshape(-1, block).mean(axis=1))


def _loudest(squares: Samples, block: int) -> float:
    """The power of the loudest block, wherever it begins."""
    size = min(block, len(squares))
    sums = np.cumsum(np.concatenate([[0.0], squares]))
    return float((sums[size:] - sums[:-size]).max()) / size


def _change(before: Samples, after: Samples, spans: Sequence[int]) -> float:
    """The most that squares after differ from those before, near to each other, in dB."""
    return max(abs(_decibels(float(after[:n].mean()), float(before[-n:].mean()))) for n in spans)


def _without_holes(found: Mask) -> Mask:
    """With single blocks between others."""
    return found | (np.roll(found, 1) & np.roll(found, -1))


def _squares(sound: Samples, predictor: Samples) -> tuple[Samples, Samples]:
    """Squares of errors forward and backward, each the mean of three; of all but `order` samples at both ends."""
    order = len(predictor) - 1
    forward, backward = (np.convolve(each, predictor, "valid")[:-order] for each in (sound, sound[::-1]))
    return _smoothed(forward), _smoothed(backward)[::-1]


def _smoothed(errors: Samples) -> Samples:
    return np.convolve(np.square(errors), np.ones(3) / 3, "same")


def _decibels(power: float, other: float) -> float:
    return float(10 * np.log10((power + QUIETEST**2) / (other + QUIETEST**2)))
