"""How strong each line of the hum is, how sure that is, and whether there is hum at all.

With the common phase taken off, hum stands still where music moves. So a line's amplitude is the mean over tens of
seconds, in which the moments count that music leaves quiet (iteratively reweighted least squares); it is shrunk by how
sure it is (James and Stein 1961): the scatter of the means of a few seconds around the whole tells what music adds.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .lines import Complex, Real

__all__ = [
    "GROUP",
    "group_means",
    "is_hum",
    "local_power",
    "moving_mean",
    "polynomials",
    "powers",
    "shrunk",
    "steady_level",
    "sure_orders",
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
CLEAR = 20.0
"""How many times its variance a line's power must be."""
ALONE = 0.3
"""The share of moments in which it must be little else than steady."""
STRAY = 0.15
"""How much of its power a third of the recording may stray from the whole."""
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
    weights = np.broadcast_to(valid, groups.shape)
    level, _ = moving_mean(groups, weights, reach)
    for _ in range(ROUNDS):
        noise = local_power(groups - level)
        weights = valid / (noise + FLOOR * np.median(noise, axis=-1, keepdims=True) + TINY)
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


def shrunk(groups: Complex, level: Complex, weights: Real) -> Complex:
    """The amplitudes, each as much smaller as it is unsure."""
    power = level.real**2 + level.imag**2
    variance = level_variance(groups, level, weights)
    return level * np.maximum(0.0, 1 - variance / (power + TINY))


def sure_orders(groups: Complex, valid: Real) -> Real:
    """The numbers of the harmonics that stand still all the time, clearly above what music adds."""
    everywhere = groups.shape[-1]
    level, weights = steady_level(groups, valid, everywhere)
    power = level[..., 0].real ** 2 + level[..., 0].imag ** 2
    clear = power > CLEAR * level_variance(groups, level, weights, everywhere)[..., 0] + TINY
    alone = _share_alone(groups, level, valid) > ALONE
    steady = _largest_stray(groups, level, weights) < STRAY * power
    return np.asarray(np.flatnonzero((clear & alone & steady).any(axis=0)) + 1.0, np.float64)


def _share_alone(groups: Complex, level: Complex, valid: Real) -> Real:
    """The share of the moments, a fifth of a second each, in which a line is little else than its steady level.

    Loops of music whose beat divides the mains' period have steady lines too, but no steady moments.
    """
    stray, power = np.abs(groups - level) ** 2, np.abs(level) ** 2
    return np.asarray(((stray < power / 4) * valid).sum(axis=-1) / max(1.0, valid.sum()))


def _largest_stray(groups: Complex, level: Complex, weights: Real) -> Real:
    """The largest square by which the level of a third of the recording differs from the whole's."""
    found = np.flatnonzero(weights.any(axis=(0, 1)))
    parts = np.array_split(found, 3)
    means = [(groups * weights)[..., part].sum(-1) / (weights[..., part].sum(-1) + TINY) for part in parts]
    return np.asarray(np.max([np.abs(mean - level[..., 0]) ** 2 for mean in means], axis=0))


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
