"""The fine structure of treble that is made anew: a copy of what lies below a cut-off, and noise in its rhythm.

The band below the cut-off is copied upwards as often as there is room, by whole multiples of four bins: from one column
of a spectrogram to the next, a quarter of a column later, such a copy turns by whole periods, so it is the sound itself
at another pitch, its transients as sharp and its phases as coherent as they were (spectral band replication: Dietz and
others, AES 112, 2002). The noise is the same band times white noise that is one for all channels: it keeps the
loudness of every instant and the likeness of the channels.

Both are brought to unit mean square in every neighbourhood of a column, and mixed with more noise the higher they lie.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ....engine.noise import Noise, gaussian

__all__ = ["OVERLAP", "Spectra", "make_noise", "overlap_add", "power_around", "replicated", "spectra", "whitened"]

Spectra = NDArray[np.complex64]

OVERLAP = 4
"""Columns that a frame lies in."""
REBUILT = 1.5
"""What squared Hann windows at a quarter of their length sum up to."""
SOURCE = (0.5, 0.92)
"""What is copied, in parts of the cut-off."""
NEIGHBOURS = 17
"""Bins around a bin in which a column is brought to unit mean square."""
NOISE = (0.35, 0.85)
"""Share of the noise in the power, at the cut-off and from an octave above."""
MARGIN = 4
"""Bins above the cut-off that are left empty, for what is added to have nothing below."""
LEAST = 1e-20
SEED, PURPOSE = 0, 3


def spectra(frames: NDArray[np.float32], size: int, window: NDArray[np.float32]) -> Spectra:
    """Columns every quarter of their size, shape (..., columns, size//2 + 1); the first begins at the first frame."""
    columns = np.lib.stride_tricks.sliding_window_view(frames, size, axis=-1)[..., :: size // OVERLAP, :]
    return np.asarray(scipy.fft.rfft(columns * window, axis=-1))


def overlap_add(columns: Spectra, window: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sound of columns, shape (..., (columns - 1 + OVERLAP) * hop)."""
    size, count = len(window), columns.shape[-2]
    hop = size // OVERLAP
    parts = (scipy.fft.irfft(columns, axis=-1) * (window / REBUILT)).reshape(*columns.shape[:-1], OVERLAP, hop)
    out = np.zeros((*columns.shape[:-2], count - 1 + OVERLAP, hop), np.float32)
    for part in range(OVERLAP):
        out[..., part : part + count, :] += parts[..., part, :]
    return out.reshape(*columns.shape[:-2], -1)


def replicated(heard: Spectra, cutoff: int, start: int, noise: Noise, window: NDArray[np.float32]) -> Spectra:
    """Fine structure above a cut-off, of unit mean square around each bin, zero below.

    Args:
        heard: columns of the recording, shape (channels, columns, bins), `OVERLAP - 1` more than wanted on both sides.
        cutoff: number of the bin.
        start: frame at which the first of the columns begins.
        noise: of one channel.

    Returns:
        shape (channels, columns - 2*(OVERLAP - 1), bins).
    """
    size, side = len(window), OVERLAP - 1
    low, high = (int(part * cutoff) for part in SOURCE)
    band = np.zeros_like(heard)
    band[..., low:high] = heard[..., low:high]
    sound = overlap_add(band, window)[..., side * (size // OVERLAP) :]
    wanted = heard.shape[-2] - 2 * side
    frames = (wanted - 1) * (size // OVERLAP) + size
    random = noise.read(start + side * (size // OVERLAP), frames).astype(np.float32)
    hiss = whitened(spectra(sound[..., :frames] * random, size, window))
    copy = whitened(_copied(heard[..., side : side + wanted, :], cutoff, low, high))
    share = _noise_share(cutoff, heard.shape[-1])
    return np.asarray(np.sqrt(1 - share) * copy + np.sqrt(share) * hiss, np.complex64)


def _copied(heard: Spectra, cutoff: int, low: int, high: int) -> Spectra:
    """The bins [low, high) again and again from the cut-off on."""
    first = cutoff + MARGIN
    width = max(OVERLAP, (high - low) // OVERLAP * OVERLAP)
    shift = -(-(first - low) // OVERLAP) * OVERLAP
    out = np.zeros_like(heard)
    for begin in range(low + shift, heard.shape[-1], width):
        count = min(width, heard.shape[-1] - begin)
        out[..., begin : begin + count] = heard[..., low : low + count]
    return out


def _noise_share(cutoff: int, bins: int) -> NDArray[np.float32]:
    """Of the power in each bin; all bins below the cut-off have the first share."""
    octaves = np.clip(np.log2(np.maximum(np.arange(bins), 1) / cutoff), 0, 1)
    return np.asarray(NOISE[0] + (NOISE[1] - NOISE[0]) * octaves, np.float32)


def whitened(columns: Spectra) -> Spectra:
    """Columns of unit mean square around each bin; silence stays silent."""
    return np.asarray(columns / np.sqrt(np.maximum(power_around(columns), LEAST)), np.complex64)


def power_around(columns: Spectra) -> NDArray[np.float32]:
    """Mean power around each bin."""
    from scipy.ndimage import uniform_filter1d

    power = columns.real**2 + columns.imag**2
    return np.asarray(uniform_filter1d(power, NEIGHBOURS, axis=-1, mode="nearest"))


def make_noise() -> Noise:
    """The noise that all recordings share."""
    return Noise(SEED, PURPOSE, 1, gaussian)
