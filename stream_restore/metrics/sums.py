"""Vectors of sums without rounding: `ExactSum` for many sums at once."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["ExactSums"]

_LOWEST = -1074
"""Exponent of the smallest positive float64: every finite float64 is a multiple of 2**_LOWEST."""
_MANTISSA = 53


class ExactSums:
    """`size` exact sums of float64 numbers, held as Python integers in units of 2**-1074.

    >>> sums = ExactSums(2)
    >>> sums.add(np.array([1e100, 1.0]))
    >>> sums.add(np.array([1.0, 2.0]))
    >>> sums.add(np.array([-1e100, 3.0]))
    >>> sums.values()
    array([1., 6.])
    """

    def __init__(self, size: int) -> None:
        self._units: NDArray[np.object_] = np.zeros(size, np.object_)

    def add(self, numbers: NDArray[np.float64]) -> None:
        """Add one finite number to each sum, shape (size,).

        Raises:
            ValueError: a number that is not finite.
        """
        fractions, exponents = np.frexp(numbers)
        if not np.isfinite(fractions).all():
            raise ValueError("a sum needs finite numbers")
        whole = np.ldexp(fractions, _MANTISSA).astype(np.int64)
        shifts = exponents.astype(np.int64) - _MANTISSA - _LOWEST
        # Subnormal numbers have exponents below that of the unit; what the shift to the right takes are zeros.
        kept = np.right_shift(whole, np.maximum(-shifts, 0))
        self._units += kept.astype(np.object_) << np.maximum(shifts, 0).astype(np.object_)

    def merge(self, other: "ExactSums") -> None:
        """Add what other sums hold."""
        self._units += other._units

    def values(self) -> NDArray[np.float64]:
        """The sums, each rounded once."""
        return np.array([_rounded(units) for units in self._units.tolist()], np.float64)


def _rounded(units: int) -> float:
    return units / (1 << -_LOWEST)  # Python divides integers with one correct rounding
