"""What recordings suffer apart from the evaluation's chain: noise of any colour, hum, clicks, clipping, lossy coding.

Each takes a sound of shape (channels, frames) and a random generator, and returns the same shape.
"""

import subprocess
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from benchmarks.foreign import coded
from numpy.typing import NDArray
from scipy.signal import lfilter

from stream_restore.spec import Audio

__all__ = ["DAMAGES", "Damage", "click", "clip", "code", "hiss", "hum"]

Damage: TypeAlias = Callable[[Audio, int, np.random.Generator], Audio]

CODECS = {".mp3": (48, 56, 64, 64, 80, 96, 128), ".m4a": (48, 64, 80, 96, 128), ".opus": (24, 32, 48, 64)}
"""Suffixes of the files of each encoder, with its bit rates in kbit/s for two channels."""


def hiss(sound: Audio, sample_rate: int, rng: np.random.Generator) -> Audio:
    """Noise whose power falls as f**-a, a from -1 (rising, as tape and old records) to 2 (brown), 5 to 35 dB below."""
    frames = sound.shape[1]
    hertz = np.maximum(np.fft.rfftfreq(frames, 1 / sample_rate), 40.0)
    spectrum = np.fft.rfft(rng.standard_normal((len(sound), frames))) * hertz ** (-rng.uniform(-1.0, 2.0) / 2)
    return _beside(sound, np.fft.irfft(spectrum, frames), rng.uniform(5.0, 35.0))


def hum(sound: Audio, sample_rate: int, rng: np.random.Generator) -> Audio:
    """The mains at 50 or 60 Hz with up to 30 harmonics, the same in all channels, 0 to 30 dB below the sound."""
    mains = rng.choice([50.0, 60.0]) * rng.uniform(0.995, 1.005)
    number = np.arange(1, int(rng.integers(2, 31)))
    level = rng.uniform(0.1, 1.0, number.size) * number ** -rng.uniform(0.3, 1.5)
    level[1::2] *= rng.uniform(0.0, 1.0)
    turns = 2 * np.pi * mains * np.arange(sound.shape[1]) / sample_rate
    waves = np.sin(number[:, None] * turns + rng.uniform(0.0, 2 * np.pi, (number.size, 1)))
    return _beside(sound, level @ waves, rng.uniform(0.0, 30.0))


def click(sound: Audio, sample_rate: int, rng: np.random.Generator) -> Audio:
    """Crackle, 5 to 30 dB below: 1 to 200 clicks a second, most of them small, each ringing for up to a millisecond."""
    frames, each = sound.shape[1], np.exp(rng.uniform(np.log(1.0), np.log(200.0)))
    count = int(rng.poisson(each * frames / sample_rate))
    clicks = np.zeros(frames)
    clicks[rng.integers(frames, size=count)] = rng.standard_normal(count) * rng.exponential(1.0, count)
    ring = rng.uniform(0.0, 0.97)
    clicks = lfilter([1.0], [1.0, -2 * ring * np.cos(rng.uniform(0.2, 2.8)), ring * ring], clicks)
    balance = rng.uniform(0.3, 1.0, (len(sound), 1)) * rng.choice([-1.0, 1.0, 1.0], (len(sound), 1))
    return _beside(sound, clicks * balance, rng.uniform(5.0, 30.0))


def clip(sound: Audio, sample_rate: int, rng: np.random.Generator) -> Audio:
    """Flattened above the level that 0.3 to 30 % of the samples exceed; never to silence."""
    magnitudes = np.abs(sound)
    limit = float(np.quantile(magnitudes, 1 - np.exp(rng.uniform(np.log(0.003), np.log(0.3)))))
    limit = max(limit, 0.02 * float(magnitudes.max(initial=0.0)))
    return np.clip(sound, -limit, limit)


DAMAGES: tuple[Damage, ...] = (hiss, hum, click, clip)


def code(sound: Audio, suffix: str | None, rng: np.random.Generator) -> Audio | None:
    """Through a real encoder and decoder at a low rate, in time with the original; None without ffmpeg.

    Args:
        sound: (channels, frames) at 44.1 kHz.
        suffix: of the files of an encoder, one of `CODECS`; None: any of them.
    """
    suffix = suffix or str(rng.choice(list(CODECS)))
    try:
        return coded(sound, suffix, "-b:a", f"{rng.choice(CODECS[suffix])}k")
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None


def _beside(sound: Audio, noise: NDArray[np.float64], below_db: float) -> Audio:
    """`noise` added this far below `sound`; below -50 dBFS where that is silent."""
    power = max(float(np.mean(np.square(sound, dtype=np.float64))), 1e-5)
    gain = np.sqrt(power / max(float(np.mean(np.square(noise))), 1e-20)) * 10 ** (-below_db / 20)
    return np.asarray(sound + gain * noise, np.float32)
