"""Sound as each sample's prediction from those before it, and the samples that suit a prediction best.

Godsill and Rayner, "Digital Audio Restoration", 1998, chapters 4 and 5; Janssen, Veldhuis and Vries, "Adaptive
interpolation of discrete-time signals that can be modeled as autoregressive processes", IEEE Trans. ASSP 34(2), 1986.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from ..gaps import Gaps, Places, Samples

__all__ = [
    "Unknowns",
    "framed",
    "interpolated",
    "prediction_errors",
    "predictor",
    "predictors",
    "together",
    "unknowns",
]

LOADING = 1e-9
"""White noise added to an autocorrelation, in parts of the power."""
ANALYSED_TOGETHER = 32
"""Frames."""
SOLVED_TOGETHER = 1000
"""Frames: gaps that influence each other are solved together up to this length."""


def framed(sound: Samples, frame: int) -> Samples:
    """Overlapping frames, one around each half frame of `sound`, zeros outside; shape (frames, frame), a view.

    Args:
        sound: shape (n,), n a multiple of half a frame.
    """
    return np.lib.stride_tricks.sliding_window_view(np.pad(sound, frame // 4), frame)[:: frame // 2]


def predictors(frames: Samples, order: int) -> Samples:
    """For each frame (1, -a1, ..., -ap): its sum with the samples up to a place is the prediction's error there.

    By the autocorrelation of the frame under a Hann window. Returns shape (frames, order + 1).
    """
    return np.concatenate([_predictors(group, order) for group in _groups(frames)])


def predictor(parts: Samples, order: int) -> Samples:
    """The one that suits several parts of a sound, shape (parts, n); as `predictors`."""
    return np.asarray(_solved(_correlation(parts, order).sum(axis=0)[None])[0])


def _predictors(frames: Samples, order: int) -> Samples:
    return _solved(_correlation(frames, order))


def _correlation(frames: Samples, order: int) -> Samples:
    size = frames.shape[1]
    whole = next_fast_len(size + order, real=True)  # what comes round stays outside
    spectra = rfft(frames * np.hanning(size + 2)[1:-1], whole)
    return np.asarray(irfft(spectra.real**2 + spectra.imag**2, whole)[:, : order + 1])


def _solved(correlation: Samples) -> Samples:
    order = correlation.shape[1] - 1
    correlation[:, 0] = correlation[:, 0] * (1 + LOADING) + 1e-12
    lags = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
    weights = np.linalg.solve(correlation[:, lags], correlation[:, 1:, None])[..., 0]
    return np.concatenate([np.ones((len(weights), 1)), -weights], axis=1)


def prediction_errors(frames: Samples, filters: Samples) -> tuple[Samples, Samples]:
    """Errors of predictions from the samples before, and from those after; of the middle half of each frame.

    Returns:
        Shape (frames * frame / 2,) each: of the sound that was framed.
    """
    pairs = zip(_groups(frames), _groups(filters), strict=True)
    forward, backward = zip(*(_prediction_errors(*pair) for pair in pairs), strict=True)
    return np.concatenate(forward), np.concatenate(backward)


def _groups(rows: Samples) -> Iterator[Samples]:
    """So few that their spectra stay small."""
    return (rows[first : first + ANALYSED_TOGETHER] for first in range(0, len(rows), ANALYSED_TOGETHER))


def _prediction_errors(frames: Samples, filters: Samples) -> tuple[Samples, Samples]:
    size = frames.shape[1]
    middle = slice(size // 4, size * 3 // 4)
    spectra, response = rfft(frames), rfft(filters, size)  # what comes round stays outside of the middle
    forward, backward = irfft(spectra * response), irfft(spectra * response.conj())
    return forward[:, middle].ravel(), backward[:, middle].ravel()


@dataclass(frozen=True)
class Unknowns:
    """Gaps solved together: the least sum of squared errors is where matrix @ samples = right.

    Attributes:
        gaps: which of all.
        places: of the samples.
    """

    gaps: slice
    places: Places
    matrix: Samples
    right: Samples


def unknowns(sound: Samples, gaps: Gaps, filters: Mapping[int, Samples], hop: int) -> Iterator[Unknowns]:
    """The normal equations of the gaps; those too near to the ends of `sound` have none.

    Gaps that influence each other are solved together, though their frames be others: what stands in one is not known
    to the other.

    Args:
        filters: predictors by number of the frame, in steps of `hop`, for all frames that `together` names.
    """
    order = len(next(iter(filters.values()))) - 1 if len(gaps) else 0
    kernels: dict[int, tuple[Samples, Samples]] = {}
    for group, frame in together(gaps, order, hop):
        if frame not in kernels:
            predictor = filters[frame]
            half = np.correlate(predictor, predictor, "full")[order:]
            kernels[frame] = half, np.concatenate([half[:0:-1], half])
        half, kernel = kernels[frame]
        begins, ends = gaps.begins[group], gaps.ends[group]
        start, stop = begins[0] - order, ends[-1] + order
        if start < 0 or stop > len(sound):
            continue
        places = np.concatenate([np.arange(a, b) for a, b in zip(begins, ends, strict=True)])
        known = sound[start:stop].copy()
        known[places - start] = 0
        right = -np.convolve(known, kernel, "same")[places - start]
        by_lag = np.zeros(max(order, int(places[-1] - places[0])) + 1)
        by_lag[: order + 1] = half
        matrix = by_lag[np.abs(np.subtract.outer(places, places))]
        matrix[np.diag_indices(len(places))] *= 1 + LOADING
        yield Unknowns(group, places, matrix, right)


def together(gaps: Gaps, order: int, hop: int) -> Iterator[tuple[slice, int]]:
    """Gaps that influence each other, and the frame that they have their middle in."""
    first = 0
    for index in range(1, len(gaps) + 1):
        if (
            index == len(gaps)
            or gaps.begins[index] - gaps.ends[index - 1] >= order
            or gaps.ends[index] - gaps.begins[first] >= SOLVED_TOGETHER
        ):
            yield slice(first, index), int((gaps.begins[first] + gaps.ends[index - 1]) // 2 // hop)
            first = index


def interpolated(sound: Samples, gaps: Gaps, filters: Mapping[int, Samples], hop: int) -> Samples:
    """`sound` with other samples in its gaps: those that the predictors of their frames are most content with.

    Args:
        filters: as in `unknowns`.
    """
    filled = sound.copy()
    for each in unknowns(sound, gaps, filters, hop):
        filled[each.places] = np.linalg.solve(each.matrix, each.right)
    return filled
