"""Small files that have their names only when they are complete and on the disk; folders; errors that say which."""

import os
from contextlib import suppress
from pathlib import Path

from ...errors import SinkError

__all__ = ["make_folder", "remove", "sync", "write_atomic"]


def write_atomic(path: Path, data: bytes | str, *, synced: bool = True) -> None:
    """Write a file as NAME.part, bring it to the disk, give it its name.

    Args:
        data: bytes, or text, which is stored as UTF-8; of file names that are none, their own bytes.
        synced: False leaves the disk to `sync`, which is faster for many files.

    Raises:
        SinkError: it cannot be written; what had the name before keeps it.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from error


def sync() -> None:
    """Bring all that was written to the disk, where the system can."""
    if hasattr(os, "sync"):
        os.sync()


def remove(path: Path) -> None:
    """Delete a file, if it is there.

    Raises:
        SinkError: it cannot be deleted.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SinkError(f"{path}: cannot be deleted: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Make a folder, and those it lies in, if they are not there.

    Raises:
        SinkError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"{path}: cannot be made a folder: {error.strerror}") from error
