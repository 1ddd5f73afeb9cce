"""One recording of a batch: where it lies, where its result goes, what may become of it.

A result for a URL is made in a file and stored when it is complete. The file lies where the batch has its journal, so
that a run goes on in the middle of it, and one that is complete and could not be stored is stored by the next.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from ..audio import open_source
from ..audio.outputs.atomic_file import write_atomic
from ..audio.storage import Place, Remote, failures
from ..engine.loop import BLOCK
from ..errors import ConfigError, SinkError
from ..passes.job import Report, files_of_first_pass

__all__ = ["Item", "Passing", "clear", "keep", "kept", "late_report", "outcome_of", "store"]

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Item:
    """One recording and its output.

    Attributes:
        source, target: paths, or objects at URLs.
        finished: whether an earlier run completed it.
        made: of a target at a URL: the file in which the result is made, in a folder of its own.
    """

    source: Place
    target: Place
    finished: bool
    made: Path | None = None

    @property
    def local(self) -> Path:
        """The file that is written: the target itself, or what is uploaded to it.

        Raises:
            ConfigError: if it is unknown.
        """
        path = self.target if isinstance(self.target, Path) else self.made
        if path is None:
            raise ConfigError(
                f"{self.target}: a result for a URL is made in a file first; Item takes its path as made="
            )
        return path

    @property
    def pieces(self) -> Path:
        """The folder of its pieces, if it is restored in pieces."""
        return self.local.with_name(f"{self.local.name}.pieces")

    @property
    def is_new(self) -> bool:
        """Whether there is no output yet. One at a URL counts as old: its storing looks after itself."""
        return isinstance(self.target, Path) and not self.target.exists()

    @property
    def is_complete(self) -> bool:
        """Whether the output has its name, and nothing says that a run is not through with it."""
        rest = (self.local.with_name(self.local.name + end) for end in (".part", ".journal"))
        return self.local.is_file() and not any(path.exists() for path in rest)

    def absolute(self) -> "Item":
        """The same for a process in another folder."""
        source, target = (each.absolute() if isinstance(each, Path) else each for each in (self.source, self.target))
        return replace(self, source=source, target=target, made=self.made and self.made.absolute())

    def discard_pieces(self) -> None:
        """Delete what is left of pieces."""
        shutil.rmtree(self.pieces, ignore_errors=True)

    def discard_made(self) -> None:
        """Delete what was made for a URL, finished or not."""
        if self.made is not None:
            shutil.rmtree(self.made.parent, ignore_errors=True)


def clear(item: Item) -> None:
    """Delete what a run that was killed left beside an output that is complete."""
    item.discard_pieces()
    for path in files_of_first_pass(item.local):
        path.unlink(missing_ok=True)


def late_report(item: Item) -> Report | None:
    """Of a recording whose worker died when its output was complete, but nobody knew; None if it is not.

    There must have been no output before.
    """
    if not item.is_complete:
        return None
    clear(item)
    with open_source(item.local) as done:
        return Report(done.frames or 0, sample_rate=done.spec.sample_rate, warnings=[f"{item.source}: {_UNKNOWN}"])


_UNKNOWN = "its worker died when it was complete, and what it had found was lost"


class Passing(str):
    """The message of an error that may pass, because storage was busy or cut off through all tries."""

    __slots__ = ()


def outcome_of(item: Item, work: Callable[[], Result]) -> Result | str:
    """What `work` gives for this item, or the message of its error: `Passing` if it may pass.

    One recording must not take the others with it, whatever is wrong.

    Raises:
        BrokenPipeError: of the process that gave the work.
    """
    failed = _failures(item)
    try:
        return work()
    except BrokenPipeError:
        raise
    except Exception as error:
        text = str(error) or repr(error)
        return Passing(text) if _failures(item) > failed else text


def _failures(item: Item) -> int:
    return sum(failures(each.name) for each in (item.source, item.target) if isinstance(each, Remote))


def keep(item: Item, report: Report, stored: bool = False) -> None:
    """Note that the file is complete, and what became of the recording; if it is `stored`, delete the file.

    Raises:
        SinkError: if that cannot be written.
    """
    write_atomic(_note(item), json.dumps({"stored": stored, "report": asdict(report)}))
    if stored:
        item.local.unlink(missing_ok=True)


def kept(item: Item) -> Report | None:
    """What `keep` noted, if the file is complete, or its object there.

    Raises:
        OSError: if the storage cannot be reached.
    """
    try:
        note = json.loads(_note(item).read_bytes())
        report, stored = Report(**note["report"]), bool(note["stored"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return report if (item.target.exists() if stored else item.local.is_file()) else None


def store(item: Item, report: Report, force: bool, again: bool) -> None:
    """Upload the file, unless it is stored.

    Args:
        report: what became of the recording.
        force: replace an object of that name.
        again: it may have been stored, or in part.

    Raises:
        SinkError: if it cannot be stored, or another object has its name; the file is kept.
    """
    target = item.target
    if not isinstance(target, Remote) or not item.local.exists():
        return
    try:
        there = not force and target.exists()
        if there and not (again and _holds(target, item.local)):
            raise SinkError(f"{target}: came to exist meanwhile; the finished sound is kept as {item.local}")
        if not there:
            target.upload(item.local, again)
    except OSError as error:
        if isinstance(error, SinkError):
            raise
        reason = error.strerror or error
        raise SinkError(
            f"{target}: cannot write: {reason}; the finished sound is kept as {item.local}, --resume stores it"
        ) from error
    keep(item, report, stored=True)


def _note(item: Item) -> Path:
    return item.local.with_name(f"{item.local.name}.report")


def _holds(target: Remote, file: Path) -> bool:
    """Whether an object has the bytes of a file: then it is from this same work, which was stopped after storing it."""
    if target.facts()["bytes"] != file.stat().st_size:
        return False
    with target.open() as stored, file.open("rb") as made:
        while (data := made.read(BLOCK)) == stored.read(BLOCK):
            if not data:
                return True
    return False
