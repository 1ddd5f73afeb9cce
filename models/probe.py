"""Sound to compare two ways of running a network."""

import numpy as np

from ..spec import Audio
from .manifest import Manifest

__all__ = ["music_like"]


def music_like(manifest: Manifest, seed: int = 0) -> Audio:
    """A segment of decaying chords in noise, seeded, peak about 0.5, shape (channels, input_frames)."""
    random = np.random.default_rng(seed)
    time = np.arange(manifest.input_frames) / manifest.sample_rate
    sound = 0.01 * random.standard_normal((manifest.channels, len(time)))
    for onset in np.arange(0, time[-1] + 0.25, 0.25):
        since = np.maximum(time - onset, 0)
        for pitch in random.uniform(50, 0.2 * manifest.sample_rate, 4):
            pan = random.uniform(0, 0.1, (manifest.channels, 1))
            sound += pan * (time >= onset) * np.exp(-6 * since) * np.sin(2 * np.pi * pitch * since)
    return sound.astype(np.float32)
