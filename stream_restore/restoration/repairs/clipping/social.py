"""Social sparsity: samples above a level by the spectra that agree with those below and with their neighbours.

Siedenburg, Kowalski and Dorfler, "Audio declipping with social sparsity", ICASSP 2014: iterative shrinkage of all
frames together, where a coefficient stays as far as it and those before and after it at its frequency are strong (the
persistent empirical Wiener operator), and less and less is shrunk. Two channels help each other in two ways: spectra
are those of their sum and difference, and a half of the power that decides is that of both. More may be anything, and
each goes alone.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ....spec import Audio
from ..samples import Mask
from .consistency import Frames, bounds

__all__ = ["persistent"]

LEVELS = np.geomspace(0.1, 3e-4, 8)
"""What is shrunk, relative to the largest coefficient, one after the other."""
ITERATIONS = 8
"""At each of them."""
MOMENTUM = np.float32(0.9)
SHARED = np.float32(0.5)
"""Of the power that decides on a coefficient: what two channels decide together."""
TINY = np.float32(1e-30)

Spectra = NDArray[np.complex64]


def persistent(sound: Audio, clipped: Mask, size: int, neighbours: int) -> Audio:
    """A sound that agrees with the samples as far as sparse spectra allow.

    Args:
        sound: shape (channels, frames), a multiple of size / 2.
        clipped: where samples only say what the sound exceeds, the same shape.
        size: of frames, which overlap by half.
        neighbours: frames in a row that decide on each coefficient together, an odd number.
    """
    taper = np.asarray(np.sqrt(np.hanning(size + 1)[:-1]), np.float32)
    turn = _turn(len(sound))
    within = bounds(sound, clipped)
    moved = shrunk = _analysed(turn @ sound, taper)
    largest = np.abs(moved).max(axis=(1, 2), keepdims=True)
    if len(sound) == 2:
        largest[:] = largest.max()
    for part in np.repeat(LEVELS, ITERATIONS):
        level = np.float32(part) * largest
        guess = turn.T @ _synthesised(moved, taper)
        kept = moved + _analysed(turn @ (within.nearest(guess.copy()) - guess), taper)
        kept *= np.maximum(0, 1 - level**2 / np.maximum(_around(kept, neighbours), TINY))
        shrunk, moved = kept, kept + MOMENTUM * (kept - shrunk)
    return np.asarray(turn.T @ _synthesised(shrunk, taper))


def _turn(channels: int) -> NDArray[np.float32]:
    """A rotation of channels; of two, to their sum and difference, of others to themselves.

    >>> _turn(2).round(2)
    array([[ 0.71,  0.71],
           [ 0.71, -0.71]], dtype=float32)
    """
    both = np.array([[1, 1], [1, -1]], np.float32) * np.float32(np.sqrt(0.5))
    return both if channels == 2 else np.eye(channels, dtype=np.float32)


def _around(spectra: Spectra, neighbours: int) -> Frames:
    """The mean power of each coefficient and its neighbours in time, half of it that of both of two channels."""
    power = np.square(spectra.real)
    power += np.square(spectra.imag)
    if len(power) == 2:
        power *= 1 - SHARED
        power += power.mean(axis=0) * (SHARED / (1 - SHARED))
    reach = neighbours // 2
    padded = np.pad(power, ((0, 0), (reach, reach), (0, 0)))
    total = power
    for number in (each for each in range(neighbours) if each != reach):
        total += padded[:, number : number + power.shape[1]]
    total /= np.float32(neighbours)
    return total


def _analysed(sound: Audio, taper: Frames) -> Spectra:
    """Frames begin half of one before the sound, and end half of one behind it; shape (channels, frames, bins)."""
    hop = len(taper) // 2
    parts = sound.reshape(len(sound), -1, hop)
    frames = np.zeros((len(sound), parts.shape[1] + 1, 2 * hop), np.float32)
    np.multiply(parts, taper[:hop], out=frames[:, 1:, :hop])
    np.multiply(parts, taper[hop:], out=frames[:, :-1, hop:])
    return np.asarray(scipy.fft.rfft(frames, axis=2, norm="ortho"))


def _synthesised(spectra: Spectra, taper: Frames) -> Audio:
    hop = len(taper) // 2
    frames = scipy.fft.irfft(spectra, axis=2, norm="ortho")
    frames *= taper
    return np.asarray((frames[:, 1:, :hop] + frames[:, :-1, hop:]).reshape(len(spectra), -1))
