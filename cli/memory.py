"""How the process of a command keeps memory."""

import ctypes
import os

__all__ = ["keep_freed"]

_PARAMETERS = {
    "MALLOC_MMAP_THRESHOLD_": (-3, 1 << 25),
    "MALLOC_TRIM_THRESHOLD_": (-1, 1 << 27),
    "MALLOC_ARENA_MAX": (-8, 1),
}
"""Of mallopt(3): variables of the environment, numbers and values."""


def keep_freed() -> None:
    """Let this process, and those it starts, use blocks of some megabytes again; only with the C library of GNU.

    By default such a block goes back to the system when it is free, and each new one costs a page fault for every four
    kilobytes: of the CPU time of `restore` up to a third. All threads share what is free, so that the peak stays.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for variable, (parameter, value) in _PARAMETERS.items():
        if variable not in os.environ:  # else the user has said what is to be
            os.environ[variable] = str(value)
            mallopt(parameter, value)
