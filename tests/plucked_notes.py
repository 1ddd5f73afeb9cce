"""Music that is made here, and what a repair makes of it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_restore.restoration.repairs import Repair
from stream_restore.spec import Audio

RATE, SECONDS = 16000, 6
TIME = np.arange(RATE * SECONDS) / RATE
Samples = NDArray[np.float64]


def music(seed: int = 1, loud: float = 0.5) -> Audio:
    """Plucked notes with overtones; shape (1, frames)."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(len(TIME))
    for _ in range(10 * SECONDS):
        start, length = rng.integers(0, len(TIME) - RATE // 8), RATE
        time = np.arange(length)[: len(TIME) - start] / RATE
        pitch = 55 * 2 ** (rng.integers(0, 40) / 12)
        tone = sum(np.sin(2 * np.pi * k * pitch * time + k) / k for k in range(1, 5))
        sound[start : start + length] += tone * np.exp(-4 * time) * np.minimum(1, 200 * time) * (1 - time)
    return np.asarray(loud * sound[None] / np.abs(sound).max(), np.float32)


def run(stage: Repair[Any], sound: Audio) -> Audio:
    return np.concatenate([stage.process(sound), stage.flush()], axis=1)


def sdr(clean: Audio, sound: Audio) -> float:
    error = np.square(sound - clean.astype(np.float64)).sum()
    return float(10 * np.log10(np.square(clean, dtype=np.float64).sum() / error))
