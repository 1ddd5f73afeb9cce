"""The floor of steady noise under music, from the quietest moments of a minute.

Whether something is noise shows in a minute, not in a segment of a network. Noise is always there, and its spectrum is
smooth; music leaves gaps. So the floor of a band is what it falls to in its quietest moments, and no more than most of
its neighbours fall to. (After the minimum statistics of Martin, "Noise power spectral density estimation based on
optimal smoothing and minimum statistics", 2001.) Where music leaves no gap, this errs upwards; how far the quiet
moments lie below the others says how sure the floor is.

Powers are kept in bands: single bins of the spectrum up to 5.5 kHz, means of two up to 11 kHz, of four above.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

__all__ = [
    "BANDS",
    "COLUMNS",
    "FEATURES",
    "HOP",
    "SIZE",
    "WINDOW",
    "Floor",
    "band_powers",
    "features",
    "find_floor",
    "per_bin",
    "quiet_moments",
    "spectra",
]

SIZE = 4096
"""Frames of a column of the spectrogram."""
HOP = 1024
"""Frames between columns."""
COLUMNS = 8
"""Columns whose mean power makes one moment."""
SINGLE, DOUBLE, FOURFOLD = 512, 256, 256
"""Bands of one, of two and of four bins; the highest bin goes with the band below it."""
BANDS = SINGLE + DOUBLE + FOURFOLD
FEATURES = 7
QUANTILES = (0.02, 0.1, 0.3, 0.6)
"""Of the moments of a minute; the first is the quietest part, in which the floor shows."""
NEIGHBOURS = 81
PERCENTILE = 15
EMPTY = 1e-3
"""Above a cut-off even the mean is so much weaker than the quietest moments below."""
STEADY = 1.1
"""Times `SPREAD`: noise has 1.0; of sixty excerpts of released music, most of them cut off, none has less than 1.4."""
SPREAD = np.repeat(np.array([3.4, 2.8, 2.2], np.float32), [SINGLE, DOUBLE, FOURFOLD])
"""Of white noise in each band, the last of the quantiles over the first."""
SILENCE = 1e-9
"""Mean power of a column's bins below which it is digital silence, which says nothing about noise."""
LEAST = 1e-12

WINDOW = np.hanning(SIZE + 1)[:-1].astype(np.float32)


