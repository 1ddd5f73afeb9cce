"""Several processes that treat recordings side by side, one of which may die.

Each worker loads the model once. A recording whose worker was killed is tried again by a new one, which goes on where
its journal says, `ATTEMPTS` times in all.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import FrameType

from ..passes.job import Report
from .item import Item, late_report, outcome_of
from .treatment import Share, Treatment

__all__ = ["ATTEMPTS", "treated_by_workers"]

ATTEMPTS = 3
"""How often a recording is tried whose worker dies of it."""
PATIENCE = 10.0
"""Seconds that a worker has to tidy up before it is killed."""
EVERY_SECONDS = 0.2
"""Between two messages of progress."""


@dataclass(frozen=True)
class _Task:
    """`new`: whether its output did not exist before; if it does, it was made here."""

    item: Item
    number: int
    new: bool = False
    attempt: int = 1
    deaths: tuple[str, ...] = ()


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    task: _Task | None = None


def treated_by_workers(
    treatment: Treatment,
    items: Sequence[Item],
    jobs: int,
    resume: bool,
    begin: Callable[[int, Item], None],
    share: Callable[[Item, float], None],
) -> Iterator[tuple[Item, Report | str, int]]:
    """Each item with its report or the message of its error, and how often it was tried, in the order of completion.

    Args:
        treatment: is sent to every worker.
        items: treated in this order, as workers become free.
        jobs: workers at most.
        resume: as for `Treatment`; what is tried again is always resumed.
        begin: called with the number of an item, from 1, and the item, when a worker gets it for the first time.
        share: called with an item and the part of it that is done.
    """
    waiting = deque(_Task(item, number) for number, item in enumerate(items, 1))
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.task for worker in workers):
            while waiting and (free := _free(workers, jobs, treatment)):
                task = waiting.popleft()
                if task.attempt == 1:
                    begin(task.number, task.item)
                    task = replace(task, new=task.item.is_new)
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


def _free(workers: list[_Worker], jobs: int, treatment: Treatment) -> _Worker | None:
    """A worker that has nothing to do, a new one if there may be more."""
    for worker in workers:
        if worker.task is None:
            return worker
    if len(workers) == jobs:
        return None
    # A fork would take locks and threads of the model with it.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(treatment, theirs), daemon=True)
    process.start()
    theirs.close()  # so that its death ends the connection
    workers.append(_Worker(process, ours))
    return workers[-1]


def _give(worker: _Worker, task: _Task, resume: bool) -> None:
    worker.task = task
    with suppress(OSError):  # one that died is noticed where its answer is read
        again = task.attempt > 1
        worker.connection.send((task.item, resume or again, again and task.new))


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


def _work(treatment: Treatment, connection: Connection) -> None:
    """The life of a worker: treat what comes through the connection, until None comes.

    It answers with floats, the share that is done, and at last with a report or the message of an error. It ends with
    the process that made it, however that ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; the parent says when to stop
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        while (task := connection.recv()) is not None:
            item, resume, may_be_done = task
            share = _rarely(connection.send)
            connection.send(outcome_of(item, partial(_treated, treatment, item, resume, may_be_done, share)))
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        return


def _treated(treatment: Treatment, item: Item, resume: bool, may_be_done: bool, share: Share) -> Report:
    return (late_report(item) if may_be_done else None) or treatment(item, resume, share)


def _rarely(share: Share) -> Share:
    """The same, but at most every `EVERY_SECONDS`."""
    last = time.monotonic()

    def said(part: float) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY_SECONDS:
            last = time.monotonic()
            share(part)

    return said


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
