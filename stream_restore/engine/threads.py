"""Arithmetic on all cores at once.

NumPy and SciPy let other threads run while they compute. A piece of work must depend on its arguments only, and its
caller must use results in an order that does not depend on when they are ready: then the number of cores is invisible.
"""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from operator import itemgetter
from typing import ParamSpec, TypeVar

__all__ = ["cores", "each", "submit"]

P = ParamSpec("P")
T = TypeVar("T")


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def submit(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Begin `work` in another thread; it must not submit work itself and wait for it.

    >>> submit(max, 2, 3).result()
    3
    """
    return _pool(os.getpid()).submit(work, *args, **kwargs)


def each(work: Callable[[int], T], count: int) -> list[T]:
    """`work` of each number below `count`, on all cores; it may call `each` itself.

    This thread takes numbers, too, and waits only for what others have begun, so it ends however busy they are.

    >>> each(abs, 3)
    [0, 1, 2]
    """
    numbers = iter(range(count))

    def some() -> list[tuple[int, T]]:
        return [(number, work(number)) for number in numbers]

    helpers = [submit(some) for _ in range(min(count, cores()) - 1)]
    try:
        done = some()
    finally:
        deque(numbers, 0)  # after an error nothing more is begun, and nothing goes on behind the caller's back
        begun = [helper for helper in helpers if not helper.cancel()]
        wait(begun)
    for helper in begun:
        done += helper.result()
    return [result for _, result in sorted(done, key=itemgetter(0))]


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """The threads of a process: one that was forked has none of its parent's."""
    return ThreadPoolExecutor(cores(), thread_name_prefix="arithmetic")
