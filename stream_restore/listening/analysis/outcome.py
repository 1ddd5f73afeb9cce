"""Analysis of ratings: post-screening, each condition, each pair of conditions, and power."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import SourceError
from ..ratings import LOW_ANCHOR, MID_ANCHOR, REFERENCE, Rating
from .correlation import Correlation, Figures, correlations
from .screening import Exclusion, post_screen
from .statistics import (
    Difference,
    Friedman,
    Interval,
    bootstrap_interval,
    differences,
    friedman,
    listeners_needed,
    power,
    t_interval,
)

__all__ = ["POINTS", "Analysis", "Condition", "analyse"]

POINTS = 10.0
"""The difference for which the power is told: half of one of the five ranges of the scale."""
FEWEST = 2


@dataclass(frozen=True)
class Condition:
    """The ratings of one condition.

    Attributes:
        scores: every rating of a listener that stays, in the order of the ratings.
        median: of all scores, with the quartiles.
        mean: of the listeners' means, with 95 % intervals of Student's t and of the bootstrap.
    """

    name: str
    scores: tuple[float, ...]
    median: float
    quartiles: Interval
    mean: float
    t_interval: Interval
    bootstrap_interval: Interval


@dataclass(frozen=True)
class Analysis:
    """The results of a test.

    Attributes:
        listeners: that stay.
        exclusions: listeners that do not.
        trials: of which ratings were used.
        conditions: from the best to the worst mean.
        friedman: of all conditions, anchors and hidden reference among them; None of fewer than three.
        friedman_systems: of the conditions under test alone.
        differences: of all pairs, in the order of `conditions`.
        correlations: with objective figures, where they are known.
        warnings: what was left aside, and why.
    """

    listeners: tuple[str, ...]
    exclusions: tuple[Exclusion, ...]
    trials: tuple[str, ...]
    conditions: tuple[Condition, ...]
    friedman: Friedman | None
    friedman_systems: Friedman | None
    differences: tuple[Difference, ...]
    correlations: tuple[Correlation, ...]
    warnings: tuple[str, ...]

    @property
    def deviation(self) -> float:
        """Of the listeners' differences of two conditions under test: the median of all pairs; nan of no pair."""
        told = [each.deviation for each in self.differences if not {each.first, each.second} & NO_SYSTEMS]
        known = [each for each in told or [each.deviation for each in self.differences] if np.isfinite(each)]
        return float(np.median(known)) if known else float("nan")

    @property
    def power(self) -> float:
        """Of a single paired test to find a difference of `POINTS`, with the listeners that stay."""
        return power(len(self.listeners), POINTS, self.deviation) if np.isfinite(self.deviation) else float("nan")

    @property
    def corrected_power(self) -> float:
        """The same when all pairs are tested: at the level of Holm's first, strictest step."""
        level = 0.05 / max(1, len(self.differences))
        known = np.isfinite(self.deviation)
        return power(len(self.listeners), POINTS, self.deviation, level) if known else float("nan")

    @property
    def needed(self) -> int | None:
        """Listeners with whom a single test finds `POINTS` in four of five experiments; None if unknown."""
        return listeners_needed(POINTS, self.deviation) if np.isfinite(self.deviation) else None


NO_SYSTEMS = {REFERENCE, LOW_ANCHOR, MID_ANCHOR}


def analyse(ratings: Sequence[Rating], figures: Figures | None = None, seed: int = 0) -> Analysis:
    """Analyse the ratings of one test.

    Only conditions that every trial has are used, and only trials in which a listener rated all of them.

    Args:
        figures: objective figures by trial and condition.
        seed: of the bootstrap.

    Raises:
        SourceError: if trials have fewer than two conditions in common, or post-screening excludes every listener.
    """
    screened, out = post_screen(ratings)
    names = _shared(screened)
    warnings = [*_unshared(screened, names)]
    used, left = _complete(screened, names)
    warnings += left
    if not used:
        raise SourceError(_nobody(len(out)))
    warnings += _unequal(used)
    columns = _listener_means(used, names)
    conditions = sorted((_condition(name, used, columns[name], seed) for name in names), key=lambda each: -each.mean)
    ordered = {each.name: columns[each.name] for each in conditions}
    systems = {name: column for name, column in ordered.items() if name not in NO_SYSTEMS}
    return Analysis(
        _names(rating.listener for rating in used),
        tuple(out),
        _names(rating.trial for rating in used),
        tuple(conditions),
        friedman(ordered),
        friedman(systems),
        tuple(differences(ordered)),
        tuple(correlations(used, figures or {})),
        tuple(warnings),
    )


def _nobody(out: int) -> str:
    if out:
        return f"post-screening leaves out all {out} listeners: there is nothing to analyse"
    return "no listener rated all conditions of a trial, of which every trial has at least two: nothing to analyse"


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _shared(ratings: Sequence[Rating]) -> tuple[str, ...]:
    """The conditions that every trial has, in the order of their first rating."""
    of: defaultdict[str, set[str]] = defaultdict(set)
    for rating in ratings:
        of[rating.trial].add(rating.condition)
    everywhere = set.intersection(*of.values()) if of else set()
    return tuple(name for name in _names(rating.condition for rating in ratings) if name in everywhere)


def _unshared(ratings: Sequence[Rating], names: Sequence[str]) -> Iterable[str]:
    for name in sorted({rating.condition for rating in ratings} - set(names)):
        yield f"{name!r} is not in every trial: it was left aside"


def _complete(ratings: Sequence[Rating], names: Sequence[str]) -> tuple[list[Rating], list[str]]:
    """The ratings of trials that a listener finished, and how many were left aside."""
    wanted = [rating for rating in ratings if rating.condition in names]
    rated: defaultdict[tuple[str, str], int] = defaultdict(int)
    for rating in wanted:
        rated[rating.listener, rating.trial] += 1
    unfinished = [place for place, count in rated.items() if count < len(names)]
    told = [f"trial {trial!r} of listener {who!r} is not complete: it was left aside" for who, trial in unfinished]
    out = set(unfinished)
    used = [rating for rating in wanted if (rating.listener, rating.trial) not in out] if len(names) >= FEWEST else []
    return used, told


def _unequal(ratings: Sequence[Rating]) -> list[str]:
    """A warning if listeners rated different trials: their means then differ by the trials, too."""
    heard: defaultdict[str, set[str]] = defaultdict(set)
    for rating in ratings:
        heard[rating.listener].add(rating.trial)
    most = len({rating.trial for rating in ratings})
    fewer = sum(len(trials) < most for trials in heard.values())
    return [f"{fewer} of {len(heard)} listeners finished fewer than all {most} trials"] if fewer else []


def _listener_means(ratings: Sequence[Rating], names: Sequence[str]) -> Mapping[str, NDArray[np.float64]]:
    """Of each condition, the mean of each listener over the trials, in the order of the listeners."""
    told: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for rating in ratings:
        told[rating.condition, rating.listener].append(rating.score)
    listeners = _names(rating.listener for rating in ratings)
    return {name: np.array([np.mean(told[name, listener]) for listener in listeners]) for name in names}


def _condition(name: str, ratings: Sequence[Rating], column: NDArray[np.float64], seed: int) -> Condition:
    scores = tuple(rating.score for rating in ratings if rating.condition == name)
    low, median, high = map(float, np.quantile(scores, [0.25, 0.5, 0.75]))
    bootstrap = bootstrap_interval(column, seed)
    return Condition(name, scores, median, (low, high), float(column.mean()), t_interval(column), bootstrap)
