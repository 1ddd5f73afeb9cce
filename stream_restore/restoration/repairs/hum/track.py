"""The course of the mains frequency, from all overtones together.

First a search: in blocks of four seconds, for every frequency and slope of a grid, how far the lines stand out there
above their surroundings; and the likeliest path over the blocks (Viterbi 1967). One frequency rules all overtones, so
the high ones make it sharp and the low ones make it sure.

Then the phase: given the amplitudes of the lines so far, each cell says by how much the common phase is off (the
Gauss-Newton step of least squares), and a course with small second differences is fitted to that (Whittaker 1923, "On
a new method of graduation"). The low harmonics go first: an error that is within a quarter of a turn for them would be
several turns for the high ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy  # loads scipy.linalg when it is needed
from numpy.typing import NDArray

from ..samples import median
from .level import GROUP, group_means, local_power, moving_mean
from .lines import CELLS_PER_SECOND, HOP, Complex, Real

__all__ = [
    "BLOCK",
    "DEVIATIONS_HZ",
    "FIRST_STAGES",
    "LAST_STAGES",
    "SLOPES",
    "Path",
    "block_scores",
    "followed_phase",
    "likeliest_path",
    "phase_along",
]

BLOCK = 2 * HOP
"""Cells of a block of the search."""
STEP_HZ = 0.005
DEVIATIONS_HZ = np.arange(-42, 43) * STEP_HZ
"""Frequencies tried, as the distance from 50 or 60 Hz."""
SLOPES = np.arange(-3, 4) / 150
"""Slopes tried, in Hz a second."""
HIGHEST_ORDER = 40
"""Of the harmonics that are searched: above, the grid would be too coarse."""
SIZE = 512
"""Of the Fourier transform of a block."""
NEAR = np.arange(-102, 103) % SIZE
"""Bins within 5 Hz."""
STRAY = 2
"""Steps of the grid by which a path may stray from where its slope leads."""
FIRST_STAGES = ((52, 4), (52, 4), (52, 6), (52, 8), (52, 11), (52, 16), (52, 22))
"""Of the fit of the phase: seconds over which an amplitude is taken as constant, and the highest harmonic."""
LAST_STAGES = ((52, 30), (52, 45), (30, 80), (52, 80))
"""They take most of the time."""
WANDER = 0.004
"""Hz by which the mains frequency changes in a second, root mean square, beyond its trend."""
TINY = 1e-20


def block_scores(lines: NDArray[np.complex64]) -> NDArray[np.float32]:
    """How far lines of each frequency and slope stand out, shape (deviations, slopes).

    The sum over channels and harmonics of log(1 + power / median power within 5 Hz). The search takes most of the time
    where there is no hum; float32 halves that.

    Args:
        lines: of one mains frequency, shape (channels, orders, BLOCK).
    """
    lines = lines[:, :HIGHEST_ORDER]
    chirps, bins = _search(lines.shape[1])
    spectra = scipy.fft.fft(lines[:, :, None] * chirps, SIZE, axis=-1)
    usual = median(_power(spectra[:, :, len(SLOPES) // 2, NEAR]))[..., None] + TINY
    power = _power(spectra.reshape(len(lines), -1).take(bins, axis=1))
    return np.asarray(np.log1p(power / usual).sum(axis=(0, 1)).T)


@cache
def _search(count: int) -> tuple[NDArray[np.complex64], NDArray[np.int64]]:
    """For so many harmonics: a window times each slope, shape (orders, slopes, BLOCK); and the bins of the frequencies.

    Bins, shape (orders, slopes, deviations), are counted through the spectra of all slopes and orders.
    """
    orders = np.arange(1, count + 1)
    time = (np.arange(BLOCK) - (BLOCK - 1) / 2) / CELLS_PER_SECOND
    chirps = np.exp(-1j * np.pi * orders[:, None, None] * SLOPES[:, None] * time**2)
    bins = np.rint(np.outer(orders, DEVIATIONS_HZ) * SIZE / CELLS_PER_SECOND).astype(int) % SIZE
    spectra = np.arange(count * len(SLOPES)).reshape(count, len(SLOPES), 1)
    return (chirps * np.hanning(BLOCK + 2)[1:-1]).astype(np.complex64), spectra * SIZE + bins[:, None]


def _power(values: NDArray[np.complex64]) -> NDArray[np.float32]:
    return np.asarray(values.real**2 + values.imag**2)


@dataclass(frozen=True)
class Path:
    """A course of the frequency over blocks.

    Attributes:
        deviations_hz: from the nominal mains frequency, one for each block.
        prominence: by how much its blocks score above the median of all frequencies, per block.
    """

    deviations_hz: Real
    prominence: float


def likeliest_path(scores: Real, present: Real) -> Path:
    """The course along which the scores add up to most, less a penalty for straying from the slopes.

    Args:
        scores: shape (deviations, slopes, blocks).
        present: 1 for blocks within the recording, else 0.
    """
    origins, costs = _ways()
    places, best, chosen = np.arange(len(origins)), scores[:, :, 0].ravel(), []
    for block in range(1, scores.shape[2]):
        sums = best[origins] - costs
        way = places, sums.argmax(axis=1)
        chosen.append(origins[way])
        best = sums[way] + scores[:, :, block].ravel()
    path = [int(np.argmax(best))]
    for origin in reversed(chosen):
        path.append(int(origin[path[-1]]))
    usual = float(np.median(scores.max(axis=1), axis=0) @ present)
    deviations_hz = DEVIATIONS_HZ[np.array(path[::-1]) // len(SLOPES)]
    return Path(deviations_hz, float(best.max() - usual) / max(1.0, float(present.sum())))


@cache
def _ways() -> tuple[NDArray[np.int64], Real]:
    """From where each place on the grid can be reached, and what that costs; shape (places, ways).

    Places are counted slopes first. A slope becomes the next one at most; its mean with the one before leads.
    """
    place, now = np.divmod(np.arange(len(DEVIATIONS_HZ) * len(SLOPES)), len(SLOPES))
    turn, stray = np.divmod(np.arange(3 * (2 * STRAY + 1)), 2 * STRAY + 1)
    before = now[:, None] + turn - 1
    led = (SLOPES[now][:, None] + SLOPES[before.clip(0, len(SLOPES) - 1)]) / 2 * HOP / CELLS_PER_SECOND / STEP_HZ
    moved = np.rint(led).astype(np.int64) + stray - STRAY
    came = place[:, None] - moved
    possible = (before >= 0) & (before < len(SLOPES)) & (came >= 0) & (came < len(DEVIATIONS_HZ))
    return np.where(possible, came * len(SLOPES) + before, 0), np.where(possible, (moved - led) ** 2, np.inf)


def phase_along(path: Path, cells: int, cell_seconds: float) -> Real:
    """The phase of the fundamental at each of so many cells, in radians beyond the nominal frequency's.

    Args:
        path: blocks of which the first begins at the first cell.
        cells: number of them.
        cell_seconds: from one cell to the next.
    """
    centres = np.arange(len(path.deviations_hz)) * HOP + (BLOCK - 1) / 2
    deviations_hz = np.interp(np.arange(cells), centres, path.deviations_hz)
    return np.asarray(2 * np.pi * cell_seconds * np.cumsum(deviations_hz))


def followed_phase(lines: Complex, valid: Real, phase: Real, stages: Sequence[tuple[int, int]]) -> Real:
    """A phase of the fundamental at each cell that fits the lines better, but for a constant.

    Args:
        lines: shape (channels, orders, cells).
        valid: 1 for groups of cells that count, else 0, shape (cells/GROUP,).
        phase: in radians beyond the nominal frequency's.
        stages: `FIRST_STAGES`, then `LAST_STAGES`.
    """
    cells = np.arange(lines.shape[2])
    groups = np.arange(len(valid)) * GROUP + (GROUP - 1) / 2
    for seconds, highest in stages:
        at_groups = np.interp(groups, cells, phase)
        error, precision = _phase_error(group_means(lines[:, :highest], phase), valid, seconds)
        fitted = _graduated(at_groups + error, precision)
        phase = phase + np.interp(cells, groups, fitted - at_groups)
    return phase


def _phase_error(groups: Complex, valid: Real, seconds: float) -> tuple[Real, Real]:
    """By how much the fundamental's phase is off at each group, in radians, and how sure that is, 1/variance."""
    orders = np.arange(1, groups.shape[1] + 1)[:, None]
    reach = int(seconds * CELLS_PER_SECOND / GROUP / 2)
    level, _ = moving_mean(groups, valid, reach)
    noise = local_power(groups - level)
    weights = valid / (noise + 0.1 * median(noise) + TINY)
    level, total = moving_mean(groups, weights, reach)
    power = level.real**2 + level.imag**2 + TINY
    sure = np.maximum(0.0, 1 - 4 / (power * total + TINY))
    slope = (weights * orders * sure * np.imag(groups * np.conj(level))).sum(axis=(0, 1))
    curvature = (weights * orders**2 * sure * power).sum(axis=(0, 1))
    return slope / (curvature + 1e-9), curvature


def _graduated(values: Real, precision: Real) -> Real:
    """The course with small second differences that is near `values` where they are precise."""
    size = len(values)
    stiffness = (2 * np.pi * WANDER * (GROUP / CELLS_PER_SECOND) ** 2) ** -2
    bands = np.zeros((3, size))
    bands[0, 2:] = 1.0
    bands[1, 1:] = -4.0
    bands[1, [1, -1]] = -2.0
    bands[2] = 6.0
    bands[2, [0, -1]], bands[2, [1, -2]] = 1.0, 5.0
    bands *= stiffness
    bands[2] += precision + 1e-6
    return np.asarray(scipy.linalg.solveh_banded(bands, (precision + 1e-6) * values))
