"""How strong each line of the hum is, and how sure that is.

With the common phase taken off, hum stands still where music moves. So a line's amplitude is the mean over tens of
seconds, in which the moments count that music leaves quiet (iteratively reweighted least squares); it is shrunk by how
sure it is (James and Stein 1961): the scatter of the means of a few seconds around the whole tells what music adds.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .lines import Complex, Real

__all__ = ["GROUP", "group_means", "hum_amplitudes", "is_hum", "local_power", "moving_mean", "steady_level"]

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
TINY = 1e-20


def group_means(lines: Complex, phase: Real) -> Complex:
    """Lines without the common phase, averaged over groups of cells, shape (channels, orders, cells/GROUP)."""
    orders = np.arange(1, lines.shape[1] + 1)[:, None]
    still = lines * np.exp(-1j * orders * phase)
    return np.asarray(still.reshape(*lines.shape[:2], -1, GROUP).mean(axis=-1))


def moving_sum(values: NDArray[Number], reach: int) -> NDArray[Number]:
    """Sums over `reach` neighbours to either side along the last axis."""
    size = values.shape[-1]
    sums = np.zeros((*values.shape[:-1], size + 1), values.dtype)
    np.cumsum(values, axis=-1, out=sums[..., 1:])
    at = np.arange(size)
    return np.asarray(sums[..., np.minimum(at + reach + 1, size)] - sums[..., np.maximum(at - reach, 0)])


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
