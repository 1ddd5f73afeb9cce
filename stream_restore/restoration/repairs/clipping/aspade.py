"""A-SPADE: samples above a level from those below, by the sparsest spectrum that agrees with both.

Kitic, Bertin and Gribonval, "Sparsity and cosparsity for audio declipping: a flexible non-convex approach", LVA/ICA
2015; named and compared with twelve others by Zaviska, Rajmic, Ozerov and Rencker, "A survey and an extensive
evaluation of popular audio declipping methods", IEEE J-STSP 2021. Frames are solved side by side; one that is done
leaves the others.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .consistency import Frames, bounds

__all__ = ["solve"]

REDUNDANCY = 2
"""Frames are padded with zeros to so many times their length: a tight frame of that redundancy."""
FIRST, GROWTH = 2, 1 / 16
"""Coefficients that are kept first and at least more in each iteration, and later, as a share of those there are."""
EARLY_GROWTH = 1 / 12
"""The same share while there are few, in long frames: what is one note is found then, or never."""
ACCURATE = 0.025
"""Of a frame's norm: how near the sparse spectrum must come to one that agrees with the samples."""

Spectra = NDArray[np.complex64]


def solve(frames: Frames, clipped: NDArray[np.bool_], steps: int = FIRST) -> Frames:
    """Frames that keep their samples but for those that are clipped, which become larger or stay.

    Args:
        frames: windowed, shape (count, size).
        clipped: where samples only say what the sound exceeds, the same shape.
        steps: the most coefficients by which their number grows at `EARLY_GROWTH`.
    """
    size = frames.shape[1]
    result, left = frames.copy(), np.arange(len(frames))
    # A real signal's spectrum is symmetric: half of it holds half of the energy.
    goal = ACCURATE**2 / 2 * np.square(frames).sum(axis=1)
    held, within = frames, bounds(frames, clipped)
    spectra = _analysed(held)
    # The paper's sparse spectrum less its dual variable: what is left of it is all that the next iteration needs.
    free = spectra.copy()
    kept = FIRST
    while len(left) and kept < spectra.shape[1]:
        sparse = _largest(2 * spectra - free, kept)
        free += sparse
        free -= spectra
        held = within.nearest(_synthesised(free, size))
        spectra = _analysed(held)
        error = np.subtract(spectra, sparse, out=sparse).view(np.float32)
        going = np.einsum("ij,ij->i", error, error) > goal
        if not going.all():
            result[left[~going]] = held[~going]
            left, goal, within = left[going], goal[going], within.of(going)
            held, spectra, free = held[going], spectra[going], free[going]
        kept += more(kept, steps)
    result[left] = held
    return result


def more(kept: int, steps: int) -> int:
    """By how many coefficients `kept` grows.

    >>> more(2, 16), more(16, 16), more(100, 16), more(1000, 16)
    (2, 2, 8, 62)
    """
    return max(FIRST, min(steps, int(kept * EARLY_GROWTH)), int(kept * GROWTH))


def _analysed(frames: Frames) -> Spectra:
    return np.asarray(scipy.fft.rfft(frames, REDUNDANCY * frames.shape[1], axis=1, norm="ortho"))


def _synthesised(spectra: Spectra, size: int) -> Frames:
    return np.asarray(scipy.fft.irfft(spectra, REDUNDANCY * size, axis=1, norm="ortho")[:, :size])


def _largest(spectra: Spectra, kept: int) -> Spectra:
    """The `kept` largest coefficients of each frame; the others become 0, in place."""
    power = np.square(spectra.real)
    power += np.square(spectra.imag)
    np.putmask(spectra, power < np.partition(power, -kept, axis=1)[:, -kept, None], 0)
    return spectra
