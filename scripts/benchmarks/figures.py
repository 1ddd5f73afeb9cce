"""Figures of a whole sound against its reference; both have shape (channels, frames) at `SAMPLE_RATE`."""

from math import inf, log10

import numpy as np
import pyloudnorm
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from passes import SAMPLE_RATE
from scipy.fft import rfft
from scipy.signal import get_window

from stream_restore.measure.spectral import FLOOR, HOP, SIZE
from stream_restore.spec import Audio

__all__ = ["log_spectral_distance_db", "loudness_lufs", "si_sdr_db"]

WINDOW = get_window("hann", SIZE)
FULL_SCALE = 4 / WINDOW.sum() ** 2
"""Makes the power of a sine at full scale 1 in its bin."""
COLUMNS = 1024
"""Spectra computed at once: what a minute of them would take is not needed."""


def si_sdr_db(reference: Audio, estimate: Audio) -> float:
    """Scale-invariant signal-to-distortion ratio, as `stream_restore.measure.Distortion` defines it.

    In plain float64, which is 20 times as fast as its exact sums and agrees with them to some 1e-9 dB.
    """
    r, e = reference.astype(np.float64).ravel(), estimate.astype(np.float64).ravel()
    fitted = (r @ e) / (r @ r) * r
    left = e - fitted
    return 10 * log10((fitted @ fitted) / (left @ left)) if left.any() else inf


def log_spectral_distance_db(reference: Audio, estimate: Audio, above_hz: float = 0.0) -> float:
    """Root mean square over the frequencies from `above_hz` on of the difference of levels in dB, averaged over time.

    Gray and Markel, "Distance measures for speech processing", 1976. Spectra, floor and columns are those of
    `stream_restore.measure.Spectral`, which gives this figure for all frequencies.
    """
    band = np.arange(SIZE // 2 + 1) * SAMPLE_RATE >= above_hz * SIZE
    distances = [_distances(r, e, band) for r, e in zip(reference, estimate, strict=True)]
    return float(np.concatenate(distances).mean())


def _distances(
    reference: NDArray[np.float32], estimate: NDArray[np.float32], band: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The distance of every column of one channel, shape (columns,)."""
    cuts = [sliding_window_view(np.pad(sound, SIZE // 2), SIZE)[::HOP] for sound in (reference, estimate)]
    starts = range(0, len(cuts[0]), COLUMNS)
    return np.concatenate([_distance(*(_levels(cut[at : at + COLUMNS], band) for cut in cuts)) for at in starts])


def _levels(columns: NDArray[np.float32], band: NDArray[np.bool_]) -> NDArray[np.float64]:
    power = np.square(np.abs(rfft(columns * WINDOW)[:, band]))
    return np.asarray(10 * np.log10(np.maximum(power * FULL_SCALE, FLOOR)))


def _distance(levels: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.square(levels - others).mean(axis=-1)))


def loudness_lufs(sound: Audio) -> float:
    """Integrated loudness as ITU-R BS.1770-4 defines it; -inf where all of it lies below the gate."""
    return float(pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(sound.T.astype(np.float64)))
