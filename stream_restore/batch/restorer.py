"""What restores one recording of a batch, here or in another process."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from types import FrameType

from .. import api
from ..audio import OnDamage, refuse_same_file
from ..audio.outputs.atomic_file import make_folder
from ..audio.storage import Remote, target_of
from ..models import Model
from ..passes.job import Output, Report
from ..restoration.restoration import Restoration
from .item import Item, keep, kept, outcome_of, refuse_existing_result, store

__all__ = ["Restorer", "Share", "work"]

Share = Callable[[float], None]
"""Called with the part of a recording that is done, 0 to 1."""


EVERY_SECONDS = 0.2
"""Between two messages of progress."""


@dataclass(frozen=True)
class Restorer:
    """A model and how it is applied, for one recording after the other. It can be pickled.

    Attributes:
        model, restoration, normalise, stored, on_damage: as for `api.restore`.
    """

    model: Model
    restoration: Restoration
    normalise: bool
    stored: Output
    on_damage: OnDamage = "conceal"

    def __call__(self, item: Item, resume: bool, share: Share | None = None) -> Report:
        """Restore one recording.

        Raises:
            RestoreError: as `api.restore`.
        """

        if not isinstance(item.target, Remote):
            make_folder(item.target.parent)
            return self._restored(item, resume, share)
        refuse_same_file(target_of(item.source), item.target.url)
        report = kept(item) if resume else None
        if report is None:
            if not self.stored.force:
                refuse_existing_result(item)
            make_folder(item.local.parent)
            report = self._restored(item, resume, share)
            keep(item, report)
        store(item, report, self.stored.force, again=resume)
        return report

    def stored_for(self, item: Item) -> Output:
        """How the file is stored that is written; one that is uploaded is this batch's own."""
        return replace(self.stored, force=self.stored.force or item.made is not None)

    def _restored(self, item: Item, resume: bool, share: Share | None) -> Report:
        def progress(done: int, total: int | None) -> None:
            if share and total:
                share(min(1.0, done / total))

        report = api.restore(
            target_of(item.source),
            item.local,
            model=self.model,
            restoration=self.restoration,
            normalise=self.normalise,
            stored=self.stored_for(item),
            on_damage=self.on_damage,
            resume=resume and _can_go_on(item),
            progress=progress,
        )
        if item.made is not None:
            made, target = str(item.made), str(item.target)
            report.clipped = {name.replace(made, target): samples for name, samples in report.clipped.items()}
            report.warnings = [warning.replace(made, target) for warning in report.warnings]
        return report


def _can_go_on(item: Item) -> bool:
    """Whether a recording can be read from the middle; if not, it begins again."""
    try:
        return not isinstance(item.source, Remote) or item.source.seekable
    except OSError:  # restoring it says what is wrong with it
        return True


def work(restorer: Restorer, connection: Connection) -> None:
    """The life of a worker: restore what comes through the connection, until None comes.

    It answers with floats, the share that is done, and at last with a report or the message of an error. It ends with
    the process that made it, however that ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal; the parent says when to stop
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        while (task := connection.recv()) is not None:
            item, resume = task
            share = _rarely(connection.send)
            connection.send(outcome_of(item, partial(restorer, item, resume, share)))
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        return


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
