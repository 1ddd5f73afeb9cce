"""Actors of Ray: processes on one machine or many, each with one task at a time, that may die or leave with their node.

A task is given only to an actor that is there: one that still waits for a free CPU holds nothing. What an actor was
doing when it died is tried again by another, later each time: `DEATHS` times in all if it died by itself, which may
be the task's fault, and beyond that `LOSSES` times if its node left, which is not.
"""

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TextIO, TypeVar

from ..errors import ConfigError

__all__ = ["DEATHS", "LOSSES", "Actors", "Death", "connected"]

Key = TypeVar("Key")

DEATHS = 5
"""How often a task is tried whose actor dies of it, perhaps: processes of a cluster also die of their neighbours."""
LOSSES = 10
"""How often a task is tried again because a node left, or because a worker that was lost still writes its output."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds between two tries of a task: twice as many each time."""
PATIENCE = 600.0
"""Seconds without an actor after which a cluster is given up."""
LOOK = 2.0
"""Seconds between two looks at what a cluster has."""


@dataclass(frozen=True)
class Death:
    """The end of an actor with its task; `lost` if the task is not to blame: its node left, or its output is busy."""

    cause: str
    lost: bool = False


@dataclass(eq=False)
class _Task(Generic[Key]):
    key: Key
    arguments: tuple[Any, ...]
    deaths: int = 0
    losses: int = 0
    due: float = 0.0

    @property
    def tries(self) -> int:
        return self.deaths + self.losses

    def put_off(self, death: Death) -> bool:
        """Whether it may be tried again, then later than the last time."""
        self.losses, self.deaths = self.losses + death.lost, self.deaths + (not death.lost)
        self.due = time.monotonic() + min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self.tries - 1))
        return self.losses <= LOSSES and self.deaths < DEATHS


class Actors(Generic[Key]):
    """Actors that are made as tasks need them and CPUs are free; nodes that come later get some, too.

    Args:
        ray: the module, connected.
        kind: a class whose instances are made of `shared`. Its method `run` takes the arguments of a task, then whether
            it was tried before, and returns what came of it, or a `Death`.
        shared: is sent to every actor.
        jobs: actors at most; None: as many as there are CPUs, or GPUs if they need one.
        gpus: that each needs.

    Raises:
        ConfigError: if the cluster has no GPU and one is needed.
    """

    def __init__(self, ray: Any, kind: type, shared: object, *, jobs: int | None, gpus: int = 0) -> None:
        self._ray, self._jobs, self._gpus = ray, jobs, gpus
        self._shared = ray.put(shared)
        # One thread of BLAS, as the command line has it: the last bits may depend on their number.
        environment = {"env_vars": {"OPENBLAS_NUM_THREADS": "1"}}
        self._make = ray.remote(kind).options(num_cpus=1, num_gpus=gpus, max_restarts=0, runtime_env=environment).remote
        self._looked, self._most, self._failures = 0.0, 0, 0
        self._seen = time.monotonic()
        self._waiting: list[_Task[Key]] = []
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._running: dict[Any, tuple[Any, _Task[Key]]] = {}
        if not self._limit() and gpus:
            raise ConfigError("the cluster has no GPU; leave out --device cuda")

    @property
    def has_room(self) -> bool:
        """Whether another task can be begun soon."""
        return len(self._running) + len(self._due()) < max(1, self._limit())

    @property
    def busy(self) -> bool:
        """Whether a task is under way."""
        return bool(self._running or self._waiting)

    def submit(self, key: Key, *arguments: Any) -> None:
        """Begin a task; `next_outcome` gives its key back."""
        self._waiting.append(_Task(key, arguments))

    def next_outcome(self) -> tuple[Key, Any, int]:
        """What came of the task that ends first, a `Death` if it was tried too often; and how often it was tried.

        Raises:
            ConfigError: if there is no actor for a long time, or none can be started.
        """
        while True:
            self._staff()
            future = self._first()
            if future in self._starting:
                self._started(future)
            elif future is not None:
                task, outcome = self._ended(future)
                if isinstance(outcome, Death) and task.put_off(outcome):
                    self._waiting.append(task)
                else:
                    return task.key, outcome, task.tries + (not isinstance(outcome, Death))

    def _due(self) -> list[_Task[Key]]:
        now = time.monotonic()
        return [task for task in self._waiting if task.due <= now]

    def _limit(self) -> int:
        """Actors that there may be now: nodes come and go."""
        if time.monotonic() - self._looked >= LOOK:
            resources = self._ray.cluster_resources()
            self._most = int(resources.get("GPU", 0) // self._gpus if self._gpus else resources.get("CPU", 0))
            self._looked = time.monotonic()
        return min(self._jobs or self._most, self._most)

    def _staff(self) -> None:
        """Give what is due to who is idle; start actors for the rest."""
        due = self._due()
        while due and self._idle:
            task, actor = due.pop(0), self._idle.pop()
            self._waiting.remove(task)
            self._running[actor.run.remote(*task.arguments, task.tries > 0)] = actor, task
        there = len(self._running) + len(self._idle)
        for _ in range(min(len(due), self._limit() - there) - len(self._starting)):
            actor = self._make(self._shared)
            self._starting[actor.__ray_ready__.remote()] = actor
        if there:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > PATIENCE:
            raise ConfigError(f"the cluster had no free {'GPU' if self._gpus else 'CPU'} for {PATIENCE:g} s{_AGAIN}")

    def _first(self) -> Any:
        """The future of whatever happens first; None if nothing does before something else is due."""
        futures = [*self._running, *self._starting]
        now = time.monotonic()
        patience = min((max(0.0, task.due - now) for task in self._waiting if task.due > now), default=LOOK)
        if not futures:
            time.sleep(min(patience, LOOK))
            return None
        ready, _ = self._ray.wait(futures, num_returns=1, timeout=min(patience, LOOK))
        return ready[0] if ready else None

    def _started(self, future: Any) -> None:
        actor = self._starting.pop(future)
        try:
            self._ray.get(future)
        except self._ray.exceptions.RayError as error:
            self._failures += 1
            if self._failures >= DEATHS:
                raise ConfigError(f"no worker of the cluster starts: {_line(error)}{_AGAIN}") from error
            time.sleep(FIRST_WAIT)
        else:
            self._failures = 0
            self._idle.append(actor)

    def _ended(self, future: Any) -> tuple[_Task[Key], Any]:
        actor, task = self._running.pop(future)
        try:
            outcome = self._ray.get(future)
        except self._ray.exceptions.RayError as error:
            self._ray.kill(actor)  # one that only cannot be reached
            return task, Death(_line(error), self._is_lost(error))
        self._idle.append(actor)
        return task, outcome

    def _is_lost(self, error: Exception) -> bool:
        """Whether an actor cannot be reached, or its node left, rather than that it died by itself."""
        known = self._ray.exceptions
        lost = isinstance(error, known.ActorUnavailableError | known.NodeDiedError)
        return lost or bool(getattr(error, "preempted", False)) or "its node has died" in str(error)


_AGAIN = "; --resume goes on"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected until the context ends; one that is local ends with it.

    Args:
        address: of a cluster that runs, or "local" for one of its own on this machine.

    Raises:
        ConfigError: if Ray is not installed, or there is no cluster at the address.
    """
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
        with redirect_stdout(_WithoutRay(sys.stdout)):
            yield ray
    finally:
        ray.shutdown()


class _WithoutRay(io.TextIOBase):
    """A stream without what threads of Ray print: dozens of lines when a node leaves, which is said otherwise."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what is not Ray's."""
        return len(text) if threading.current_thread().name.startswith("ray_") else self._stream.write(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()
