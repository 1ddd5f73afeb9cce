"""What recordings suffer, as functions of a sound, a random generator and a strength.

Sounds have shape (channels, frames) at `SAMPLE_RATE` and are never modified. The strength is the SDR of what comes out,
in dB, but for lossy coding, where it is the bit rate in kbit/s. The same generator gives the same damage. The noise
is not that of `training.noise`: what is measured with should not be what was learnt from.
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from passes import SAMPLE_RATE
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq
from scipy.signal import butter, sosfilt

from stream_restore.spec import Audio

from .foreign import coded

__all__ = ["Damage", "brown_hiss", "clipping", "crackle", "hum", "mp3", "pink_hiss", "scratches"]

Damage: TypeAlias = Callable[[Audio, np.random.Generator, float], Audio]
Samples: TypeAlias = NDArray[np.float64]

MAINS_HZ = 50.0
HARMONICS = 16
CLICKS_A_SECOND = 30.0
SHORTEST_CLICK, LONGEST_CLICK = 3, 30
"""In frames."""
SCRATCHES_A_SECOND, UNSCRATCHED_SECONDS = 1.0, 0.25
"""The latter at both ends of a sound."""
AUDIBLE_HZ = 20.0
"""Coloured noise begins here: without a beginning, all of brown noise would be drift that nobody hears."""
CEILINGS = 40
"""Halvings in the search for the level that clips to an SDR."""


def hum(sound: Audio, rng: np.random.Generator, sdr_db: float) -> Audio:
    """The mains at 50 Hz, 0.2 % off at most, and its harmonics, random in level and phase, equal in all channels."""
    orders = np.arange(1, HARMONICS + 1)
    levels, phases = rng.uniform(0.3, 1.0, HARMONICS) / orders, rng.uniform(0, 2 * np.pi, HARMONICS)
    angles = 2 * np.pi * MAINS_HZ * rng.uniform(0.998, 1.002) * np.arange(sound.shape[1]) / SAMPLE_RATE
    tone = sum((a * np.sin(k * angles + p) for k, a, p in zip(orders, levels, phases, strict=True)), np.zeros(()))
    return _with(sound, np.broadcast_to(tone, sound.shape), sdr_db)


def crackle(sound: Audio, rng: np.random.Generator, sdr_db: float) -> Audio:
    """Clicks of vinyl: at random places, short decaying bursts of noise, many weak and few strong (log-normal).

    The model of Godsill and Rayner, "Digital Audio Restoration", 1998, chapter 5, with bursts for its click amplitudes.
    """
    channels, frames = sound.shape
    clicks = np.zeros((channels, frames + LONGEST_CLICK))
    for _ in range(rng.poisson(CLICKS_A_SECOND * frames / SAMPLE_RATE)):
        length, place = int(rng.integers(SHORTEST_CLICK, LONGEST_CLICK + 1)), int(rng.integers(frames))
        burst = rng.lognormal(0.0, 1.0) * rng.standard_normal(length) * np.exp(-4 * np.arange(length) / length)
        clicks[:, place : place + length] += rng.uniform(0.3, 1.0, (channels, 1)) * burst
    return _with(sound, clicks[:, :frames], sdr_db)


def scratches(sound: Audio, rng: np.random.Generator, sdr_db: float) -> Audio:
    """A needle jumps over scratches, at random places: an impact, then 3 to 10 ms of a band of noise, or of resonances.

    They sound in all channels, stronger in one, and are as loud as each other, but for a factor of about two.
    """
    channels, frames = sound.shape
    added = np.zeros((channels, frames))
    free = round(UNSCRATCHED_SECONDS * SAMPLE_RATE)
    for _ in range(max(1, rng.poisson(SCRATCHES_A_SECOND * (frames - 2 * free) / SAMPLE_RATE))):
        scratch, place = _scratch(rng), int(rng.integers(free, frames - free))
        gains = rng.permutation(np.append(1.0, rng.choice([-1, 1]) * rng.uniform(0.3, 1.0, channels - 1)))
        added[:, place : place + len(scratch)] += rng.lognormal(0.0, 0.5) * gains[:, None] * scratch
    return _with(sound, added, sdr_db)


def _scratch(rng: np.random.Generator) -> Samples:
    """Of power 1 before its impact; shape (frames,)."""
    size = int(rng.uniform(0.003, 0.010) * SAMPLE_RATE)
    part, impact = np.arange(size) / size, int(rng.integers(3, 12))
    low, high = (np.exp(rng.uniform(*np.log(range_hz))) for range_hz in ((200, 1000), (2000, 8000)))
    if rng.random() < 0.5:
        band = butter(2, [low, high], "band", fs=SAMPLE_RATE, output="sos")
        burst = sosfilt(band, rng.standard_normal(size + SAMPLE_RATE))[SAMPLE_RATE:] * np.minimum(1, 4 - 4 * part)
    else:
        angles = 2 * np.pi * np.exp(rng.uniform(np.log(low), np.log(high), (4, 1))) * np.arange(size) / SAMPLE_RATE
        burst = np.sum(np.sin(angles + rng.uniform(0, 2 * np.pi, (4, 1))) * np.exp(-4 * part), axis=0)
    burst /= np.sqrt(np.mean(np.square(burst)))
    burst[:impact] += rng.uniform(0.5, 3.0) * rng.standard_normal(impact)
    return np.asarray(burst)


def clipping(sound: Audio, rng: np.random.Generator, sdr_db: float) -> Audio:
    """Hard clipping at the level that leaves this SDR; nothing of it is random.

    That is how declipping is measured: Zaviska et al., "A survey and an extensive evaluation of popular audio
    declipping methods", IEEE J. Selected Topics in Signal Processing 15(1), 2021.
    """
    low, high = 0.0, float(np.abs(sound).max(initial=0.0))
    allowed = float(np.square(sound, dtype=np.float64).sum()) / 10 ** (sdr_db / 10)
    for _ in range(CEILINGS):
        level = (low + high) / 2
        lost = float(np.square(np.maximum(np.abs(sound) - level, 0), dtype=np.float64).sum())
        low, high = (level, high) if lost > allowed else (low, level)
    return np.clip(sound, -high, high)


def mp3(sound: Audio, rng: np.random.Generator, kbit: float) -> Audio:
    """To MP3 at a constant bit rate and back, by LAME through ffmpeg; nothing of it is random."""
    return coded(sound, ".mp3", "-c:a", "libmp3lame", "-b:a", f"{kbit:g}k")


def pink_hiss(sound: Audio, rng: np.random.Generator, sdr_db: float) -> Audio:
    """Gaussian noise whose power falls by 3 dB an octave, its own in every channel."""
    return _with(sound, _coloured(sound.shape, rng, 0.5), sdr_db)


def brown_hiss(sound: Audio, rng: np.random.Generator, sdr_db: float) -> Audio:
    """Gaussian noise whose power falls by 6 dB an octave, its own in every channel."""
    return _with(sound, _coloured(sound.shape, rng, 1.0), sdr_db)


def _coloured(shape: tuple[int, ...], rng: np.random.Generator, exponent: float) -> Samples:
    """Noise whose amplitude falls as frequency ** -exponent from `AUDIBLE_HZ` on."""
    size = next_fast_len(shape[1], real=True)
    hertz = rfftfreq(size, 1 / SAMPLE_RATE)
    gain = np.where(hertz < AUDIBLE_HZ, 0.0, np.maximum(hertz, AUDIBLE_HZ) ** -exponent)
    spectrum = rfft(rng.standard_normal((shape[0], size))) * gain
    return np.asarray(irfft(spectrum, size)[:, : shape[1]], np.float64)


def _with(sound: Audio, added: Samples, sdr_db: float) -> Audio:
    """The sum, with what is added scaled to this SDR; nothing is added to silence."""
    power = float(np.square(added).sum())
    wanted = float(np.square(sound, dtype=np.float64).sum()) / 10 ** (sdr_db / 10)
    return (sound + (np.sqrt(wanted / power) if power else 0.0) * added).astype(np.float32)
