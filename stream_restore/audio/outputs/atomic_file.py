"""Atomic writing of small files, deletion, folders; errors name the path."""

import os
from contextlib import suppress
from pathlib import Path

from ...errors import SinkError, errors_as

__all__ = ["make_folder", "remove", "sync", "write_atomic"]


def write_atomic(path: Path, data: bytes | str, *, synced: bool = True) -> None:
    """Write a file as NAME.part, flush it to the disk, rename it.

    Args:
        data: bytes, or text, which is stored as UTF-8; file names that are not valid UTF-8 keep their bytes.
        synced: if False, the caller must call `sync`, which is faster for many files.

    Raises:
        SinkError: if it cannot be written; an existing file is unchanged.
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
    """Flush all writes to the disk, if the system supports it."""
    if hasattr(os, "sync"):
        os.sync()


def remove(path: Path) -> None:
    """Delete a file, if it exists.

    Raises:
        SinkError: if it cannot be deleted.
    """
    with errors_as(SinkError, f"{path}: cannot be deleted"):
        path.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and its parents, if they do not exist.

    Raises:
        SinkError: if it cannot be made.
    """
    with errors_as(SinkError, f"{path}: cannot be made a folder"):
        path.mkdir(parents=True, exist_ok=True)
