"""How strong each line of the hum is, and how sure that is.

With the common phase taken off, hum stands still where music moves. So a line's amplitude is the mean over tens of
seconds, in which the moments count that music leaves quiet (iteratively reweighted least squares); it is shrunk by how
sure it is (James and Stein 1961): the scatter of the means of a few seconds around the whole tells what music adds.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..samples import median
from .lines import Complex, Real

__all__ = [
    "GROUP",
    "group_means",
    "hum_amplitudes",
    "is_hum",
    "local_power",
    "moving_mean",
    "polynomials",
    "powers",
    "steady_level",
]

Number = TypeVar("Number", np.float64, np.complex128)

GROUP = 5
"""Cells whose mean is one value, a fifth of a second."""
NEAR = 3
"""Groups to either side over which music's power is averaged."""
REACH = 50
"""Groups to either side over which an amplitude is averaged: twenty seconds in all."""
BLOCK = 20
"""Groups of a block, four seconds, whose mean scatters by what music adds."""
ROUNDS = 4
FLOOR = 0.02
"""Of the median power: no moment counts more than one as quiet as this."""
CHANGE = 4.0
"""Variances by which a level that has changed must differ, at least."""
SHORTEST = 4.0
"""Seconds over which hum must stand still: a recording that is shorter may be one note."""
MANY, APART = 6, 3
"""Harmonics that must be sure, and that of those which are no multiples of a number above two."""
DEGREE = 9
"""Of the polynomials that are matrix products: about the square root of the number of harmonics."""
TINY = 1e-20


def group_means(lines: Complex, phase: Real) -> Complex:
    """Lines without the common phase, averaged over groups of cells, shape (channels, orders, cells/GROUP)."""
    still = lines * powers(np.exp(-1j * phase), lines.shape[1])
    cells = still.reshape(*lines.shape[:2], -1, GROUP)
    # Five times as fast as `mean` along so short an axis.
    return np.asarray(sum(cells[..., place] for place in range(GROUP)) / GROUP)


def powers(turns: Complex, count: int) -> Complex:
    """The powers 1 to `count` of complex numbers, each from two that are half of it; shape (count, *turns.shape)."""
    out = np.empty((count, *turns.shape), np.complex128)
    out[:1], done = turns, 1
    while done < count:
        more = min(done, count - done)
        np.multiply(out[:more], out[done - 1], out=out[done : done + more])
        done += more
    return out


def polynomials(coefficients: Complex, turns: Complex) -> Complex:
    """The sums over k of coefficients[..., k - 1] * turns**k, shape (..., len(turns)).

    By Horner's rule in a power of `turns`, each step with a polynomial of lower degree that is a matrix product
    (Paterson and Stockmeyer, "On the number of nonscalar multiplications necessary to evaluate polynomials", 1973).
    """
    *outer, degree = coefficients.shape
    steps = -(-degree // DEGREE)
    padded = np.zeros((*outer, steps * DEGREE), np.complex128)
    padded[..., :degree] = coefficients
    low = powers(turns, DEGREE)
    rows = np.moveaxis(padded.reshape(*outer, steps, DEGREE), -2, 0).reshape(-1, DEGREE)
    parts = (rows @ low).reshape(steps, *outer, len(turns))
    total = parts[-1]
    for part in parts[-2::-1]:
        total *= low[-1]
        total += part
    return np.asarray(total)


def moving_sum(values: NDArray[Number], reach: int) -> NDArray[Number]:
    """Sums over `reach` neighbours to either side along the last axis."""
    size = values.shape[-1]
    sums = np.zeros((*values.shape[:-1], size + 1), values.dtype)
    np.cumsum(values, axis=-1, out=sums[..., 1:])
    whole = max(0, size - reach)  # so many sums end before the last value
    out = np.empty_like(values)
    out[..., :whole] = sums[..., size + 1 - whole :]
    out[..., whole:] = sums[..., size:]
    out[..., size - whole :] -= sums[..., :whole]
    return out


def moving_mean(values: Complex, weights: Real, reach: int) -> tuple[Complex, Real]:
    """Weighted means over `reach` neighbours to either side, and the weights' sums."""
    total = moving_sum(weights, reach)
    return moving_sum(values * weights, reach) / (total + TINY), total


def local_power(values: Complex) -> Real:
    """Power averaged over about a second."""
    power = values.real**2 + values.imag**2
    return moving_sum(power, NEAR) / moving_sum(np.ones(power.shape[-1]), NEAR)


def steady_level(groups: Complex, valid: Real, reach: int = REACH) -> tuple[Complex, Real]:
    """Amplitudes of the lines, and the weights of the moments they come from, both of the shape of `groups`."""
    weights = valid
    level, _ = moving_mean(groups, weights, reach)
    for _ in range(ROUNDS):
        noise = local_power(groups - level)
        weights = valid / (noise + FLOOR * median(noise) + TINY)
        level, _ = moving_mean(groups, weights, reach)
    return level, weights


def level_variance(groups: Complex, level: Complex, weights: Real, reach: int = REACH) -> Real:
    """Variance of the amplitudes, from the scatter of blocks; shape (channels, orders, groups)."""
    size = groups.shape[-1] // BLOCK
    strays = ((groups - level) * weights)[..., : size * BLOCK].reshape(*groups.shape[:2], size, BLOCK).sum(axis=-1)
    totals = weights[..., : size * BLOCK].reshape(*groups.shape[:2], size, BLOCK).sum(axis=-1)
    around = max(1, reach // BLOCK)
    variance = moving_sum(strays.real**2 + strays.imag**2, around) / (moving_sum(totals, around) ** 2 + TINY)
    at = np.minimum(np.arange(groups.shape[-1]) // BLOCK, size - 1)
    return np.asarray(variance[..., at])


def hum_amplitudes(groups: Complex, valid: Real) -> Complex:
    """The amplitudes of the lines, shape (channels, orders, groups), each as much smaller as it is unsure.

    Twenty seconds tell less of a line than all do, so of their difference counts what is surely more than chance.
    """
    everywhere = groups.shape[-1]
    whole, whole_weights = steady_level(groups, valid, everywhere)
    near, weights = steady_level(groups, valid)
    changed = _shrunk(near - whole, CHANGE * level_variance(groups, near, weights))
    return _shrunk(whole + changed, level_variance(groups, whole, whole_weights, everywhere))


def _shrunk(level: Complex, variance: Real) -> Complex:
    """Amplitudes, each as much smaller as it is unsure."""
    return np.asarray(level * np.maximum(0.0, 1 - variance / (level.real**2 + level.imag**2 + TINY)))


def is_hum(orders: Real, seconds: float) -> bool:
    """Whether harmonics that stand still for some seconds can be nothing but hum.

    Many must, and not all of them overtones of one note.

    >>> is_hum(np.array([7.0, 14, 21, 28, 35, 42]), 50)
    False
    >>> is_hum(np.arange(1.0, 7), 50), is_hum(np.arange(1.0, 7), 3)
    (True, False)
    """
    if seconds < SHORTEST or len(orders) < MANY:
        return False
    return all(np.count_nonzero(orders % divisor) >= APART for divisor in range(3, 20))
