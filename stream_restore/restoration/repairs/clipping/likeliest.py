"""Clipped samples as the likeliest of a Gaussian sound whose spectrum is known roughly.

In a frame whose coefficients are independent, of variances v, the likeliest missing samples minimise the sum of
|spectrum|^2 / v: least squares, here by conjugate gradients, each step of which is two Fourier transforms. With the
variances of an estimate that is there, this is a step of iteratively reweighted least squares: Gorodnitsky and Rao,
"Sparse signal reconstruction from limited data using FOCUSS", IEEE Trans. Signal Processing 45(3), 1997; Daubechies,
DeVore, Fornasier and Gunturk, Comm. Pure and Applied Mathematics 63(1), 2010.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .consistency import Frames

__all__ = ["likeliest"]

REDUNDANCY = 2
"""Frames are padded with zeros to so many times their length."""
FLOOR = 1e-4
"""Of the mean variance in a frame: what is added to each."""
STEPS = 25
TINY = np.float32(1e-30)


def likeliest(frames: Frames, missing: NDArray[np.bool_], guess: Frames) -> Frames:
    """Frames whose missing samples are the likeliest for the spectrum that a guess has.

    Args:
        frames: windowed, shape (count, size).
        missing: the samples that are sought, the same shape.
        guess: at them, from where the search begins; elsewhere as `frames`.
    """
    size = frames.shape[1]
    precision = _precision(guess)
    free = missing.astype(np.float32)

    def weighted(sound: Frames) -> Frames:
        spectra = scipy.fft.rfft(sound, REDUNDANCY * size, axis=1)
        return np.asarray(scipy.fft.irfft(spectra * precision, REDUNDANCY * size, axis=1)[:, :size] * free)

    found = np.where(missing, guess, frames)
    left = -weighted(found)
    way, square = left.copy(), _products(left, left)
    for _ in range(STEPS):
        image = weighted(way)
        step = square / np.maximum(_products(way, image), TINY)
        found += step * way
        left -= step * image
        before, square = square, _products(left, left)
        way *= square / np.maximum(before, TINY)
        way += left
    return found


def _precision(guess: Frames) -> NDArray[np.float32]:
    """One over the variance of each coefficient, 1 on the mean, from three neighbours of the guess."""
    spectra = scipy.fft.rfft(guess, REDUNDANCY * guess.shape[1], axis=1, norm="ortho")
    power = np.pad(np.square(spectra.real) + np.square(spectra.imag), ((0, 0), (1, 1)), mode="edge")
    variance = (power[:, :-2] + power[:, 1:-1] + power[:, 2:]) / 3
    precision = 1 / (variance + np.maximum(FLOOR * variance.mean(axis=1, keepdims=True), TINY))
    return np.asarray(precision / precision.mean(axis=1, keepdims=True), np.float32)


def _products(one: Frames, other: Frames) -> Frames:
    return np.asarray(np.einsum("ij,ij->i", one, other)[:, None])
