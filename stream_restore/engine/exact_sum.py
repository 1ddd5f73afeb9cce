"""Sums without rounding.

A float is an integer times a power of two, so a sum of floats can be held as one Python integer over a
fixed power of two. Such a sum depends on the numbers only: not on their order, not on how a stream was cut,
and merging two sums is adding two integers.

Energies and correlations of float32 samples are sums of products. `moments` splits the samples into digits, integers of
`_DIGIT_BITS` bits on one grid for all of a piece: so few bits that any sum of products of digits within the piece is an
integer that float64 holds, in whatever order a matrix product adds it up.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import product
from math import frexp, isfinite

import numpy as np
from numpy.typing import NDArray

__all__ = ["ExactSum", "ExactSums", "MeanSquare", "moments"]

_LOWEST = -1074
"""Exponent of the smallest positive float64: every finite float64 is a multiple of 2**_LOWEST."""
_PIECE = 1 << 20
"""Numbers summed at once: 2**27 in 2**20 places stays below the 2**53 to which float64 counts exactly."""
_PLACE_BITS = 32
"""Of what one place of a vector of sums counts."""
_DIGIT_BITS, _COLUMNS = 20, 1 << 13
"""Of digits, and columns of a piece: 2**13 products of two digits stay within 2**(20 + 20 + 13) = 2**53."""


@dataclass
class ExactSum:
    """The exact sum of float64 numbers.

    >>> total = ExactSum()
    >>> total.add(np.array([1e100, 1.0, -1e100]))
    >>> float(total)
    1.0
    """

    units: int = 0
    """The sum, in units of 2**-1074."""

    def add(self, numbers: NDArray[np.float64]) -> None:
        """Add finite numbers, of any shape.

        Raises:
            ValueError: if a number is not finite.
        """
        flat = np.asarray(numbers, np.float64).ravel()
        for start in range(0, flat.size, _PIECE):
            self.units += _sum_units(flat[start : start + _PIECE])

    def merge(self, other: "ExactSum") -> None:
        """Add what another sum holds."""
        self.units += other.units

    def fraction(self) -> Fraction:
        """The sum as an exact rational number."""
        return Fraction(self.units, 1 << -_LOWEST)

    def __float__(self) -> float:
        return float(self.fraction())


@dataclass
class MeanSquare:
    """The mean square of samples, exact: the same for any cuts; that of nothing is 0.

    >>> power = MeanSquare()
    >>> power.add(np.array([[0.5, -0.5]], np.float32))
    >>> float(power)
    0.25
    """

    total: ExactSum = field(default_factory=ExactSum)
    count: int = 0

    def add(self, block: NDArray[np.float32]) -> None:
        """Add samples, of any shape."""
        self.total.units += moments(np.reshape(block, (1, -1)))[0][0][0]
        self.count += block.size

    def __float__(self) -> float:
        return float(self.total.fraction() / max(1, self.count))


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
            place = (int(np.frexp(largest)[1]) - 1) // _PLACE_BITS
            digits = np.trunc(_scaled(rest, -_PLACE_BITS * place))
            rest = rest - _scaled(digits, _PLACE_BITS * place)
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
            carry = (digits + (1 << _PLACE_BITS - 1)) >> _PLACE_BITS
            total += np.ldexp((digits - (carry << _PLACE_BITS)).astype(np.float64), _PLACE_BITS * place)
        return total


def moments(rows: NDArray[np.float32]) -> tuple[list[list[int]], list[int]]:
    """The exact inner product of each row with each row, and the exact sum of each row, in units of 2**-1074.

    Args:
        rows: finite samples, shape (rows, frames); float32, as a product of wider numbers would not be a multiple of
            the unit.

    Raises:
        ValueError: if a sample is not finite.

    >>> products, sums = moments(np.array([[1.0, 2.0], [0.0, -1.0]], np.float32))
    >>> [[each >> 1074 for each in row] for row in products], [each >> 1074 for each in sums]
    ([[5, -2], [-2, 1]], [3, -1])
    """
    count = len(rows)
    products, sums = [[0] * count for _ in range(count)], [0] * count
    for start in range(0, rows.shape[1], _COLUMNS):
        digits, exponents = _digits(rows[:, start : start + _COLUMNS])
        each = list(enumerate(exponents))
        for place, exponent in each:
            for row, total in enumerate(digits[place].sum(axis=1).tolist()):
                sums[row] += int(total) << exponent - _LOWEST
        flat = np.reshape(digits, (-1, digits.shape[-1]))
        found = np.reshape(flat @ flat.T, (len(each), count, len(each), count)).tolist()
        for (place, exponent), (other, another) in product(each, each):
            for row, column in product(range(count), repeat=2):
                products[row][column] += int(found[place][row][other][column]) << exponent + another - _LOWEST
    return products, sums


def _digits(rows: NDArray[np.float32]) -> tuple[NDArray[np.float64], list[int]]:
    """The digits of float32 samples, shape (digits, rows, frames), integers, and the exponent of each digit's unit.

    Samples are the sum of digits times 2**exponent. Music takes two digits, 16-bit samples one.
    """
    largest = float(np.abs(rows).max(initial=0))
    if not isfinite(largest):
        raise ValueError("a sum needs finite numbers")
    exponent = frexp(largest)[1] - _DIGIT_BITS
    # The exponent of a float32 is small enough that scaling neither overflows nor loses bits.
    rest, digits = np.multiply(rows, 2.0**-exponent, dtype=np.float64), []
    while rest.any():
        digits.append(np.rint(rest))
        rest = (rest - digits[-1]) * 2.0**_DIGIT_BITS
    exponents = [exponent - _DIGIT_BITS * place for place in range(len(digits))]
    return np.array(digits).reshape(len(digits), *rows.shape), exponents


def _sum_units(numbers: NDArray[np.float64]) -> int:
    """Exact sum of up to `_PIECE` numbers in units of 2**_LOWEST.

    Each number is m * 2**e with a 53-bit integer m. The integers that share an exponent are summed in two
    halves, so that neither half can exceed what float64 counts exactly; Python's integers do the rest.
    """
    fractions, exponents = np.frexp(numbers)
    if not np.isfinite(fractions).all():
        raise ValueError("a sum needs finite numbers")
    lowest = int(exponents.min(initial=0))
    bins = exponents - lowest
    whole = np.ldexp(fractions, 53)
    high = np.floor(np.ldexp(whole, -27))
    low = whole - np.ldexp(high, 27)
    total = 0
    for part, shift in ((high, 27), (low, 0)):
        for place in np.flatnonzero(sums := np.bincount(bins, weights=part)):
            # frexp's exponents of subnormal numbers lie below -1021: the integer is then a multiple of what the
            # shift takes away, so nothing is lost.
            total += _shift(int(sums[place]), int(place) + lowest - 53 + shift - _LOWEST)
    return total


def _shift(value: int, bits: int) -> int:
    return value << bits if bits >= 0 else value >> -bits


def _scaled(numbers: NDArray[np.float64], exponent: int) -> NDArray[np.float64]:
    """`np.ldexp`; where the factor is a float64, a product is the same and takes a fraction of the time."""
    return numbers * 2.0**exponent if abs(exponent) < 1000 else np.ldexp(numbers, exponent)


def _zeros(size: int) -> NDArray[np.int64]:
    return np.zeros(size, np.int64)
