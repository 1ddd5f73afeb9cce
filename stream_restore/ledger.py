"""Which steps of a long work are done, and what they gave: so that a work that was stopped does not do them again.

A ledger is a file of JSON lines. The first says what the work is made of, each other one names a step that is done. It
is written when all that the step made is on the disk; so it is always true. Nothing in it can be executed.

>>> import tempfile
>>> path = Path(tempfile.mkdtemp()) / "work.journal"
>>> with Ledger.begin(path, {"clip": "a.wav"}) as ledger:
...     ledger.once("count", lambda: 3)
3
>>> with Ledger.go_on(path, {"clip": "a.wav"}) as ledger:
...     ledger.once("count", lambda: 4)
3
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .audio.lock import Lock
from .errors import ConfigError, SinkError
from .journal import Facts, changes
from .whole import write

__all__ = ["Ledger", "refuse_changes"]


class Ledger:
    """The ledger of one work. `begin` and `go_on` make it; until the end of `with` no other run may have it."""

    def __init__(self, path: Path, done: dict[str, Any]) -> None:
        self.path = path
        self._done = done
        self._lock = Lock(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    @classmethod
    def begin(cls, path: Path, work: Facts) -> Self:
        """A new one, in the place of any other.

        Raises:
            SinkError: it cannot be written, or another run has it.
        """
        write(path, json.dumps(work) + "\n")
        return cls(path, {})

    @classmethod
    def go_on(cls, path: Path, work: Facts) -> Self:
        """The one that is there.

        Raises:
            ConfigError: it is damaged, or of another work; says what changed.
            SinkError: another run has it.
        """
        try:
            data = path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]  # a line that was being written when the process was killed is not
            first, *lines = [json.loads(line) for line in whole.splitlines()]
            done = {str(line["step"]): line["gave"] for line in lines}
            if len(whole) < len(data):
                os.truncate(path, len(whole))
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigError(f"{path}: is damaged ({error}); delete it to start again") from error
        refuse_changes(path, first, work)
        return cls(path, done)

    def once(self, step: str, work: Callable[[], Any]) -> Any:
        """What `work` gives, as it comes back from JSON; it is called only if the step is not done yet.

        Raises:
            SinkError: the disk is full, or whatever else the system says.
        """
        if step not in self._done:
            line = json.dumps({"step": step, "gave": work()})
            self._append(line)
            self._done[step] = json.loads(line)["gave"]
        return self._done[step]

    def _append(self, line: str) -> None:
        try:
            with self.path.open("ab") as file:
                file.write(line.encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise SinkError(f"{self.path}: cannot write: {error.strerror or error}") from error


def refuse_changes(path: Path, before: Any, now: Facts) -> None:
    """Refuse to go on with a work that has become another; `path` is what tells of it.

    Raises:
        ConfigError: says what changed.
    """
    changed = changes(before, json.loads(json.dumps(now)))
    if changed:
        raise ConfigError(
            f"{path}: cannot go on, since {', '.join(changed)} changed; put it back, or start again with --force"
        )
