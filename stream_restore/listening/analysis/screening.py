"""Post-screening of assessors after Recommendation ITU-R BS.1534-3, section 4.1.2."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..ratings import MID_ANCHOR, REFERENCE, Rating

__all__ = ["Exclusion", "post_screen"]

SCORE = 90.0
SHARE_OF_TRIALS = 0.15
SHARE_OF_LISTENERS = 0.25


@dataclass(frozen=True)
class Exclusion:
    """A listener that is left out, and why.

    Attributes:
        reference_missed: share of trials in which the hidden reference was rated below 90.
        anchor_missed: share of trials in which the mid anchor was rated above 90, those left aside in which more than
            a quarter of the listeners did so.
    """

    listener: str
    reference_missed: float
    anchor_missed: float

    @property
    def reason(self) -> str:
        """In words."""
        told = {
            f"rated the hidden reference below {SCORE:g} in": self.reference_missed,
            f"rated the mid anchor above {SCORE:g} in": self.anchor_missed,
        }
        over = [f"{words} {share:.0%} of the trials" for words, share in told.items() if share > SHARE_OF_TRIALS]
        return " and ".join(over)


def post_screen(ratings: Sequence[Rating]) -> tuple[list[Rating], list[Exclusion]]:
    """The ratings of the listeners that stay, and the others.

    A listener is left out who rates the hidden reference below 90 in more than 15 % of the trials, or the mid anchor
    above 90 in more than 15 %. If more than 25 % of the listeners rate the mid anchor of a trial above 90, it was not
    worse enough there, and nobody is judged by it.

    >>> two = [Rating("a", "t", REFERENCE, 100), Rating("b", "t", REFERENCE, 60)]
    >>> kept, out = post_screen(two)
    >>> [rating.listener for rating in kept], out[0].reason
    (['a'], 'rated the hidden reference below 90 in 100% of the trials')
    """
    missed = _shares((rating for rating in ratings if rating.condition == REFERENCE), lambda score: score < SCORE)
    anchors = [rating for rating in ratings if rating.condition == MID_ANCHOR]
    weak = {trial for trial, share in _shares(anchors, _above, by_trial=True).items() if share > SHARE_OF_LISTENERS}
    praised = _shares((rating for rating in anchors if rating.trial not in weak), _above)
    out = [
        Exclusion(listener, missed.get(listener, 0.0), praised.get(listener, 0.0))
        for listener in dict.fromkeys(rating.listener for rating in ratings)
        if max(missed.get(listener, 0.0), praised.get(listener, 0.0)) > SHARE_OF_TRIALS
    ]
    names = {each.listener for each in out}
    return [rating for rating in ratings if rating.listener not in names], out


def _above(score: float) -> bool:
    return score > SCORE


def _shares(ratings: Iterable[Rating], bad: Callable[[float], bool], by_trial: bool = False) -> dict[str, float]:
    """The share of bad ratings of each listener, or of each trial."""
    told: defaultdict[str, list[bool]] = defaultdict(list)
    for rating in ratings:
        told[rating.trial if by_trial else rating.listener].append(bad(rating.score))
    return {name: sum(each) / len(each) for name, each in told.items()}
