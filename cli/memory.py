"""How the process of a command keeps memory."""

import ctypes

__all__ = ["keep_freed"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)


def keep_freed() -> None:
    """Let this process use blocks of some megabytes again; without effect if its C library is not GNU's.

    By default such a block goes back to the system when it is free, and each new one costs a page fault for every four
    kilobytes: of the CPU time of `restore` up to a third. Stages free what they have used, so the peak is the same.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 1 << 25)
        mallopt(_TRIM_THRESHOLD, 1 << 27)
