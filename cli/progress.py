"""Progress on stderr: one line on a terminal, or JSON for programs."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .messages import print_message

if TYPE_CHECKING:
    from ..engine.loop import Progress

__all__ = ["progress"]

EVERY_SECONDS = 0.2


@contextmanager
def progress(mode: str, quiet: bool, unit: str = "frames") -> "Iterator[Progress | None]":
    """A function that takes (done, total) of a unit, or None if progress is not shown."""
    if quiet or mode == "none" or (mode == "auto" and not sys.stderr.isatty()):
        yield None
        return
    meter = _Meter(mode == "json", unit)
    try:
        yield meter
    finally:
        meter.close()


class _Meter:
    def __init__(self, as_json: bool, unit: str) -> None:
        self._json, self._unit = as_json, unit
        self._began = self._shown = time.monotonic()
        self._last: tuple[int, int | None] | None = None

    def __call__(self, done: int, total: int | None) -> None:
        self._last = (done, total)
        if time.monotonic() - self._shown >= EVERY_SECONDS:
            self._show(done, total)

    def close(self) -> None:
        if self._last:
            self._show(*self._last)
        if not self._json:
            print_message("")

    def _show(self, done: int, total: int | None) -> None:
        self._shown = time.monotonic()
        elapsed = self._shown - self._began
        left = elapsed * (total - done) / done if total and done else None
        if self._json:
            fields = {self._unit: done, "total": total, "elapsed_seconds": elapsed, "eta_seconds": left}
            print_message(json.dumps(fields))
        else:
            share = f"{min(100, 100 * done // total):3d} %" if total else f"{done} {self._unit}"
            eta = f", {_clock(left)} left" if left is not None else ""
            print_message(f"{share}, {_clock(elapsed)}{eta}", start="\r\x1b[K", end="")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
