"""A log of the completed steps of a long work and their results, so that a stopped work does not repeat them.

A step log is a file of JSON lines. The first holds the parameters of the work, each other one a completed step. A line
is written when the output of the step is on the disk, so it is always valid. Nothing in it is executed.

>>> import tempfile
>>> path = Path(tempfile.mkdtemp()) / "work.journal"
>>> with StepLog(path, {"clip": "a.wav"}, resume=False) as log:
...     log.once("count", lambda: 3)
3
>>> with StepLog(path, {"clip": "a.wav"}, resume=True) as log:
...     log.once("count", lambda: 4)
3
"""

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

from ..audio.outputs.lock import Lock
from ..errors import ConfigError, SinkError, errors_as
from .journal import Facts, Journal, refuse_changes

__all__ = ["StepLog"]


class StepLog:
    """The log of one work, locked against other runs until `close` or the end of `with`.

    Args:
        path: the file.
        work: the parameters of the work.
        resume: continue an existing log, if it has at least one line; else begin a new one, replacing any other.

    Attributes:
        done: the result of each step.

    Raises:
        ConfigError: if the file is damaged or belongs to another work; the message says what changed.
        SinkError: if the file cannot be written, or another run has it.
    """

    def __init__(self, path: Path, work: Facts, resume: bool) -> None:
        self.path = path
        self.done: dict[str, Any] = {}
        with errors_as(SinkError, f"{path}: cannot write"):
            self._lock = Lock(path)
        try:
            if not (resume and self._load(work)):
                self._write("wb", work)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the lock. May be called repeatedly."""
        self._lock.release()

    def _load(self, work: Facts) -> bool:
        """Read the completed steps; False if not even the first line was written."""
        first, whole = None, 0
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if not line.endswith(b"\n"):  # it was being written when the process was killed
                        break
                    found = _parsed(line)
                    if whole:
                        self.done[str(found["step"])] = found["gave"]
                    else:
                        first = found
                    whole += len(line)
            if whole < self.path.stat().st_size:
                os.truncate(self.path, whole)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigError(f"{self.path}: is damaged ({error}); delete it to start again") from error
        if whole:
            refuse_changes(self.path, first, work)
        return bool(whole)

    def once(self, step: str, work: Callable[[], Any]) -> Any:
        """The result of `work` after a round trip through JSON; `work` is called only if the step is not done yet.

        Raises:
            SinkError: if a file cannot be written, e.g. because the disk is full.
        """
        if step not in self.done:
            self.note(step, work())
        return self.done[step]

    def resumable_step(self, step: str, work: Callable[[Journal], Any]) -> Any:
        """As `once`, for work with a journal of its own, beside the log, until it is done.

        Raises:
            SinkError: if a file cannot be written, e.g. because the disk is full.
        """
        journal = Journal(self.path.with_name(step), {"step": step})
        gave = self.once(step, partial(work, journal))
        journal.remove()
        return gave

    def note(self, step: str, gave: Any) -> None:
        """Save the result of a step, replacing an earlier one.

        Raises:
            SinkError: if a file cannot be written, e.g. because the disk is full.
        """
        line = {"step": step, "gave": gave}
        self._write("ab", line)
        self.done[step] = _parsed(json.dumps(gave))

    def _write(self, mode: str, line: Facts) -> None:
        with errors_as(SinkError, f"{self.path}: cannot write"), open(self.path, mode) as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _parsed(text: str | bytes) -> Any:
    """From JSON. Of a hundred thousand steps, names take more memory than values, unless equal ones are one."""
    return json.loads(text, object_pairs_hook=lambda pairs: {sys.intern(name): value for name, value in pairs})
