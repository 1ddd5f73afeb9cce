"""Lines at all multiples of one mains frequency, and none beside them: that is hum, and no music.

Over tens of seconds the lines of hum are as sharp as the time allows, all of them at once at k*f. Notes do not do that,
but music that repeats does: it has lines at the multiples of the rate at which it repeats, and where that divides the
mains frequency some lie on each harmonic. Then others lie at the same distance from each. So how far lines stand out is
added up over the harmonics, and compared with the same sums at every distance up to 12 Hz: the recording itself says
what its music, and chance, bring about (the noise level of a periodogram from its neighbouring bins; Percival and
Walden, "Spectral Analysis for Physical Applications", 1993, chapter 10).

Moments weigh as much as they are quiet, because there hum is what remains.
"""

from dataclasses import dataclass

import numpy as np

from ..samples import median
from .level import GROUP, TINY, group_means, local_power, powers
from .lines import CELLS_PER_SECOND, Complex, Real

__all__ = ["SEARCHED", "Comb", "Steady", "comb_at", "steadiest"]

SEARCHED = 16
"""Harmonics that are looked at: above, hum is weak, and a steady frequency has to be known too well."""
DEVIATIONS_HZ = np.arange(-210, 211) / 1000
"""Steady frequencies tried, as the distance from 50 or 60 Hz."""
APART_HZ = 0.03
"""Nearer ones are the same."""
FARTHEST_HZ = 12.4
"""To where lines beside the harmonics are looked at, about half of the rate of cells."""
MIDDLE_HZ = 5.0
"""To where the usual power around a harmonic is taken."""
SHARP = 4.0
"""Widths of a line, one by the time that is seen, from which on another may lie beside it."""
FLOOR = 0.02
"""Of the median power: no moment counts more than one as quiet as this."""
USUAL = 3.0
"""Times the median: what powers beside lines seldom exceed."""
ENOUGH = 4.0
"""How far a harmonic counts as standing out, at most: a few strong ones are notes."""
SURE = 1.5
"""How far a harmonic must stand out to be a line of the hum."""


@dataclass(frozen=True)
class Steady:
    """A frequency that does not change.

    Attributes:
        deviation_hz: from the nominal mains frequency.
        lead: by how much its harmonics stand out farther than those of any other.
    """

    deviation_hz: float
    lead: float


def steadiest(lines: Complex, valid: Real) -> Steady:
    """The steady frequency whose harmonics stand out farthest.

    Args:
        lines: of one mains frequency, shape (channels, orders, cells), at least one order.
        valid: 1 for groups of cells that count, else 0, shape (cells/GROUP,).
    """
    channels, count = lines[:, :SEARCHED].shape[:2]
    groups = lines[:, :SEARCHED].reshape(channels, count, -1, GROUP).mean(axis=-1)
    power = _spectrum(groups * _quiet(groups, valid))
    height = _height(power, median(power))
    orders, bins = np.arange(1, count + 1)[:, None], power.shape[-1]
    at = np.rint(orders * DEVIATIONS_HZ * bins * GROUP / CELLS_PER_SECOND).astype(int) % bins
    scores = height[:, orders - 1, at].sum(axis=(0, 1))
    best = int(scores.argmax())
    others = scores[np.abs(DEVIATIONS_HZ - DEVIATIONS_HZ[best]) > APART_HZ]
    return Steady(float(DEVIATIONS_HZ[best]), float(scores[best] - others.max()))


@dataclass(frozen=True)
class Comb:
    """How far the harmonics of a course of the frequency stand out.

    Attributes:
        orders: the numbers of those that surely do.
        lead: how many times as far as other lines at any one distance from the harmonics.
    """

    orders: Real
    lead: float


def comb_at(lines: Complex, phase: Real, valid: Real) -> Comb:
    """The harmonics of a fundamental, and what lies beside them.

    Args:
        lines: of one mains frequency, shape (channels, orders, cells).
        phase: of the fundamental at each cell, in radians beyond the nominal frequency's.
        valid: 1 for groups of cells that count, else 0, shape (cells/GROUP,).
    """
    lines = lines[:, :SEARCHED]
    weights = np.repeat(_quiet(group_means(lines, phase), valid), GROUP, axis=-1)
    still = lines * powers(np.exp(-1j * phase), lines.shape[1])
    level = (still * weights).sum(axis=-1, keepdims=True) / (weights.sum(axis=-1, keepdims=True) + TINY)
    beside = _spectrum((still - level) * weights)
    distance_hz = np.abs(np.fft.fftfreq(beside.shape[-1], 1 / CELLS_PER_SECOND))
    usual = median(beside[..., distance_hz < MIDDLE_HZ])
    height = _height(np.abs(level * weights.sum(axis=-1, keepdims=True)) ** 2, usual)[..., 0]
    width_hz = CELLS_PER_SECOND / GROUP / max(1.0, valid.sum())
    others = _height(beside[..., (distance_hz > SHARP * width_hz) & (distance_hz < FARTHEST_HZ)], usual)
    sure = np.asarray(np.flatnonzero(height.max(axis=0) > SURE) + 1.0, np.float64)
    ours, theirs = _with_sum(height.sum(axis=1)), _with_sum(others.sum(axis=1)).max(axis=-1, initial=0.0)
    return Comb(sure, float((ours / (theirs + TINY)).max()))


def _with_sum(channels: Real) -> Real:
    """Each channel, and all together: hum may be in one of them, or weak in all."""
    return np.concatenate([channels, channels.sum(axis=0, keepdims=True)])


def _quiet(groups: Complex, valid: Real) -> Real:
    """Weights of moments, the reciprocal of the power around them, whatever it is of."""
    power = local_power(groups)
    return np.asarray(valid / (power + FLOOR * median(power[..., valid > 0]) + TINY))


def _spectrum(values: Complex) -> Real:
    """Powers at twice as many frequencies as there are values."""
    return np.asarray(np.abs(np.fft.fft(values, 2 * values.shape[-1], axis=-1)) ** 2)


def _height(power: Real, usual: Real) -> Real:
    """How far powers stand out above the usual one, as far as it counts."""
    return np.asarray(np.minimum(np.log1p(power / (USUAL * usual + TINY)), ENOUGH))
