"""Storage that is busy or cuts off is asked again, a bounded number of times."""

import errno
import os
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["WAITS", "Result", "retried"]

WAITS = (0.2, 0.6, 1.8, 5.4)
"""Seconds between one try and the next: five tries in 8 s."""

_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ImportError, TypeError)
_LASTING_STATUS = frozenset({400, 401, 403, 404, 405, 410, 416})

Result = TypeVar("Result")


def retried(attempt: Callable[[], Result]) -> Result:
    """The result of `attempt`, which is called again after errors that may pass.

    Raises:
        OSError: with the reason of the last try.

    >>> retried(lambda: 3)
    3
    """
    for wait in WAITS:
        try:
            return attempt()
        except Exception as error:  # each library below fsspec raises exceptions of its own
            if _lasts(error):
                raise _as_os_error(error) from error
        time.sleep(wait)
    try:
        return attempt()
    except Exception as error:
        raise _as_os_error(error) from error


def _as_os_error(error: Exception) -> OSError:
    """An error of any library, with its reason in words."""
    if isinstance(error, OSError):
        # Libraries put their own words into strerror or nowhere: those of the system are better than none.
        words = error.strerror or str(error) or (os.strerror(error.errno) if error.errno else "")
        return type(error)(error.errno or errno.EIO, words or "the storage gives no reason")
    return OSError(errno.EIO, f"{error}" or type(error).__name__)


def _lasts(error: Exception) -> bool:
    return isinstance(error, _LASTING) or getattr(error, "status", None) in _LASTING_STATUS
