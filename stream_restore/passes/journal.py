"""The journal of a resumable run: one small file beside the output.

It holds the parameters of the run (the facts), the positions in input and outputs, and the state of stages and
accumulators there. It is replaced atomically, after its outputs are on the disk, so it is always valid. Nothing in it
is executed.
"""

import json
import os
import struct
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..audio import Position, Sink
from ..audio.storage import Place, Remote, place_of
from ..engine.state import Arrays
from ..errors import ConfigError, SinkError, SourceError, errors_as

__all__ = ["Checkpoint", "Facts", "Journal", "changes", "file_facts", "input_facts", "refuse_changes", "versions"]

Facts = Mapping[str, Any]
"""What must be equal for a run to resume, serialisable as JSON."""

EVERY_SECONDS = 1.0
"""Shortest time between two checkpoints."""
SHARE = 20
"""The time between two checkpoints is at least this multiple of the time one takes: at most 5 % overhead."""

_PACKAGES = ("numpy", "scipy", "soxr", "soundfile", "av", "mutagen")


@dataclass(frozen=True)
class Checkpoint:
    """Progress of a run: frames read, the position of each output, and the state, which is empty if it was finished."""

    frames: int
    outputs: tuple[Position, ...]
    finished: bool
    state: Arrays


class Journal:
    """The journal of one run, at OUTPUT.journal.

    Args:
        output: path of the output.
        facts: the parameters of the run.
        every_seconds: the shortest time between two checkpoints, if not `EVERY_SECONDS`.

    Attributes:
        path: of the file.
        saved: whether there is a checkpoint.
    """

    def __init__(self, output: Path, facts: Facts, every_seconds: float | None = None) -> None:
        self.path = output.with_name(output.name + ".journal")
        self._fresh = self.path.with_name(self.path.name + ".part")
        self._facts = facts
        self._every = EVERY_SECONDS if every_seconds is None else every_seconds
        self._due = time.monotonic() + self._every
        self.saved = False

    def tick(self, frames: int, sinks: Sequence[Sink], state: Callable[[], Arrays]) -> None:
        """Save if it is due. The caller must have written all output of these frames."""
        began = time.monotonic()
        if began >= self._due:
            self.save(frames, sinks, state())
            ended = time.monotonic()
            self._due = ended + max(self._every, SHARE * (ended - began))

    def save(self, frames: int, sinks: Sequence[Sink], state: Arrays | None) -> None:
        """Sync outputs, then the journal, to the disk; `state` is None when all is finished.

        Raises:
            SinkError: if a file cannot be written, e.g. because the disk is full.
        """
        for sink in sinks:
            sink.sync()
        about = {
            "facts": self._facts,
            "frames": frames,
            "outputs": [list(sink.position) for sink in sinks],
            "finished": state is None,
        }
        kept: dict[str, Any] = {f"state{key}": array for key, array in (state or {}).items()}
        kept["about"] = np.array(json.dumps(about))
        try:
            with errors_as(SinkError, f"{self.path}: cannot write"):
                with self._fresh.open("wb") as file:
                    np.savez(file, **kept)
                    file.flush()
                    os.fsync(file.fileno())
                # First the outputs are kept, then there is a journal: an interrupt between the two loses nothing.
                for sink in sinks:
                    sink.keep()
                os.replace(self._fresh, self.path)
        finally:
            with suppress(OSError):
                self._fresh.unlink(missing_ok=True)
        self.saved = True

    def load(self) -> Checkpoint | None:
        """The last checkpoint; None if there is none.

        Raises:
            ConfigError: if the journal is damaged or belongs to another run; the message says what changed.
        """
        try:
            arrays = _arrays(self.path)
            about = json.loads(str(arrays["about"]))
            state = {key.removeprefix("state"): arrays[key] for key in arrays if key.startswith("state")}
            checkpoint = Checkpoint(
                int(about["frames"]),
                tuple(Position(*map(int, position)) for position in about["outputs"]),
                bool(about["finished"]),
                state,
            )
        except FileNotFoundError:
            return None
        except _DAMAGE as error:
            raise ConfigError(f"{self.path}: is damaged ({error}); delete it to start again") from error
        refuse_changes(self.path, about.get("facts"), self._facts, "without --resume")
        self.saved = True
        return checkpoint

    def remove(self) -> None:
        """Delete the journal.

        Raises:
            SinkError: if it cannot be deleted.
        """
        with errors_as(SinkError, f"{self.path}: cannot be deleted"):
            for each in (self._fresh, self.path):  # the first of a run that was killed while it wrote
                if each.exists():  # what cannot be written may well hold nothing to delete
                    each.unlink(missing_ok=True)


_DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, ArithmeticError),
    *(MemoryError, RuntimeError, struct.error, zipfile.BadZipFile),
)
"""What zipfile, NumPy and json may raise for a damaged journal."""


def _arrays(path: Path) -> Arrays:
    """The arrays of a `numpy.savez` archive, in no more memory than the size of the file.

    `numpy.load` trusts the shape in an array's header and allocates before it reads.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if any(member.compress_type for member in members) or sum(m.file_size for m in members) > path.stat().st_size:
            raise ValueError("it claims more than it holds")
        return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}


def _array(data: bytes) -> NDArray[Any]:
    stream = BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an array of another version")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject:
        raise ValueError("it holds objects")
    values = np.frombuffer(data, dtype, offset=stream.tell()) if stream.tell() < len(data) else np.empty(0, dtype)
    return values.reshape(shape, order="F" if fortran else "C")


def file_facts(place: Place, fresh: bool = True) -> Facts:
    """What identifies a file or an object without reading it; unless `fresh`, as the list of its folder said.

    Raises:
        SourceError: if it does not exist or cannot be reached.
    """
    try:
        if isinstance(place, Remote):
            return place.facts(fresh)
        found = place.stat()
    except OSError as error:
        what = "is gone" if isinstance(place, Path) or isinstance(error, FileNotFoundError) else "cannot be reached"
        raise SourceError(f"{place}: {what}: {error.strerror or error}") from error
    return {"path": str(place.resolve()), "bytes": found.st_size, "modified": found.st_mtime_ns}


def input_facts(target: str | Path | Remote) -> Facts | None:
    """What identifies a file or an object without reading it; None if it is gone.

    Raises:
        SourceError: if it cannot be reached.
    """
    place = place_of(target)
    try:
        return file_facts(place)
    except SourceError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return None
        raise


def versions() -> Facts:
    """Versions of this package and of those that compute, read and encode sound: with others, bits may differ."""
    return {"stream_restore": __version__} | {name: _version(name) for name in _PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # in one bundle with others, say
        return "unknown"


def changes(before: Any, now: Any, name: str = "") -> list[str]:
    """Names of what differs, as "model.name", with old and new values."""
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted(before.keys() | now.keys())
        return [found for key in keys for found in changes(before.get(key), now.get(key), f"{name}.{key}".strip("."))]
    return [] if before == now else [f"{name} (was {before}, is {now})"]


def refuse_changes(path: Path, before: Any, now: Facts, cure: str = "with --force") -> None:
    """Refuse to resume a work whose parameters changed; `path`, and how to start again, are for the message.

    Raises:
        ConfigError: if the work differs; the message says what changed.
    """
    changed = changes(before, json.loads(json.dumps(now)))
    if changed:
        raise ConfigError(
            f"{path}: cannot go on, since {', '.join(changed)} changed; put it back, or start again {cure}"
        )
