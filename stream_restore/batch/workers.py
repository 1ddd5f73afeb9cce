"""Several processes that restore recordings side by side, one of which may die.

Each worker loads the model once. A recording whose worker was killed is tried again by a new one, which goes on where
its journal says, `ATTEMPTS` times in all.
"""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from ..passes.job import Report
from .item import Item
from .restorer import Restorer, work

__all__ = ["ATTEMPTS", "restored_by_workers"]

ATTEMPTS = 3
"""How often a recording is tried whose worker dies of it."""
PATIENCE = 10.0
"""Seconds that a worker has to tidy up before it is killed."""


@dataclass(frozen=True)
class _Task:
    item: Item
    number: int
    attempt: int = 1
    deaths: tuple[str, ...] = ()


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    task: _Task | None = None


def restored_by_workers(
    restorer: Restorer,
    items: Sequence[Item],
    jobs: int,
    resume: bool,
    begin: Callable[[int, Item], None],
    share: Callable[[Item, float], None],
) -> Iterator[tuple[Item, Report | str, int]]:
    """Each item with its report or the message of its error, and how often it was tried, in the order of completion.

    Args:
        restorer: is sent to every worker.
        items: restored in this order, as workers become free.
        jobs: workers at most.
        resume: as for `Restorer`; what is tried again is always resumed.
        begin: called with the number of an item, from 1, and the item, when a worker gets it for the first time.
        share: called with an item and the part of it that is done.
    """
    waiting = deque(_Task(item, number) for number, item in enumerate(items, 1))
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.task for worker in workers):
            while waiting and (free := _free(workers, jobs, restorer)):
                task = waiting.popleft()
                if task.attempt == 1:
                    begin(task.number, task.item)
                _give(free, task, resume)
            for worker in _ready(workers):
                message = _message(worker)
                if worker.task is None:
                    continue
                if isinstance(message, float):
                    share(worker.task.item, message)
                    continue
                done, worker.task = worker.task, None
                if message is None:
                    workers.remove(worker)
                    done = replace(done, deaths=(*done.deaths, _cause(worker.process)))
                    if done.attempt < ATTEMPTS:
                        waiting.appendleft(replace(done, attempt=done.attempt + 1))
                        continue
                yield done.item, _told(message, done), done.attempt
    finally:
        _stop(workers)


def _free(workers: list[_Worker], jobs: int, restorer: Restorer) -> _Worker | None:
    """A worker that has nothing to do, a new one if there may be more."""
    for worker in workers:
        if worker.task is None:
            return worker
    if len(workers) == jobs:
        return None
    # A fork would take locks and threads of the model with it.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(restorer, theirs), daemon=True)
    process.start()
    theirs.close()  # so that its death ends the connection
    workers.append(_Worker(process, ours))
    return workers[-1]


def _give(worker: _Worker, task: _Task, resume: bool) -> None:
    worker.task = task
    with suppress(OSError):  # one that died is noticed where its answer is read
        worker.connection.send((task.item, resume or task.attempt > 1))


def _ready(workers: list[_Worker]) -> list[_Worker]:
    """Workers that have something to say, or are dead."""
    heard = wait([worker.connection for worker in workers if worker.task])
    return [worker for worker in workers if worker.connection in heard]


def _message(worker: _Worker) -> float | Report | str | None:
    """What a worker says; None if it died."""
    try:
        said: float | Report | str = worker.connection.recv()
        return said
    except (EOFError, OSError):
        return None


def _told(message: float | Report | str | None, task: _Task) -> Report | str:
    """The outcome, with the workers that died before it."""
    deaths = ", ".join(task.deaths)
    if isinstance(message, Report):
        if deaths:
            message.warnings.append(f"{task.item.source}: its worker died ({deaths}); it was tried again and is whole")
        return message
    if isinstance(message, str):
        return message
    return (
        f"{task.item.source}: its worker died {task.attempt} times ({deaths}), perhaps for want of memory;"
        " fewer --jobs take less, --resume tries again"
    )


def _cause(process: SpawnProcess) -> str:
    process.join(PATIENCE)
    code = process.exitcode
    if code is not None and code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def _stop(workers: list[_Worker]) -> None:
    """End all workers; those that are at work leave what can be resumed."""
    for worker in workers:
        worker.connection.close()
        if worker.task:
            worker.process.terminate()
    for worker in workers:
        worker.process.join(PATIENCE)
        worker.process.kill()
        worker.process.join()
