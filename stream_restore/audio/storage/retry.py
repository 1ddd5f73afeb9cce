"""Storage that is busy or cuts off is asked again, a bounded number of times."""

import errno
import os
import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["WAITS", "Result", "failures", "lasts", "retried"]

WAITS = (0.2, 0.6, 1.8, 5.4)
"""Seconds between one try and the next: five tries in 8 s."""

_LASTING = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError, ImportError, TypeError)
_LASTING_STATUS = frozenset({400, 401, 403, 404, 405, 410, 416})
_LASTING_NUMBERS = frozenset({errno.EINVAL, errno.EPERM, errno.ENOSYS})
"""Of requests that storage does not understand, or never grants."""

_failed: dict[str, int] = {}
_REMEMBERED = 1000

Result = TypeVar("Result")


def retried(attempt: Callable[[], Result], name: str = "") -> Result:
    """The result of `attempt`, which is called again after errors that may pass.

    Args:
        name: of the object, under which `failures` counts a last try that failed with such an error.

    Raises:
        OSError: with the reason of the last try.

    >>> retried(lambda: 3)
    3
    """
    for wait in WAITS:
        try:
            return attempt()
        except Exception as raised:  # each library below fsspec raises exceptions of its own
            error = _first(raised)
            if lasts(error):
                raise _as_os_error(error) from raised
        time.sleep(wait)
    try:
        return attempt()
    except Exception as raised:
        error = _first(raised)
        if not lasts(error) and not isinstance(error, ValueError) and _number(error) not in _LASTING_NUMBERS:
            _remember(name)
        raise _as_os_error(error) from raised


def lasts(error: Exception) -> bool:
    """Whether another try would fail, too."""
    named = type(error).__name__.endswith(("CredentialsError", "AuthenticationException", "BadHostKeyException"))
    return isinstance(error, _LASTING) or named or getattr(error, "status", None) in _LASTING_STATUS


def failures(name: str) -> int:
    """How often all tries of a request for an object failed, each time by an error that may pass.

    Libraries between this package and its storage drop such errors, or take them for the end of a file: two counts that
    differ tell. Of the objects that failed, the last thousand are remembered.
    """
    return _failed.get(name, 0)


def _remember(name: str) -> None:
    _failed[name] = _failed.pop(name, 0) + 1
    if len(_failed) > _REMEMBERED:
        del _failed[next(iter(_failed))]


def _as_os_error(error: Exception) -> OSError:
    """An error of any library, with its reason in words."""
    if isinstance(error, FileNotFoundError) and not error.errno:  # gcsfs names only the object
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if isinstance(error, OSError):
        # Libraries put their own words into strerror or nowhere: those of the system are better than none.
        words = error.strerror or str(error) or (os.strerror(error.errno) if error.errno else "")
        kind = type(error) if type(error).__module__ == "builtins" else OSError
        return kind(error.errno or errno.EIO, words or "the storage gives no reason")
    return OSError(errno.EIO, f"{error}" or type(error).__name__)


def _first(error: Exception) -> Exception:
    """The error itself, or what it was made of: to fsspec all that a web server does not tell of does not exist."""
    cause = error.__cause__
    if isinstance(error, FileNotFoundError) and (isinstance(cause, OSError) or hasattr(cause, "status")):
        assert isinstance(cause, Exception)
        return cause
    return error


def _number(error: Exception) -> int | None:
    return error.errno if isinstance(error, OSError) else None
