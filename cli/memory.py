"""How the process of a command keeps memory."""

import ctypes
import os

__all__ = ["keep_freed"]

_THRESHOLDS = {"MMAP": (-3, 1 << 25), "TRIM": (-1, 1 << 27)}
"""The numbers of two parameters of mallopt(3), and their values in bytes."""


def keep_freed() -> None:
    """Let this process, and those it starts, use blocks of some megabytes again; only with the C library of GNU.

    By default such a block goes back to the system when it is free, and each new one costs a page fault for every four
    kilobytes: of the CPU time of `restore` up to a third. Stages free what they have used, so the peak is the same.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for name, (parameter, size) in _THRESHOLDS.items():
        variable = f"MALLOC_{name}_THRESHOLD_"
        if variable not in os.environ:  # else the user has said what is to be
            os.environ[variable] = str(size)
            mallopt(parameter, size)
