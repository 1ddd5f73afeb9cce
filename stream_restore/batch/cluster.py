"""The workers of a batch as actors of Ray, on this machine or on many.

Each actor loads the model once. Recordings are spread over them; a long one is cut into ranges that different actors
restore, see `pieces`. Inputs and outputs are paths, so all nodes must see the same files. An actor that dies, or leaves
with its node, is replaced, and what it was doing is tried again, `ATTEMPTS` times in all.
"""

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

from ..errors import ConfigError, RestoreError
from ..passes.job import Report
from .item import Item, outcome_of
from .pieces import Cut, clear, cut, join, restore_piece
from .restorer import Restorer
from .workers import ATTEMPTS

__all__ = ["Cluster", "restored_on_cluster"]

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
    attempt: int = 1


@dataclass(frozen=True)
class _Death:
    """The end of an actor with its task."""

    cause: str


class _Actor:
    """Runs on a worker of Ray."""

    def __init__(self, restorer: Restorer) -> None:
        self._restorer = restorer

    def run(self, item: Item, whole: Cut | None, part: int | None, resume: bool) -> Report | str:
        """Do a task; errors come back as their messages."""
        if whole is None or part is None:
            return outcome_of(item, lambda: self._restorer(item, resume))
        if part == _JOIN:
            return outcome_of(item, lambda: join(self._restorer, whole))
        return outcome_of(item, lambda: restore_piece(self._restorer, whole, part, resume))


def restored_on_cluster(
    restorer: Restorer,
    items: Sequence[Item],
    cluster: Cluster,
    *,
    jobs: int | None,
    resume: bool,
    begin: Callable[[int, Item], None],
    share: Callable[[Item, float], None],
) -> Iterator[tuple[Item, Report | str, int]]:
    """As `restored_by_workers`, on Ray.

    Args:
        cluster: where and how.
        jobs: actors; None: as many as there are CPUs, or GPUs if they need one.

    Raises:
        ConfigError: if Ray is not installed, or there is no cluster at the address.
    """
    with _ray(cluster.address) as ray:
        actors = _Actors(ray, restorer, jobs, cluster.gpus)
        waiting: deque[_Task] = deque()
        coming = enumerate(items, 1)
        while True:
            while actors.any_free and (waiting or (new := next(coming, None))):
                if not waiting and new:
                    begin(*new)
                    waiting.extend(_planned(restorer, new[1], cluster.longest_seconds))
                if waiting[0].work.failed:
                    waiting.popleft()
                else:
                    waiting[0].work.running += 1
                    actors.submit(waiting.popleft(), resume)
            if not actors.busy:
                return
            task, outcome = actors.next_outcome()
            task.work.running -= 1
            if isinstance(outcome, _Death) and task.attempt < ATTEMPTS:
                task.work.attempts += 1
                waiting.appendleft(_Task(task.work, task.part, task.attempt + 1))
            elif not task.work.failed:
                yield from _taken(task, outcome, waiting, share)
            if task.work.uncut and not task.work.running:
                clear(task.work.item)
                waiting.appendleft(_Task(_Work(task.work.item, attempts=task.work.attempts)))


def _planned(restorer: Restorer, item: Item, longest_seconds: float) -> list[_Task]:
    """The tasks of a recording, but for the last, which joins pieces."""
    try:
        whole = cut(restorer, item, longest_seconds)
    except (RestoreError, OSError):
        whole = None  # restoring it says what is wrong with it
    work = _Work(item, whole)
    return [_Task(work, number) for number in range(len(whole.ranges))] if whole else [_Task(work)]


def _taken(
    task: _Task, outcome: "Report | str | _Death", waiting: deque[_Task], share: Callable[[Item, float], None]
) -> Iterator[tuple[Item, Report | str, int]]:
    """Take in what came of a task; yield what became of its recording, once that is known."""
    work = task.work
    if isinstance(outcome, str) and work.whole and task.part != _JOIN:
        # Pieces trust the length in its header: one that is shorter is restored as one, which also says what is wrong.
        work.failed = work.uncut = True
        return
    if isinstance(outcome, _Death):
        outcome = f"{work.item.source}: its worker died {task.attempt} times, at last: {outcome.cause}"
    if isinstance(outcome, str):
        work.failed = True
        yield work.item, outcome, work.attempts
    elif work.whole is None or task.part == _JOIN:
        # What pieces say of the recording; not what they say of themselves.
        said = dict.fromkeys(warning for report in work.reports for warning in report.warnings)
        outcome.warnings += [warning for warning in said if warning.startswith(f"{work.item.absolute().source}: ends")]
        if work.attempts > 1:
            outcome.warnings.append(f"{work.item.source}: a worker died of it; it was tried again and is whole")
        yield work.item, outcome, work.attempts
    else:
        work.reports.append(outcome)
        share(work.item, 0.99 * len(work.reports) / len(work.whole.ranges))
        if len(work.reports) == len(work.whole.ranges):
            waiting.appendleft(_Task(work, _JOIN))


class _Actors:
    """Actors of Ray, each with one task at most."""

    def __init__(self, ray: Any, restorer: Restorer, jobs: int | None, gpus: int) -> None:
        resources = ray.cluster_resources()
        most = int(resources.get("GPU", 0) // gpus if gpus else resources.get("CPU", 1))
        if not most:
            raise ConfigError("the cluster has no GPU; leave out --device cuda")
        self._ray, self._most = ray, min(jobs or most, most)
        self._restorer = ray.put(restorer)
        # One thread of BLAS, as the command line has it: the last bits may depend on their number.
        environment = {"env_vars": {"OPENBLAS_NUM_THREADS": "1"}}
        self._make = (
            ray.remote(_Actor).options(num_cpus=1, num_gpus=gpus, max_restarts=0, runtime_env=environment).remote
        )
        self._idle: list[Any] = []
        self._tasks: dict[Any, tuple[Any, _Task]] = {}

    @property
    def any_free(self) -> bool:
        """Whether another task can be submitted."""
        return len(self._tasks) < self._most

    @property
    def busy(self) -> bool:
        """Whether a task is under way."""
        return bool(self._tasks)

    def submit(self, task: _Task, resume: bool) -> None:
        """Begin a task; what is tried again is resumed."""
        actor = self._idle.pop() if self._idle else self._make(self._restorer)
        work = task.work
        # An actor may be in another folder.
        item = work.item.absolute()
        future = actor.run.remote(
            item, replace(work.whole, item=item) if work.whole else None, task.part, resume or task.attempt > 1
        )
        self._tasks[future] = actor, task

    def next_outcome(self) -> "tuple[_Task, Report | str | _Death]":
        """What came of the task that ends first."""
        (future,), _ = self._ray.wait(list(self._tasks), num_returns=1)
        actor, task = self._tasks.pop(future)
        try:
            outcome: Report | str = self._ray.get(future)
        except self._ray.exceptions.RayError as error:
            return task, _Death(" ".join(str(error).split())[:300])
        self._idle.append(actor)
        return task, outcome


@contextmanager
def _ray(address: str) -> Iterator[Any]:
    """Ray, connected until the context ends; one that is local ends with it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise ConfigError(f"--cluster needs Ray ({error}): pip install 'stream_restore[cluster]'") from error
    local = {"include_dashboard": False} if address == "local" else {}
    on_end = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", **local)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConfigError(f"there is no cluster of Ray at {address}: {error}") from error
    finally:
        signal.signal(signal.SIGTERM, on_end)  # Ray's own handler would end the process without tidying up
    try:
        with redirect_stdout(sys.stderr):  # Ray says there that a worker died
            yield ray
    finally:
        ray.shutdown()
