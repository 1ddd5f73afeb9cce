"""Messages on stderr, results on stdout."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TextIO, cast

from ..errors import ClosedPipeError, SinkError

__all__ = ["hold_standard_streams", "named_stdout", "print_message", "print_path", "warn"]


def print_message(text: str, start: str = "", end: str = "\n") -> None:
    """Write `text` to stderr. If that fails (closed pipe, full disk), later messages are dropped."""
    try:
        print(start + _one_line(text), end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        _silence(2)


def _one_line(text: str) -> str:
    r"""Escape unprintable characters, e.g. of file names, as in a Python string: terminals would interpret them.

    >>> print(_one_line("a\nb \x1b[2J é"))
    a\nb \x1b[2J é
    """
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def warn(*texts: str, quiet: bool = False, as_json: bool = False) -> None:
    """Print warnings, as text or JSON, unless `quiet`."""
    for text in () if quiet else texts:
        print_message(json.dumps({"warning": text}) if as_json else f"stream-restore: warning: {text}")


def print_path(path: Path) -> None:
    """Print the path of a result, unless stdout is closed."""
    if not sys.stdout.closed:
        print(path, flush=True)


@contextmanager
def named_stdout() -> Iterator[None]:
    """Within this context, failed writes to stdout raise errors that name it.

    Raises:
        SinkError: if stdout is closed or its disk is full.
        ClosedPipeError: if the reader has closed the pipe.
    """
    with redirect_stdout(cast("TextIO", _Stdout(sys.stdout))):
        yield
        sys.stdout.flush()


class _Stdout:
    """The stdout of commands and of typer's help. Audio bypasses it, through the `buffer` of the stream."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.closed = stream is None
        self.encoding = "utf-8" if stream is None else stream.encoding  # typer bypasses a stream without one

    def __getattr__(self, name: str) -> Any:
        if self.closed and name == "buffer":
            raise SinkError("stdout is closed; name a file with -o")
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if self._stream is None:
            raise SinkError("stdout is closed; send it to a file or a pipe")
        with _translated():
            return self._stream.write(text)

    def flush(self) -> None:
        if self._stream is not None:
            with _translated():
                self._stream.flush()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (BrokenPipeError, ConnectionResetError) as error:
        _silence(1)
        raise ClosedPipeError("stdout: its reader went away") from error
    except OSError as error:
        _silence(1)
        raise SinkError(f"stdout: cannot write: {error.strerror or error}") from error


def _silence(number: int) -> None:
    """Redirect to the null device: Python's flush at exit would fail again and change the exit code."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def hold_standard_streams() -> None:
    """Open descriptors 0 to 2 if closed, so that no audio file gets one that libraries write to."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
