"""Words to a person or a program, on stderr."""

import json
import os
import sys
from contextlib import suppress

__all__ = ["hold_standard_streams", "say", "warn"]


def say(text: str, end: str = "\n") -> None:
    """Write `text` to stderr. Where nobody listens any more, or its disk is full, the work goes on silently."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        # What Python still holds would fail once more at its end, and change the exit code.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def warn(text: str, as_json: bool = False) -> None:
    """Say what a person, or with `as_json` a program, should know."""
    say(json.dumps({"warning": text}) if as_json else f"stream-restore: warning: {text}")


def hold_standard_streams() -> None:
    """Take the numbers 0 to 2 where they are closed, so that no file of sound gets one that libraries write to."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
