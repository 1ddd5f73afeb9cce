"""What becomes of a rendered piece on its way to a record: a hall, an equaliser, a compressor, each drawn at random."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter, oaconvolve

from stream_restore.spec import Audio

__all__ = ["master"]

HOP = 64
"""Frames in which the compressor's gain is one number before it is interpolated."""


def master(sound: Audio, sample_rate: int, rng: np.random.Generator) -> Audio:
    """`sound` (2, frames) with reverberation, equalised and compressed, at a peak of -1 dBFS."""
    made = sound.astype(np.float64)
    if rng.random() < 0.4:
        made = made + rng.uniform(0.05, 0.5) * _hall(made, sample_rate, rng)
    for _ in range(int(rng.integers(0, 4))):
        made = _equalised(made, sample_rate, rng)
    if rng.random() < 0.6:
        made = _compressed(made, sample_rate, rng)
    return np.asarray(made * (0.89 / max(np.abs(made).max(initial=0.0), 1e-9)), np.float32)


def _hall(sound: NDArray[np.float64], sample_rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise that decays by 60 dB in 0.3 to 3 s and gets duller, its own in each channel."""
    seconds = float(np.exp(rng.uniform(np.log(0.3), np.log(3.0))))
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    hall = rng.standard_normal((2, time.size)) * 10 ** (-3 * time / seconds)
    hall = lfilter([1 - (dull := rng.uniform(0.2, 0.8))], [1, -dull], hall)
    hall /= np.sqrt(np.sum(np.square(hall), axis=1, keepdims=True))
    return np.asarray(oaconvolve(sound, hall, axes=1)[:, : sound.shape[1]])


def _equalised(sound: NDArray[np.float64], sample_rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A bell of up to 9 dB either way (Bristow-Johnson, "Cookbook formulae for audio EQ biquads", 1998)."""
    hertz = float(np.exp(rng.uniform(np.log(60.0), np.log(16000.0))))
    amplitude, turn = 10 ** (rng.uniform(-9.0, 9.0) / 40), 2 * np.pi * hertz / sample_rate
    width = np.sin(turn) / (2 * rng.uniform(0.3, 2.0))
    zeros = np.array([1 + width * amplitude, -2 * np.cos(turn), 1 - width * amplitude])
    poles = np.array([1 + width / amplitude, -2 * np.cos(turn), 1 - width / amplitude])
    return np.asarray(lfilter(zeros, poles, sound))


def _compressed(sound: NDArray[np.float64], sample_rate: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A ratio of 1.5 to 6 above a threshold, one gain for both channels, smoothed over 10 to 200 ms."""
    hops = np.pad(sound, ((0, 0), (0, -sound.shape[1] % HOP))).reshape(2, -1, HOP)
    level = np.sqrt(np.square(hops).mean(axis=(0, 2)))
    keep = np.exp(-HOP / (sample_rate * rng.uniform(0.01, 0.2)))
    level = 20 * np.log10(lfilter([1 - keep], [1, -keep], level) + 1e-6)
    over = np.maximum(level - np.quantile(level, rng.uniform(0.1, 0.8)), 0.0)
    gain = 10 ** (-over * (1 - 1 / rng.uniform(1.5, 6.0)) / 20)
    return np.asarray(sound * np.interp(np.arange(sound.shape[1]), HOP * (np.arange(gain.size) + 0.5), gain))
