"""Files that one run writes at a time."""

import os
import sys
from pathlib import Path
from typing import BinaryIO

from ...errors import SinkError

if sys.platform != "win32":
    import fcntl

__all__ = ["Lock", "refuse_busy"]


class Lock:
    """The right to write a file, to rename and to delete it: until `release`, or until the process ends, however.

    It is advisory (flock(2)): it keeps runs of this program apart, on one machine. On Windows, and on file systems
    that know no locks, nothing is locked.

    Args:
        path: the file.
        create: make it if it is not there.

    Raises:
        SinkError: another run has it.
        OSError: it cannot be opened; FileNotFoundError: it is not there.
    """

    def __init__(self, path: Path, create: bool = True) -> None:
        self._file: BinaryIO | None = None
        if sys.platform == "win32":  # an open file could not be renamed there
            return
        # Whoever had it may have renamed or deleted it meanwhile: then what was locked is no longer that file.
        while self._file is None or not _is_at(self._file, path):
            self.release()
            self._file = _opened(path, create)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                self.release()
                raise SinkError(f"{path}: another run is writing it; wait for its end, or give another name") from error
            except OSError:  # no locks here
                return

    def release(self) -> None:
        """Let others have it. Any number of times."""
        if self._file is not None:
            self._file.close()


def refuse_busy(path: Path) -> None:
    """Refuse a file that another run is writing; it need not exist.

    Raises:
        SinkError: another run has it.
    """
    try:
        Lock(path, create=False).release()
    except SinkError:
        raise
    except OSError:
        return  # who opens it says why it cannot be


def _opened(path: Path, create: bool) -> BinaryIO:
    more = os.O_CREAT if create else 0
    return open(path, "rb+", buffering=0, opener=lambda name, flags: os.open(name, flags | more, 0o666))


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
