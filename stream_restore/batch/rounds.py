"""Recordings that storage failed are tried again, later: each time all that are left, after the others."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from ..errors import ConfigError
from ..passes.job import Report
from .item import Item, Passing

__all__ = ["MOST", "Again", "Outcome", "Outcomes", "in_rounds"]

FIRST, FACTOR, LONGEST = 10.0, 3.0, 600.0
"""Seconds from a failure to the next try, how they grow, and what they never exceed: 10, 30, 90, ..."""
MOST = 100

Outcome = tuple[Item, Report | str, int]
"""An item, its report or the message of its error, and how often it was tried."""
Outcomes = Callable[[Sequence[Item], bool], Iterator[Outcome]]
"""Restores items, resuming what was begun if the second argument says so."""
Again = Callable[[Item, str, float], None]
"""Called with an item, the message of its error, and the seconds until it is tried again, or more."""


def in_rounds(items: Sequence[Item], outcomes: Outcomes, resume: bool, retries: int, again: Again) -> Iterator[Outcome]:
    """Restore all items; those whose error may pass once more, `retries` times at most.

    No worker waits meanwhile: a round begins when the one before it has ended, and the pause after its last failure.

    Raises:
        ConfigError: if `retries` is negative, or absurd.
    """
    if not 0 <= retries <= MOST:
        raise ConfigError(f"a recording is tried again 0 to {MOST} times, got {retries}")
    tried: dict[Item, list[str]] = {}
    attempts: dict[Item, int] = {}
    for number in range(retries + 1):
        left: list[Item] = []
        pause, due = min(LONGEST, FIRST * FACTOR**number), 0.0
        for item, outcome, count in outcomes(items, resume or number > 0):
            attempts[item] = attempts.get(item, 0) + count
            if isinstance(outcome, Passing) and number < retries:
                left.append(item)
                due = time.monotonic() + pause
                tried.setdefault(item, []).append(str(outcome))
                again(item, outcome, pause)
            else:
                yield item, _told(item, outcome, tried.pop(item, [])), attempts.pop(item)
        if not left:
            return
        items = left
        time.sleep(max(0.0, due - time.monotonic()))


def _told(item: Item, outcome: Report | str, failures: list[str]) -> Report | str:
    """The outcome, with what failed before it."""
    if not failures:
        return outcome
    if isinstance(outcome, str):
        return f"{outcome}; tried {len(failures) + 1} times, --resume tries again"
    warning = f"{item.source}: its storage failed, at last: {failures[-1]}; it was tried again and is whole"
    return replace(outcome, warnings=[*outcome.warnings, warning])
