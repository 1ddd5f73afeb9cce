"""Results for a URL, which are made in a file and stored when they are complete.

The file lies where the batch has its journal, so that a run goes on in the middle of it, and one that is complete and
could not be stored is stored by the next.
"""

import json
from dataclasses import asdict
from pathlib import Path

from ..audio.outputs import refuse_existing_object
from ..audio.outputs.atomic_file import write_atomic
from ..audio.outputs.output import refuse_existing
from ..audio.storage import Remote
from ..engine.loop import BLOCK
from ..errors import SinkError
from ..passes.job import Report
from .item import Item

__all__ = ["keep", "kept", "refuse_existing_result", "store"]


def refuse_existing_result(item: Item) -> None:
    """Refuse to replace a file or an object.

    Raises:
        SinkError: if it exists, or its storage cannot be reached.
    """
    if isinstance(item.target, Remote):
        refuse_existing_object(item.target.url)
    else:
        refuse_existing(item.target)


def keep(item: Item, report: Report) -> None:
    """Note that the file is complete, and what became of the recording.

    Raises:
        SinkError: if that cannot be written.
    """
    write_atomic(_note(item), json.dumps(asdict(report)))


def kept(item: Item) -> Report | None:
    """What `keep` noted, if the file is complete."""
    try:
        return Report(**json.loads(_note(item).read_bytes())) if item.local.is_file() else None
    except (OSError, ValueError, TypeError):
        return None


def store(item: Item, force: bool, again: bool) -> None:
    """Upload the file, then delete it.

    Args:
        force: replace an object of that name.
        again: it may have been stored, or in part.

    Raises:
        SinkError: if it cannot be stored, or another object has its name; the file is kept.
    """
    target = item.target
    assert isinstance(target, Remote)
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
    item.discard_made()


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