def spectra(frames: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Columns of a spectrogram, shape (channels, columns, SIZE/2 + 1), of frames of shape (channels, frames).

    The first column begins at the first frame; only whole columns are computed.
    """
    columns = np.lib.stride_tricks.sliding_window_view(frames, SIZE, axis=-1)[..., ::HOP, :]
    return np.asarray(scipy.fft.rfft(columns * WINDOW, axis=-1))


def band_powers(columns: NDArray[np.complex64]) -> NDArray[np.float32]:
    """Mean power in each band, shape (..., BANDS), of columns of shape (..., SIZE/2 + 1)."""
    power = columns.real**2 + columns.imag**2
    double, fourfold = SINGLE + 2 * DOUBLE, SINGLE + 2 * DOUBLE + 4 * FOURFOLD
    means = [
        power[..., :SINGLE],
        _means(power[..., SINGLE:double], 2),
        _means(power[..., double:fourfold], 4),
    ]
    return np.asarray(np.concatenate(means, axis=-1), np.float32)


def _means(power: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Of so many neighbours each. Ten times as fast as `mean` along so short an axis."""
    return np.asarray(sum(power[..., place::count] for place in range(count)) / count)


def per_bin(bands: NDArray[np.float32]) -> NDArray[np.float32]:
    """The value of each bin's band, shape (..., SIZE/2 + 1)."""
    parts = [
        bands[..., :SINGLE],
        np.repeat(bands[..., SINGLE : SINGLE + DOUBLE], 2, axis=-1),
        np.repeat(bands[..., SINGLE + DOUBLE :], 4, axis=-1),
        bands[..., -1:],
    ]
    return np.concatenate(parts, axis=-1)


def quiet_moments(powers: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean powers of moments, shape (moments, BANDS), of columns of shape (columns, BANDS); NaN where there is silence.

    The number of columns is a multiple of COLUMNS.
    """
    grouped = powers.reshape(-1, COLUMNS, BANDS)
    moments: NDArray[np.float32] = grouped.mean(axis=1)
    moments[(grouped.mean(axis=2) < SILENCE * SIZE).any(axis=1)] = np.nan
    return moments


@dataclass(frozen=True)
class Floor:
    """What a minute says about the noise in it.

    Attributes:
        power: of the noise in each band, shape (BANDS,).
        mean: of all sound in each band, shape (BANDS,).
        quantiles: powers that `QUANTILES` of the moments do not reach, shape (4, BANDS): steady noise has them close
            together.
        share: of a whole minute, how much was there to look at.
    """

    power: NDArray[np.float32]
    mean: NDArray[np.float32]
    quantiles: NDArray[np.float32]
    share: float


def find_floor(moments: NDArray[np.float32], whole: int) -> Floor | None:
    """The floor under moments of shape (moments, BANDS), in any order; None if all are silent.

    Args:
        whole: number of moments that a whole minute has.
    """
    count = int(np.count_nonzero(~np.isnan(moments[:, 0])))
    if not count:
        return None
    # NumPy sorts rows ten times as fast as it partitions columns; silent moments, NaN, come last.
    ordered = np.sort(np.ascontiguousarray(moments.T), axis=1)[:, :count]
    quantiles = np.maximum(ordered[:, [int(quantile * count) for quantile in QUANTILES]].T, LEAST)
    mean = np.maximum(ordered.mean(axis=1), LEAST)
    return Floor(_smoothed(quantiles, mean), mean, quantiles, min(1.0, count / whole))


def _smoothed(quantiles: NDArray[np.float32], mean: NDArray[np.float32]) -> NDArray[np.float32]:
    """What most neighbours of each band fall to; of noise just below a cut-off, those on its lower side."""
    from scipy.ndimage import percentile_filter

    power = percentile_filter(quantiles[0], PERCENTILE, NEIGHBOURS, mode="nearest")
    below = percentile_filter(quantiles[0], PERCENTILE, NEIGHBOURS, mode="nearest", origin=NEIGHBOURS // 2)
    edge = _edge(below, mean)
    spread = quantiles[3, edge] / quantiles[0, edge] / SPREAD[edge]
    if len(spread) and np.median(spread) < STEADY:
        power[edge] = np.maximum(power[edge], below[edge])
    return np.asarray(power, np.float32)


def _edge(below: NDArray[np.float32], mean: NDArray[np.float32]) -> slice:
    """The bands next to a steep cut-off, where there is one; images and whistles above it do not count."""
    from scipy.ndimage import maximum_filter1d, percentile_filter

    above = percentile_filter(mean, 100 - PERCENTILE, NEIGHBOURS, mode="nearest", origin=-(NEIGHBOURS // 2))
    loudest = maximum_filter1d(below, NEIGHBOURS, mode="nearest", origin=NEIGHBOURS // 2)
    empty = np.flatnonzero(above < EMPTY * loudest)
    stop = int(empty[0]) if len(empty) else 0
    return slice(max(0, stop - 2 * NEIGHBOURS), stop)


def features(powers: NDArray[np.float32], floor: Floor) -> NDArray[np.float32]:
    """What the network sees, shape (FEATURES, BANDS, columns), of powers of shape (columns, BANDS).

    All are decades above the floor, but for the share of a minute that was there.
    """
    seen = np.empty((FEATURES, BANDS, len(powers)), np.float32)
    np.log10(np.maximum(powers, LEAST).T / floor.power[:, None], out=seen[0])
    seen[1:-1] = np.log10(np.vstack([floor.mean, floor.quantiles]) / floor.power)[..., None]
    seen[-1] = floor.share
    return seen
