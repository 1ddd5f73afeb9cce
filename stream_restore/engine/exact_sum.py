"""Sums without rounding.

A float is an integer times a power of two, so a sum of floats can be held as one Python integer over a
fixed power of two. Such a sum depends on the numbers only: not on their order, not on how a stream was cut,
and merging two sums is adding two integers. The product of two float32 samples has 48 significant bits and
is exact in float64, which is all that running energies and correlations need.
"""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = ["ExactSum", "MeanSquare"]

_LOWEST = -1074
"""Exponent of the smallest positive float64: every finite float64 is a multiple of 2**_LOWEST."""
_PIECE = 1 << 20
"""Numbers summed at once: 2**27 in 2**20 places stays below the 2**53 to which float64 counts exactly."""


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
        self.total.add(np.square(block, dtype=np.float64))
        self.count += block.size

    def __float__(self) -> float:
        return float(self.total.fraction() / max(1, self.count))


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
