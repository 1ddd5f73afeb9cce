"""Vectors of sums without rounding: `ExactSum` for many sums at once."""

from collections import defaultdict
from functools import partial

import numpy as np
from numpy.typing import NDArray

__all__ = ["ExactSums"]

_BITS = 32
"""Bits of a digit."""


class ExactSums:
    """`size` exact sums of float64 numbers.

    A number is split into digits: integers below 2**32 in size, times 2**(32*place). The digits of each place are
    summed as 64-bit integers, which have room for 2**31 of them, so a sum depends on the numbers only, not on their
    order. There are 66 places, from the smallest to the largest float64; music takes about four.

    >>> sums = ExactSums(2)
    >>> sums.add(np.array([1e100, 1.0]))
    >>> sums.add(np.array([1.0, 2.0]))
    >>> sums.add(np.array([-1e100, 3.0]))
    >>> sums.values()
    array([1., 6.])
    """

    state_names = ("_digits",)

    def __init__(self, size: int) -> None:
        self._size = size
        self._digits: defaultdict[int, NDArray[np.int64]] = defaultdict(partial(_zeros, size))

    def add(self, numbers: NDArray[np.float64]) -> None:
        """Add one finite number to each sum, shape (size,).

        Raises:
            ValueError: if a number is not finite.
        """
        if not np.isfinite(numbers).all():
            raise ValueError("a sum needs finite numbers")
        rest = numbers
        while largest := np.abs(rest).max(initial=0):
            place = (int(np.frexp(largest)[1]) - 1) // _BITS
            digits = np.trunc(np.ldexp(rest, -_BITS * place))
            rest = rest - np.ldexp(digits, _BITS * place)
            self._digits[place] += digits.astype(np.int64)

    def merge(self, other: "ExactSums") -> None:
        """Add what other sums hold."""
        for place, digits in other._digits.items():
            self._digits[place] += digits

    def values(self) -> NDArray[np.float64]:
        """The sums, each to one unit in its last place. A sum beyond 2**1023 is infinite."""
        total, carry = np.zeros(self._size), np.zeros(self._size, np.int64)
        for place in range(min(self._digits, default=0), max(self._digits, default=0) + 3):
            digits = self._digits.get(place, 0) + carry
            # To the nearest: the digits that stay are no more than half a unit of the next place, and cancel nothing.
            carry = (digits + (1 << _BITS - 1)) >> _BITS
            total += np.ldexp((digits - (carry << _BITS)).astype(np.float64), _BITS * place)
        return total


def _zeros(size: int) -> NDArray[np.int64]:
    return np.zeros(size, np.int64)
