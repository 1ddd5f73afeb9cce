"""The workers of a batch as actors of Ray, on this machine or on many.

Each actor loads the model once. Recordings are spread over them; a long one that is restored is cut into ranges for
different actors, see `pieces`. One that is degraded is not: the low-pass would run from its start for each. Inputs and
outputs are paths, so all nodes must see the same files. What a worker was doing that dies, or leaves with its node, is
tried again, see `actors`.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ..errors import BusyError, ConfigError
from ..passes.job import Report
from .actors import Actors, Death, connected
from .item import Item, late_report, outcome_of
from .pieces import Cut, cut, join, restore_piece
from .treatment import Restorer, Treatment

__all__ = ["Cluster", "treated_on_cluster"]

CHECKPOINT_SECONDS = 30.0
"""Of work between two checkpoints: some 8 MB each, which all workers write to storage that they share."""
_JOIN = -1


@dataclass(frozen=True)
class Cluster:
    """Where Ray runs, and how recordings are spread over it.

    Attributes:
        address: of a cluster that runs, or "local" for one of its own on this machine.
        longest_seconds: recordings that last longer are cut into pieces of this length.
        gpus: that each actor needs.
    """

    address: str
    longest_seconds: float = 1800.0
    gpus: int = 0

    def __post_init__(self) -> None:
        if not self.longest_seconds > 0:
            raise ConfigError(f"pieces last longer than 0 s, got {self.longest_seconds:g}")


@dataclass
class _Work:
    """One recording under way: its cut if it is restored in pieces, and what has come of them."""

    item: Item
    longest_seconds: float | None
    """Of what is not cut; None: nothing is."""
    new: bool
    """Whether its output did not exist before: if it does, it was made here."""
    whole: Cut | None = None
    reports: list[Report] = field(default_factory=list)
    attempts: int = 1
    running: int = 0
    failed: bool = False
    uncut: bool = False
    """Whether it is to be restored as one instead, as soon as no piece is under way."""


@dataclass(frozen=True)
class _Task:
    """What one actor does at a time: all of a recording (None), a piece by its number, or `_JOIN`."""

    work: _Work
    part: int | None = None


class _Actor:
    """Runs on a worker of Ray."""

    def __init__(self, treatment: Treatment) -> None:
        stored = replace(treatment.stored, checkpoint_seconds=CHECKPOINT_SECONDS)
        self._treatment = replace(treatment, stored=stored)

    def run(self, task: _Task, resume: bool, again: bool) -> Report | Cut | str | Death:
        """Do a task; errors come back as their messages. A recording that is long comes back with its cut."""
        return outcome_of(task.work.item, partial(self._done, task, resume or again, again))

    def _done(self, task: _Task, resume: bool, again: bool) -> Report | Cut | Death:
        work, how = task.work, self._treatment
        try:
            if again and work.new and task.part in (None, _JOIN) and (report := late_report(work.item)):
                return report
            if not isinstance(how, Restorer):
                return how(work.item, resume)
            if work.whole is None:
                whole = cut(how, work.item, work.longest_seconds) if work.longest_seconds is not None else None
                return whole or how(work.item, resume)
            if task.part == _JOIN:
                return join(how, work.whole)
            return restore_piece(how, work.whole, task.part or 0, resume)
        except BusyError as error:
            if not resume:
                raise
            # A worker that was lost may live on where it cannot be reached, until it notices.
            return Death(str(error), lost=True)


def treated_on_cluster(
    treatment: Treatment,
    items: Sequence[Item],
    cluster: Cluster,
    *,
    jobs: int | None,
    resume: bool,
    begin: Callable[[int, Item], None],
    share: Callable[[Item, float], None],
) -> Iterator[tuple[Item, Report | str, int]]:
    """As `treated_by_workers`, on Ray.

    Args:
        cluster: where and how.
        jobs: actors; None: as many as there are CPUs, or GPUs if they need one.

    Raises:
        ConfigError: if Ray is not installed, there is no cluster at the address, or it has no worker for a long time.
    """
    with connected(cluster.address) as ray:
        actors: Actors[_Task] = Actors(ray, _Actor, treatment, jobs=jobs, gpus=cluster.gpus)
        waiting: deque[_Task] = deque()
        coming = enumerate(items, 1)
        while True:
            while actors.has_room and (waiting or (new := next(coming, None))):
                if not waiting and new:
                    begin(*new)
                    waiting.append(_Task(_Work(new[1], cluster.longest_seconds, new[1].is_new)))
                task = waiting.popleft()
                if not task.work.failed:
                    task.work.running += 1
                    actors.submit(task, _sent(task), resume)
            if not actors.busy:
                return
            task, outcome, attempts = actors.next_outcome()
            task.work.running -= 1
            task.work.attempts += attempts - 1
            if not task.work.failed:
                yield from _taken(task, outcome, waiting, share)
            if task.work.uncut and not task.work.running:
                task.work.item.discard_pieces()
                waiting.appendleft(_Task(_Work(task.work.item, None, task.work.new, attempts=task.work.attempts)))


def _sent(task: _Task) -> _Task:
    """What an actor gets to see of a task. It may be in another folder."""
    item = task.work.item.absolute()
    whole = replace(task.work.whole, item=item) if task.work.whole else None
    return _Task(_Work(item, task.work.longest_seconds, task.work.new, whole), task.part)


def _taken(
    task: _Task, outcome: Report | Cut | str | Death, waiting: deque[_Task], share: Callable[[Item, float], None]
) -> Iterator[tuple[Item, Report | str, int]]:
    """Take in what came of a task; yield what became of its recording, once that is known."""
    work = task.work
    if isinstance(outcome, Cut):
        work.whole = replace(outcome, item=work.item)
        waiting.extendleft(_Task(work, number) for number in reversed(range(len(outcome.ranges))))
        return
    if isinstance(outcome, str) and work.whole and task.part != _JOIN:
        # Pieces trust the length in its header: one that is shorter is restored as one, which also says what is wrong.
        work.failed = work.uncut = True
        return
    if isinstance(outcome, Death):
        outcome = f"{work.item.source}: its workers died or left {work.attempts} times, at last: {outcome.cause}"
    if isinstance(outcome, str):
        work.failed = True
        yield work.item, outcome, work.attempts
    elif work.whole is None or task.part == _JOIN:
        # What pieces say of the recording; not what they say of themselves.
        said = dict.fromkeys(warning for report in work.reports for warning in report.warnings)
        outcome.warnings += [warning for warning in said if warning.startswith(f"{work.item.absolute().source}: ends")]
        if work.attempts > 1:
            outcome.warnings.append(
                f"{work.item.source}: workers died or left {work.attempts - 1} times; it was tried again and is whole"
            )
        yield work.item, outcome, work.attempts
    else:
        work.reports.append(outcome)
        share(work.item, 0.99 * len(work.reports) / len(work.whole.ranges))
        if len(work.reports) == len(work.whole.ranges):
            waiting.appendleft(_Task(work, _JOIN))
