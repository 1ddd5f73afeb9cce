"""What restores one recording of a batch, here or in another process."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType

from .. import api
from ..audio import OnDamage
from ..audio.outputs.atomic_file import make_folder
from ..models import Model
from ..passes.job import Output, Report
from ..restoration.restoration import Restoration

__all__ = ["Item", "Restorer", "Share", "work"]

Share = Callable[[float], None]
"""Called with the part of a recording that is done, 0 to 1."""


EVERY_SECONDS = 0.2
"""Between two messages of progress."""


@dataclass(frozen=True)
class Item:
    """One recording and its output; `finished` if an earlier run completed it."""

    source: Path
    target: Path
    finished: bool


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

        def progress(done: int, total: int | None) -> None:
            if share and total:
                share(min(1.0, done / total))

        make_folder(item.target.parent)
        return api.restore(
            item.source,
            item.target,
            model=self.model,
            restoration=self.restoration,
            normalise=self.normalise,
            stored=self.stored,
            on_damage=self.on_damage,
            resume=resume,
            progress=progress,
        )


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
            connection.send(_outcome(restorer, item, resume, _rarely(connection.send)))
    except (EOFError, KeyboardInterrupt, BrokenPipeError):
        return


def _outcome(restorer: Restorer, item: Item, resume: bool, share: Share) -> Report | str:
    try:
        return restorer(item, resume, share)
    except BrokenPipeError:  # of the connection
        raise
    except Exception as error:  # one recording must not take the others with it, whatever is wrong
        return str(error) or repr(error)


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
