"""The journal of a batch: the state of each input when its restoration began, and what became of it.

It is batch.journal in the folder of the results; of results at a URL, in a folder of its own on the disk, since storage
has no files that grow.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import starmap
from pathlib import Path

from ..audio.outputs.atomic_file import make_folder
from ..audio.outputs.lock import refuse_busy
from ..audio.storage import Place, Remote, below
from ..errors import ConfigError, SinkError, SourceError
from ..passes.journal import Facts, file_facts, input_facts
from ..passes.step_log import StepLog
from .item import Item
from .report import FAILED, Row

__all__ = ["BatchLog", "default_state"]

ASKED_AT_ONCE = 16
"""Objects that storage is asked for at a time."""
AWAITED = 1000
"""Answers that are awaited at a time: each takes memory."""
_WORDS = 40


class BatchLog:
    """The journal of one batch, locked until `close`, so that no other writes into the same folder.

    Args:
        outputs: where results go.
        state: of results at a URL: the folder of the journal, and of results that are not yet stored; None for
            `default_state`.
        about: the parameters of the batch.
        resume: go on with a journal, if there is one.
        force: replace it otherwise.

    Raises:
        ConfigError: if there is one and neither is asked for, it has other parameters, or `outputs` is a folder and has
            a `state`.
        SinkError: if it cannot be written, another batch has it, or the storage of the results cannot be reached.
    """

    def __init__(self, outputs: Place, state: Path | None, about: Facts, resume: bool, force: bool) -> None:
        self._outputs, self._resume = outputs, resume
        self._unnoted: dict[str, Row] = {}
        if isinstance(outputs, Path):
            if state is not None:
                raise ConfigError(f"{outputs}: keeps its own journal; a folder for it goes with results at a URL")
            self.folder = outputs
        else:
            (outputs / "any").refuse_unwritable()
            self.folder = state or default_state(outputs)
            about = {**about, "outputs": outputs.name}
        path = self.folder / "batch.journal"
        make_folder(self.folder)
        if path.exists() and path.stat().st_size and not resume and not force:
            refuse_busy(path)
            raise ConfigError(f"{path}: a batch was made here; --resume goes on with it, --force starts again")
        self._steps = StepLog(path, about, resume)
        try:
            self._stored = _stored(outputs) if resume and self._steps.done else set()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the lock. May be called repeatedly."""
        self._steps.close()

    def items(self, pairs: Sequence[tuple[Place, Place]]) -> tuple[Item, ...]:
        """Items of sources and targets; finished if the output is complete and the input has not changed since."""
        if not self._steps.done:
            return tuple(starmap(self._item, pairs))
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:  # each object of a list must be asked for
            parts = (pairs[start : start + AWAITED] for start in range(0, len(pairs), AWAITED))
            return tuple(item for part in parts for item in pool.map(lambda pair: self._item(*pair), part))

    def _item(self, source: Place, target: Place) -> Item:
        made = None
        if isinstance(target, Remote):
            made = self.folder / hashlib.sha256(target.url.encode("utf-8", "surrogateescape")).hexdigest()[:16]
            made /= Path(target.place).name
        item = Item(source, target, False, made)
        return Item(source, target, self._finished(item), made)

    def begin(self, item: Item, resume: bool) -> Facts:
        """Note that a restoration begins, and discard what an earlier one made of another input; its facts.

        Raises:
            SourceError: if the input, or the storage of the output, cannot be reached.
        """
        name, about = self._name(item), file_facts(item.source, fresh=False)
        if not resume or self._steps.done.get(name, {}).get("input") != about:
            item.discard_pieces()
            item.discard_made()
        before = input_facts(item.target) if isinstance(item.target, Path) else None
        self._steps.note(name, {"input": about, "before": before})
        return about

    def end(self, item: Item, row: Row) -> None:
        """Note what became of it; only then is it not needed any more what is left of a result that was stored."""
        name, done = self._name(item), row["status"] != FAILED
        if name not in self._steps.done and done:  # its storage failed when it began
            with suppress(SourceError):
                self._steps.note(name, {"input": file_facts(item.source), "before": None})
        if name in self._steps.done:
            self._steps.note(name, {**self._steps.done[name], "row": row})
        else:  # its input was gone before it began
            self._unnoted[name] = row
        if done:
            item.discard_made()

    def row(self, item: Item) -> Row:
        """What became of an item; of one that was finished before, in the run that finished it, if that noted it."""
        name = self._name(item)
        noted: Row = self._unnoted.get(name) or self._steps.done[name].get("row", {})
        about = {"input": str(item.source), "output": str(item.target)}
        return {**about, **noted, "status": "skipped"} if item.finished else noted

    def _finished(self, item: Item) -> bool:
        about = self._steps.done.get(self._name(item))
        if about is None or not self._is_complete(item):
            return False
        try:
            if about["input"] != file_facts(item.source, fresh=False):
                return False
        except SourceError:  # restoring it says what is wrong with it
            return False
        if isinstance(item.target, Path):
            return bool(about["before"] != file_facts(item.target))
        return bool(about.get("row", {}).get("status", FAILED) != FAILED)

    def _is_complete(self, item: Item) -> bool:
        return item.target in self._stored if isinstance(item.target, Remote) else item.is_complete

    def _name(self, item: Item) -> str:
        if isinstance(self._outputs, Path):
            return Path(str(item.target)).relative_to(self._outputs).as_posix()
        return str(item.target).removeprefix(f"{self._outputs.name.rstrip('/')}/")


def default_state(outputs: Remote) -> Path:
    """The folder for the state of a batch whose results go to a URL: below the user's, with a name of its own.

    >>> default_state(Remote("s3://archive/restored/")).name
    's3-archive-restored-44931a2c'
    """
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    url = outputs.url.rstrip("/")
    words = re.sub(r"\W+", "-", outputs.name).strip("-")[:_WORDS]
    return home / "stream-restore" / f"{words}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"


def _stored(outputs: Place) -> set[Remote]:
    """The objects among the results."""
    if isinstance(outputs, Path):
        return set()
    try:
        return set(below(outputs))
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise SinkError(f"{outputs}: cannot be reached: {error.strerror or error}") from error
