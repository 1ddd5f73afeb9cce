"""Findings of a listening test in plain words."""

from collections.abc import Iterator
from math import isfinite

from ..ratings import LOW_ANCHOR, MID_ANCHOR, REFERENCE
from .outcome import NO_SYSTEMS, POINTS, Analysis
from .statistics import Difference, least_p

__all__ = ["findings", "label"]

LEVEL = 0.05
FEW = 15
"""Listeners below which BS.1534-3 sees little to conclude from."""
LABELS = {REFERENCE: "hidden reference", LOW_ANCHOR: "3.5 kHz anchor", MID_ANCHOR: "7 kHz anchor"}


def label(condition: str) -> str:
    """What a condition is called in a report."""
    return LABELS.get(condition, condition)


def findings(analysis: Analysis) -> list[str]:
    """Sentences, one for each thing to know."""
    return [*_who(analysis), *_overall(analysis), *_pairs(analysis), *_means(analysis), *_unseen(analysis)]


def _who(analysis: Analysis) -> Iterator[str]:
    count, out = len(analysis.listeners), analysis.exclusions
    heard = f"{_number(len(analysis.trials), 'trial')} of {len(analysis.conditions)} conditions"
    yield f"{_number(count, 'listener')} rated {heard}."
    for each in out:
        yield f"Left out by post-screening: {each.listener}, who {each.reason}."
    if count < FEW:
        yield f"{_number(count, 'listener')} are few: tests after BS.1534-3 usually have {FEW} to 20 that stay."
    yield from (f"Note: {warning}." for warning in analysis.warnings)


def _overall(analysis: Analysis) -> Iterator[str]:
    found = analysis.friedman_systems
    if found is None:
        return
    told = f"Friedman: chi squared {found.statistic:.2f}, {_p(found.p)}, Kendall's W {found.kendall_w:.2f}"
    if found.p < LEVEL:
        yield f"The conditions under test are not all rated alike ({told})."
    else:
        yield f"It is not shown that the conditions under test differ at all ({told})."


def _pairs(analysis: Analysis) -> Iterator[str]:
    for each in analysis.differences:
        if {each.first, each.second} & {LOW_ANCHOR, MID_ANCHOR} and {each.first, each.second} <= NO_SYSTEMS:
            continue
        yield _pair(each)


def _pair(each: Difference) -> str:
    first, second = label(each.first), label(each.second)
    low, high = each.interval
    numbers = f"difference {each.mean:.1f} points, 95 % interval {low:.1f} to {high:.1f}, {_p(each.p_holm)}"
    if each.p_holm < LEVEL:
        better, worse = (first, second) if each.rank_biserial > 0 else (second, first)
        return f"{better} is rated above {worse} ({numbers} after Holm, rank-biserial {each.rank_biserial:.2f})."
    return f"It is not shown that {first} and {second} differ ({numbers} after Holm); nor that they are alike."


def _means(analysis: Analysis) -> Iterator[str]:
    by_name = {each.name: each for each in analysis.conditions}
    if (reference := by_name.get(REFERENCE)) and reference.mean < 90:
        yield f"The hidden reference has a mean of {reference.mean:.1f}: listeners often took it for a worse one."
    best = [name for name in by_name if name != REFERENCE and REFERENCE in by_name]
    above = [name for name in best if by_name[name].mean > by_name[REFERENCE].mean]
    for name in above:
        yield f"{label(name)} has a higher mean than the hidden reference: it was hardly told apart from it."


def _unseen(analysis: Analysis) -> Iterator[str]:
    if not isfinite(analysis.deviation):
        yield "With one listener nothing can be said about what others would hear."
        return
    count = _number(len(analysis.listeners), "listener")
    yield (
        f"Power: with {count} whose differences have a standard deviation of {analysis.deviation:.1f} points, a"
        f" difference of {POINTS:g} points between two conditions is found with a probability of {analysis.power:.0%}"
        f" by one paired test, at least {analysis.corrected_power:.0%} when all {len(analysis.differences)} pairs are"
        " tested."
    )
    if (least := least_p(len(analysis.listeners)) * len(analysis.differences)) > LEVEL:
        yield f"With {count} no p after Holm can be below {least:.3f} at first: no pair can be shown to differ."
    if (needed := analysis.needed) is not None:
        yield f"For 80 % by one test it takes {_number(needed, 'listener')}."
    yield "What is shown holds for these excerpts and for listeners like these. p is not the size of a difference."
    for each in analysis.correlations:
        yield (
            f"{each.figure}: rank correlation {each.spearman:.2f} with the mean scores of {each.count} stimuli"
            f" ({_p(each.p)}); stimuli of one excerpt are not independent, so that p is too small."
        )


def _number(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
