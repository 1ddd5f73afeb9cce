"""Correlation of objective figures with listeners' scores."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import TypeAlias

import numpy as np
import scipy  # loads scipy.stats when it is needed

from ..ratings import REFERENCE, Rating

__all__ = ["Correlation", "Figures", "correlations"]

Figures: TypeAlias = Mapping[tuple[str, str], Mapping[str, float]]
"""By trial and condition, objective figures by name."""
FEWEST = 3


@dataclass(frozen=True)
class Correlation:
    """Of one objective figure with the mean score of each condition of each trial.

    Attributes:
        count: of conditions of trials; the hidden reference, of which a figure says infinity, is not among them.
        pearson: linear correlation.
        spearman: rank correlation, with its two-sided p.
    """

    figure: str
    count: int
    pearson: float
    spearman: float
    p: float


def correlations(ratings: Sequence[Rating], figures: Figures) -> list[Correlation]:
    """One for each figure that is known, finite and not constant at three places or more."""
    scores = _mean_scores(ratings)
    names = dict.fromkeys(name for place in scores for name in figures.get(place, {}))
    points = {
        name: [(figures[place][name], score) for place, score in scores.items() if _known(figures, place, name)]
        for name in names
    }
    return [_correlation(name, told) for name, told in points.items() if len(told) >= FEWEST]


def _known(figures: Figures, place: tuple[str, str], name: str) -> bool:
    return place[1] != REFERENCE and isfinite(figures.get(place, {}).get(name, nan))


def _correlation(name: str, points: Sequence[tuple[float, float]]) -> Correlation:
    figure, score = np.array(points).T
    if np.ptp(figure) == 0 or np.ptp(score) == 0:
        return Correlation(name, len(points), nan, nan, nan)
    ranks = scipy.stats.spearmanr(figure, score)
    pearson = float(scipy.stats.pearsonr(figure, score).statistic)
    return Correlation(name, len(points), pearson, float(ranks.statistic), float(ranks.pvalue))


def _mean_scores(ratings: Sequence[Rating]) -> dict[tuple[str, str], float]:
    told: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for rating in ratings:
        told[rating.trial, rating.condition].append(rating.score)
    return {place: float(np.mean(scores)) for place, scores in told.items()}
