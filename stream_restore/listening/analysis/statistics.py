"""The statistics of a listening test in which everybody rates everything.

Listeners are the unit: of each, the mean over the trials is taken first. To count every trial of a listener as one more
independent answer would make intervals too short (Hurlbert, "Pseudoreplication", Ecological Monographs 54, 1984).
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import nan, sqrt
from typing import TypeAlias

import numpy as np
import scipy  # loads scipy.stats, which is slow to import, when it is needed
from numpy.typing import NDArray

__all__ = ["Difference", "Friedman", "Interval", "Pair", "bootstrap_interval", "differences", "friedman", "holm",
           "least_p", "listeners_needed", "power", "t_interval"]  # fmt: skip

CONFIDENCE = 0.95
SHEETS, SHEET = 20, 500
"""Resamples of the bootstrap, and how many of them are held at once."""
MOST_LISTENERS = 10_000

Column: TypeAlias = NDArray[np.float64]
"""One number for each listener, shape (listeners,)."""
Interval: TypeAlias = tuple[float, float]
Pair: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Friedman:
    """Friedman's test: whether any condition is rated unlike another.

    Attributes:
        statistic: chi squared, corrected for ties.
        p: of it, with one degree of freedom less than conditions.
        kendall_w: the effect size, 0 for no agreement of the listeners and 1 for one order for all of them.
    """

    statistic: float
    p: float
    kendall_w: float


@dataclass(frozen=True)
class Difference:
    """How two conditions differ, first minus second.

    Attributes:
        mean: of the listeners' differences, with its 95 % t interval.
        deviation: standard deviation of the listeners' differences.
        p: of Wilcoxon's signed-rank test, two-sided.
        p_holm: the same after Holm's correction for all pairs.
        rank_biserial: matched-pairs rank-biserial correlation, from -1 to 1 (Kerby, 2014).
        cohen_dz: mean over deviation; nan where all listeners differ alike.
    """

    first: str
    second: str
    mean: float
    interval: Interval
    deviation: float
    p: float
    p_holm: float
    rank_biserial: float
    cohen_dz: float


def t_interval(column: Column) -> Interval:
    """95 % of Student's t for the mean; (nan, nan) of fewer than two numbers."""
    if len(column) < 2:
        return nan, nan
    reach = _t(len(column) - 1) * float(column.std(ddof=1)) / sqrt(len(column))
    mean = float(column.mean())
    return mean - reach, mean + reach


def bootstrap_interval(column: Column, seed: int) -> Interval:
    """95 % of the percentile bootstrap for the mean; (nan, nan) of fewer than two numbers."""
    if len(column) < 2:
        return nan, nan
    rng = np.random.default_rng(seed)
    means = [column[rng.integers(len(column), size=(SHEET, len(column)))].mean(axis=1) for _ in range(SHEETS)]
    low, high = np.quantile(np.concatenate(means), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def friedman(columns: Mapping[str, Column]) -> Friedman | None:
    """The test of three or more conditions by two or more listeners; None of fewer.

    Where every listener rates all conditions alike, p is 1.
    """
    count, listeners = len(columns), min(map(len, columns.values()), default=0)
    if count < 3 or listeners < 2:
        return None
    table = np.array(list(columns.values()))
    if (table == table[0]).all():
        return Friedman(0.0, 1.0, 0.0)
    found = scipy.stats.friedmanchisquare(*table)
    return Friedman(float(found.statistic), float(found.pvalue), float(found.statistic) / (listeners * (count - 1)))


def differences(columns: Mapping[str, Column]) -> list[Difference]:
    """Every pair of conditions, in the order of the mapping."""
    pairs = list(combinations(columns, 2))
    found = [_difference(pair, columns[pair[0]] - columns[pair[1]]) for pair in pairs]
    corrected = holm([each.p for each in found])
    return [Difference(**{**vars(each), "p_holm": p}) for each, p in zip(found, corrected, strict=True)]


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down correction of p values (Scandinavian Journal of Statistics 6, 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected, largest = [0.0] * len(values), 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        largest = max(largest, min(1.0, (len(values) - rank) * values[place]))
        corrected[place] = largest
    return corrected


def power(listeners: int, points: float, deviation: float, alpha: float = 0.05) -> float:
    """Probability that a paired t test, two-sided, finds a difference of `points`.

    Wilcoxon's test has 95.5 % of its efficiency for normal numbers, never less than 86.4 % (Hodges and Lehmann, 1956);
    but with so few listeners that its least p, 2**(1 - listeners), is above `alpha`, it finds nothing, and this is 0.

    Args:
        deviation: standard deviation of the listeners' differences, in points.
        alpha: level of the test.
    """
    if listeners < 2 or least_p(listeners) > alpha:
        return 0.0
    if deviation <= 0:
        return 1.0
    shift, freedom = sqrt(listeners) * abs(points) / deviation, listeners - 1
    bound = float(scipy.stats.t.isf(alpha / 2, freedom))
    # Far out, where the answer is 1, SciPy's tail beyond the other bound is nan.
    above, below = scipy.stats.nct.sf(bound, freedom, shift), scipy.stats.nct.cdf(-bound, freedom, shift)
    return min(1.0, float(np.nan_to_num(above, nan=1.0)) + float(np.nan_to_num(below)))


def least_p(listeners: int) -> float:
    """The smallest p of Wilcoxon's test, two-sided: all differences have one sign.

    >>> least_p(5), least_p(6)
    (0.0625, 0.03125)
    """
    return float(2.0 ** (1 - listeners))


def listeners_needed(points: float, deviation: float, wanted: float = 0.8, alpha: float = 0.05) -> int | None:
    """Fewest listeners whose test has this power; None if more than `MOST_LISTENERS`."""
    counts = range(2, MOST_LISTENERS + 1)
    place = bisect_left(counts, wanted, key=lambda listeners: power(listeners, points, deviation, alpha))
    return counts[place] if place < len(counts) else None


def _t(freedom: int) -> float:
    return float(scipy.stats.t.isf((1 - CONFIDENCE) / 2, freedom))


def _difference(pair: Pair, column: Column) -> Difference:
    deviation = float(column.std(ddof=1)) if len(column) > 1 else nan
    mean = float(column.mean()) if len(column) else nan
    effect = mean / deviation if deviation > 0 else (0.0 if mean == 0 else nan)
    p, biserial = _wilcoxon(column)
    return Difference(*pair, mean, t_interval(column), deviation, p, p, biserial, effect)


def _wilcoxon(column: Column) -> tuple[float, float]:
    """Two-sided p, exact where SciPy can, and the rank-biserial correlation; equal ratings count for nothing."""
    moved = column[column != 0]
    if not len(moved):
        return 1.0, 0.0
    ranks = scipy.stats.rankdata(np.abs(moved))
    biserial = float((ranks * np.sign(moved)).sum() / ranks.sum())
    return float(scipy.stats.wilcoxon(moved).pvalue), biserial
