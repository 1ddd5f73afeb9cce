"""Synthetic speech from espeak-ng, where it is installed (`apt-get install espeak-ng`)."""

import io
import shutil
import subprocess

import numpy as np
import soundfile
import soxr

from stream_restore.spec import Audio, empty

__all__ = ["speak"]

VOICES = ("en-us", "en-gb", "it", "de", "fr", "es", "pt", "en-gb-scotland")
VARIANTS = ("", "+f2", "+m3", "+f4", "+m1", "+f3", "+m7", "+f1")
WORDS = """
morning river window between carpet seldom whisper thunder measure silver history although garden
perfect shadow against company nothing question surface finger already believe mountain several journey
problem because student picture yellow through mineral evening travel certain kitchen balance orchard
strange village welcome fortune captain million ancient paper number circle forest simple letter"""


def speak(seed: int, sample_rate: int, words: int = 220) -> Audio:
    """Seeded sentences of common words in one voice, shape (1, frames); no frames without espeak-ng."""
    program = shutil.which("espeak-ng")
    if program is None:
        return empty(1)
    rng = np.random.default_rng([seed, 1])
    voice = VOICES[seed % len(VOICES)] + VARIANTS[seed % len(VARIANTS)]
    options = ["-v", voice, "-s", str(rng.integers(120, 190)), "-p", str(rng.integers(25, 75))]
    spoken = subprocess.run(
        [program, *options, "--stdout"], input=_text(rng, words).encode(), capture_output=True, check=True
    )
    sound, rate = soundfile.read(io.BytesIO(spoken.stdout), dtype="float32", always_2d=True)
    return np.ascontiguousarray(soxr.resample(sound, rate, sample_rate).T)


def _text(rng: np.random.Generator, words: int) -> str:
    sentences = []
    while words > 0:
        count = int(rng.integers(4, 12))
        sentences.append(" ".join(rng.choice(WORDS.split(), count)) + rng.choice([".", "?", ",", "!"]))
        words -= count
    return "\n".join(sentences)
