"""A-SPADE: samples above a level from those below, by the sparsest spectrum that agrees with both.

Kitic, Bertin and Gribonval, "Sparsity and cosparsity for audio declipping: a flexible non-convex approach", LVA/ICA
2015; named and compared with twelve others by Zaviska, Rajmic, Ozerov and Rencker, "A survey and an extensive
evaluation of popular audio declipping methods", IEEE J-STSP 2021. Frames are solved side by side; one that is done
leaves the others.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

__all__ = ["solve"]

REDUNDANCY = 2
"""Frames are padded with zeros to so many times their length: a tight frame of that redundancy."""
FIRST, GROWTH = 2, 1 / 32
"""Coefficients that are kept more in each iteration: a number, later a share of those there are."""
ACCURATE = 0.02
"""Of a frame's norm: how near the sparse spectrum must come to one that agrees with the samples."""

Frames = NDArray[np.float32]
Spectra = NDArray[np.complex64]


def solve(frames: Frames, clipped: NDArray[np.bool_]) -> Frames:
    """Frames that keep their samples but for those that are clipped, which become larger or stay.

    Args:
        frames: windowed, shape (count, size).
        clipped: where samples only say what the sound exceeds, the same shape.
    """
    size = frames.shape[1]
    result, left = frames.copy(), np.arange(len(frames))
    goal = ACCURATE**2 * np.square(frames).sum(axis=1)
    held = frames
    spectra = _analysed(frames)
    dual = np.zeros_like(spectra)
    kept = FIRST
    while len(left) and kept < spectra.shape[1]:
        sparse = _largest(spectra + dual, kept)
        held = _agreeing(_synthesised(sparse - dual, size), frames, clipped)
        spectra = _analysed(held)
        error = spectra - sparse
        dual += error
        # A real signal's spectrum is symmetric: half of it holds half of the energy.
        going = 2 * (error.real**2 + error.imag**2).sum(axis=1) > goal
        if not going.all():
            result[left[~going]] = held[~going]
            left, frames, clipped, goal = left[going], frames[going], clipped[going], goal[going]
            held, spectra, dual = held[going], spectra[going], dual[going]
        kept += max(FIRST, int(kept * GROWTH))
    result[left] = held
    return result


def _analysed(frames: Frames) -> Spectra:
    return np.asarray(scipy.fft.rfft(frames, REDUNDANCY * frames.shape[1], axis=1, norm="ortho"))


def _synthesised(spectra: Spectra, size: int) -> Frames:
    return np.asarray(scipy.fft.irfft(spectra, REDUNDANCY * size, axis=1, norm="ortho")[:, :size])


def _largest(spectra: Spectra, kept: int) -> Spectra:
    """The `kept` largest coefficients of each frame; the others become 0."""
    power = spectra.real**2 + spectra.imag**2
    least = np.partition(power, -kept, axis=1)[:, -kept, None]
    return spectra * (power >= least)


def _agreeing(frames: Frames, given: Frames, clipped: NDArray[np.bool_]) -> Frames:
    """What is nearest to `frames` and agrees with the given samples."""
    beyond = np.where(given > 0, np.maximum(frames, given), np.minimum(frames, given))
    return np.where(clipped, beyond, given)
