"""Steady noise of any smooth spectrum, as tapes, records, amplifiers, quantisation and rooms make it."""

import numpy as np
from numpy.typing import NDArray
from passes import SAMPLE_RATE
from scipy.fft import irfft, rfft, rfftfreq

from stream_restore.spec import Audio

__all__ = ["steady_noise"]

LOWEST_HZ = 20.0
OCTAVES = np.linspace(-6, 5, 12)
"""Octaves from 1 kHz at which a random spectrum turns."""
LEVEL_SECONDS = 10.0
"""Time in which the level of some noises changes by a decibel or two."""


def steady_noise(rng: np.random.Generator, frames: int) -> Audio:
    """Two channels of noise with unit mean square, shape (2, frames)."""
    gain = 10 ** (_spectrum_db(rng, rfftfreq(frames, 1 / SAMPLE_RATE)) / 20)
    noise = np.stack([irfft(rfft(rng.standard_normal(frames)) * gain, frames) for _ in range(2)])
    if rng.random() < 0.3:
        noise *= _slow_level(rng, frames)
    if rng.random() < 0.15:
        noise[1] = noise[0]
    return np.asarray(noise / np.sqrt(np.mean(noise**2)), np.float32)


def _spectrum_db(rng: np.random.Generator, hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """White, falling (pink to brown and beyond), rising (tape hiss), or a random walk; some with an end."""
    octaves = np.log2(np.maximum(hertz, LOWEST_HZ) / 1000)
    kind = rng.integers(6)
    if kind < 3:
        slope = (0.0, -3.01 * rng.uniform(0.5, 2.2), 3.0 * rng.uniform(0, 1.5))[kind]
        decibels = slope * octaves
    else:
        walk = np.cumsum(rng.normal(0, 3, len(OCTAVES)))
        decibels = np.interp(octaves, OCTAVES, walk - walk.mean()) - rng.uniform(0, 3) * octaves
    if rng.random() < 0.35:
        decibels = decibels - np.where(hertz > rng.uniform(3000, 16000), rng.choice([40, 90]), 0)
    return np.asarray(np.maximum(decibels - decibels.max(), -120))


def _slow_level(rng: np.random.Generator, frames: int) -> NDArray[np.float64]:
    places = np.arange(0, frames / SAMPLE_RATE + LEVEL_SECONDS, LEVEL_SECONDS)
    decibels = np.interp(np.arange(frames) / SAMPLE_RATE, places, rng.normal(0, 1.5, len(places)))
    return np.asarray(10 ** (decibels / 20))
