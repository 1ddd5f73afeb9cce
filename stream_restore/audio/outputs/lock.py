"""Locks that let only one run write a file at a time."""

import os
import sys
from pathlib import Path
from typing import BinaryIO

from ...errors import BusyError, SinkError

if sys.platform != "win32":
    import fcntl

__all__ = ["Lock", "refuse_busy"]


class Lock:
    """Exclusive right to write, rename and delete a file, until `release` or the end of the process.

    The lock is advisory (flock(2)): it excludes other runs of this program on one machine. On Windows, and on file
    systems without locks, nothing is locked.

    Args:
        path: the file.
        create: create it if it does not exist.

    Raises:
        BusyError: if another run holds it.
        OSError: if it cannot be opened; FileNotFoundError: if it does not exist.
    """

    def __init__(self, path: Path, create: bool = True) -> None:
        self._file: BinaryIO | None = None
        if sys.platform == "win32":  # an open file could not be renamed there
            return
        # The previous holder may have renamed or deleted the file meanwhile: then the lock is not on the one at `path`.
        while self._file is None or not _is_at(self._file, path):
            self.release()
            self._file = _opened(path, create)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                self.release()
                raise BusyError(f"{path}: another run is writing it; wait for its end, or give another name") from error
            except OSError:  # no locks here
                return

    def release(self) -> None:
        """Release the lock. Idempotent."""
        if self._file is not None:
            self._file.close()


def refuse_busy(path: Path) -> None:
    """Refuse a file that another run is writing; it need not exist.

    Raises:
        BusyError: if another run holds it.
    """
    try:
        Lock(path, create=False).release()
    except SinkError:
        raise
    except OSError:
        return  # opening it later reports the reason


def _opened(path: Path, create: bool) -> BinaryIO:
    more = os.O_CREAT if create else 0
    return open(path, "rb+", buffering=0, opener=lambda name, flags: os.open(name, flags | more, 0o666))


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
