"""Steady noise of any smooth spectrum, as tapes, records, amplifiers, quantisation and rooms make it."""

import numpy as np
import torch
from numpy.typing import NDArray
from passes import SAMPLE_RATE
from torch import Tensor

__all__ = ["along", "steady_noise"]

LOWEST_HZ = 20.0
OCTAVES = np.arange(-6, 6)
"""Octaves from 1 kHz at which a random spectrum turns."""
LEVEL_SECONDS = 10.0
"""Time in which the level of some noises changes by a decibel or two."""


def steady_noise(rng: np.random.Generator, frames: int, channels: int = 2, device: str = "cpu") -> Tensor:
    """Noise with unit mean square, shape (channels, frames)."""
    generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
    hertz = torch.arange(frames // 2 + 1, device=device) * (SAMPLE_RATE / frames)
    white = torch.fft.rfft(torch.randn(channels, frames, generator=generator, device=device))
    noise: Tensor = torch.fft.irfft(white * 10 ** (_spectrum_db(rng, hertz) / 20), n=frames)
    if rng.random() < 0.3:
        noise *= _slow_level(rng, frames, device)
    if channels > 1 and rng.random() < 0.15:
        noise[1] = noise[0]
    return noise / noise.double().square().mean().sqrt()


def along(places: Tensor, values: NDArray[np.float64]) -> Tensor:
    """`values` at 0, 1, 2, ..., interpolated linearly; the first and the last go on."""
    table = torch.from_numpy(values.astype(np.float32)).to(places.device)
    inner = places.clamp(0, len(values) - 1)
    below = inner.floor().clamp(max=len(values) - 2)
    return torch.lerp(table[below.long()], table[below.long() + 1], inner - below)


def _spectrum_db(rng: np.random.Generator, hertz: Tensor) -> Tensor:
    """White, falling (pink to brown and beyond), rising (tape hiss), or a random walk; some with an end."""
    octaves = torch.log2(hertz.clamp(min=LOWEST_HZ) / 1000)
    kind = rng.integers(6)
    if kind < 3:
        slope = (0.0, -3.01 * rng.uniform(0.5, 2.2), 3.0 * rng.uniform(0, 1.5))[kind]
        decibels = slope * octaves
    else:
        walk = np.cumsum(rng.normal(0, 3, len(OCTAVES)))
        decibels = along(octaves - OCTAVES[0], walk - walk.mean()) - rng.uniform(0, 3) * octaves
    if rng.random() < 0.35:
        decibels = decibels - float(rng.choice([40, 90])) * (hertz > rng.uniform(3000, 16000))
    return (decibels - decibels.max()).clamp(min=-120)


def _slow_level(rng: np.random.Generator, frames: int, device: str) -> Tensor:
    seconds = torch.arange(frames, device=device) / SAMPLE_RATE
    turns = rng.normal(0, 1.5, int(frames / SAMPLE_RATE / LEVEL_SECONDS) + 2)
    return 10 ** (along(seconds / LEVEL_SECONDS, turns) / 20)
