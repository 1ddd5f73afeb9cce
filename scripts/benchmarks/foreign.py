"""Sound through ffmpeg, a child process, and back at its place."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from passes import SAMPLE_RATE

from stream_restore.measure import DelayFinder
from stream_restore.spec import Audio

__all__ = ["aligned", "coded", "filtered", "version"]

LONGEST_DELAY = 4096
"""In frames, of anything here: `afftdn` comes 1102 frames late at 44.1 kHz, MP3 1105 where it is not trimmed."""


def filtered(sound: Audio, graph: str) -> Audio:
    """`sound` (channels, frames) at `SAMPLE_RATE` through an audio filter, as long as it was and not late.

    Raises:
        FileNotFoundError: ffmpeg is not installed.
        subprocess.CalledProcessError: the filter refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, made = _write(sound, folder), Path(folder, "out.wav")
        _ffmpeg("-i", given, "-af", graph, "-c:a", "pcm_f32le", made)
        return aligned(sound, _read(made))


def coded(sound: Audio, suffix: str, *options: str) -> Audio:
    """`sound` through an encoder and back, as long as it was and not late.

    Args:
        sound: (channels, frames) at `SAMPLE_RATE`.
        suffix: of a file that holds what the encoder makes, as ".mp3".
        options: of ffmpeg, that choose the encoder and its bit rate.

    Raises:
        FileNotFoundError: ffmpeg is not installed.
        subprocess.CalledProcessError: the encoder refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, made, back = _write(sound, folder), Path(folder, "coded" + suffix), Path(folder, "out.wav")
        _ffmpeg("-i", given, *options, made)
        _ffmpeg("-i", made, "-ar", SAMPLE_RATE, "-c:a", "pcm_f32le", back)
        return aligned(sound, _read(back))


def aligned(sound: Audio, late: Audio) -> Audio:
    """`late` moved to where it resembles `sound` most, cut or filled with silence to its length."""
    frames = sound.shape[1]
    late = np.pad(late, ((0, 0), (0, frames)))
    finder = DelayFinder(len(sound), LONGEST_DELAY)
    finder.update(sound, late[:, :frames])
    delay = finder.result().frames
    return np.pad(late, ((0, 0), (max(0, -delay), 0)))[:, max(0, delay) :][:, :frames]


def version() -> str:
    """Of ffmpeg.

    Raises:
        FileNotFoundError: it is not installed.
    """
    said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2]


def _write(sound: Audio, folder: str) -> Path:
    """With silence behind it, so that what comes late comes at all."""
    path = Path(folder, "in.wav")
    soundfile.write(path, np.pad(sound, ((0, 0), (0, 2 * LONGEST_DELAY))).T, SAMPLE_RATE, subtype="FLOAT")
    return path


def _read(path: Path) -> Audio:
    frames, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return np.ascontiguousarray(frames.T)


def _ffmpeg(*words: object) -> None:
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *map(str, words)], check=True)
