"""Words to a person or a program, on stderr."""

import os
import sys
from contextlib import suppress

__all__ = ["hold_standard_streams", "say"]


def say(text: str, end: str = "\n") -> None:
    """Write `text` to stderr. Where nobody listens any more, or its disk is full, the work goes on silently."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        # What Python still holds would fail once more at its end, and change the exit code.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def hold_standard_streams() -> None:
    """Take the numbers 0 to 2 where they are closed, so that no file of sound gets one that libraries write to."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
