"""The mel scale and its filters, by librosa's definition, without librosa.

Slaney's scale ("Auditory Toolbox", 1998): linear below 1 kHz, 15 mels up to there, and logarithmic above it, 27 mels
for a factor of 6.4. `librosa.filters.mel(htk=False, norm=None)` gives the same filters.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["filters", "frequencies"]

_LINEAR_HZ = 200 / 3
"""Width of a mel on the linear part."""
_CORNER_HZ = 1000.0
_CORNER_MEL = _CORNER_HZ / _LINEAR_HZ
_STEP = np.log(6.4) / 27


def frequencies(bands: int, top_hz: float) -> NDArray[np.float64]:
    """`bands` frequencies in Hz, evenly spread over the mel scale from 0 to `top_hz`.

    >>> frequencies(3, 8000.0).round().tolist()
    [0.0, 1689.0, 8000.0]
    """
    mels = np.linspace(0.0, _mel(top_hz), bands)
    above = _CORNER_HZ * np.exp(_STEP * (mels - _CORNER_MEL))
    return np.asarray(np.where(mels >= _CORNER_MEL, above, _LINEAR_HZ * mels))


def filters(sample_rate: int, size: int, bands: int) -> NDArray[np.float64]:
    """Triangles of height 1 over the bins of a transform of `size` frames, shape (bands, size//2 + 1)."""
    edges = frequencies(bands + 2, sample_rate / 2)
    widths = np.diff(edges)
    bins = np.arange(size // 2 + 1) * (sample_rate / size)
    ramps = edges[:, None] - bins
    rising, falling = -ramps[:-2] / widths[:-1, None], ramps[2:] / widths[1:, None]
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


def _mel(hertz: ArrayLike) -> float:
    hertz = float(np.asarray(hertz))
    if hertz < _CORNER_HZ:
        return hertz / _LINEAR_HZ
    return float(_CORNER_MEL + np.log(hertz / _CORNER_HZ) / _STEP)
