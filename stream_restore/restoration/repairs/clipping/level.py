"""The level at which the peaks of a recording were cut off, if they were.

Where peaks are cut off, many samples lie within a hair of the highest, in runs, and few just below; a run ends
steeply, as the sound comes back from above. Smooth peaks, those of a limiter included, thin out towards their top.

It is found where the recording was scaled, shifted or dithered afterwards, at full scale, too, where dither is cut off
with it. What resampling, lossy coding and noise leave of it is found by `blurred`.
"""

import numpy as np
from numpy.typing import NDArray

from ..samples import runs, step

__all__ = ["APPROACH", "QUIET", "clip_level", "piles_below"]

WIDTHS = (1e-6, 2e-4, 2e-3, 1e-2)
"""Of the band in which cut-off peaks lie, in parts of the highest: as they were cut, scaled, dithered, coded again."""
BELOW = 4.0
"""The band below is so many times as wide."""
PILED_UP = 2.0
"""So many times as many samples lie in the first; a sine has 0.8 times, music a tenth."""
LEAST_SAMPLES = 20
LEAST_RUNS = 4
IN_RUNS = 0.5
"""The share of those samples that have such a neighbour; peaks of a limiter stand alone."""
APPROACH = 0.3
"""Before and after a cut-off peak the sound is at least so near the top; a square wave is on the other side."""
APPROACHED = 0.25
"""The share of runs of which that is true; of bright sounds not more, of a square wave none."""
STEEP = 2.0
"""A run is left with at least so many times the width of its band; the top of a smooth peak is not."""
QUIET = 1e-3
"""A highest sample below this says nothing."""
WIDER = (*WIDTHS[1:], 3e-2, 6e-2)
"""What a band is widened to while samples pile up below it: dither, or ripples that were cut off once more."""
SPREAD, FEW = 0.1, 5
"""Of the samples in a band, and at least: so many more make the next one worth it; dither leaves an eighth or more."""
PASSED, PASSED_BINS, NEARBY, STEPS_IN_BIN = (0.15, 0.93), 60, 6, 4
"""Of the level, where other values are looked at; bins there, how many on both sides are around one, and how many steps
of quantisation a bin must hold."""
OTHER_PILES = 20.0
"""Samples at one value below over those around: pulses have more."""
STEPS = 1.5
"""Of quantisation: what a band is counted as at least, to see what lies below."""

Samples = NDArray[np.float32]


def clip_level(half: Samples) -> float | None:
    """The least value that is cut off on the positive side of a channel; None where nothing seems to be.

    Args:
        half: samples of one channel (negated for its negative side), shape (frames,).
    """
    top = float(half.max(initial=0.0))
    if top < QUIET:
        return None
    if np.count_nonzero(half >= top - WIDTHS[-1] * top) < LEAST_SAMPLES:
        return None  # narrower bands hold fewer
    near = half[half >= top * (1 - WIDTHS[-1] * (1 + BELOW))]
    least_step = step(near)
    for width in WIDTHS:
        band = width * top
        count = int(np.count_nonzero(near >= top - band))
        below = int(np.count_nonzero(near >= top - (1 + BELOW) * max(band, STEPS * least_step))) - count
        if count >= LEAST_SAMPLES and count >= PILED_UP * below and _are_cut_off(half, top, band):
            level = top - _widened(half[half >= top * (1 - 2 * WIDER[-1])], top, band)
            return level if piles_below(half, level) <= OTHER_PILES else None
    return None


def piles_below(half: Samples, level: float) -> float:
    """How many times as many samples lie at a value below the level as around it; 1 where quantisation hides it.

    Sound that was cut off stays at the level only, and passes through what lies below: of sixteen excerpts of music,
    cut off at an SDR of 3 to 30 dB and resampled, none has 1.5. Pulses rest at other values, too: filtered ones have 4
    to 3000.
    """
    between = half[(half > PASSED[0] * level) & (half < PASSED[1] * level)]
    width = (PASSED[1] - PASSED[0]) * level / PASSED_BINS
    if not len(between) or STEPS_IN_BIN * step(between) > width:
        return 1.0
    counts = np.histogram(between, PASSED_BINS, (PASSED[0] * level, PASSED[1] * level))[0]
    nearby = np.lib.stride_tricks.sliding_window_view(np.pad(counts, NEARBY, mode="reflect"), 2 * NEARBY + 1)
    return float((counts / np.maximum(np.median(nearby, axis=1), 1)).max())


def _widened(near: Samples, top: float, band: float) -> float:
    """A band below the top that holds all that is piled up there."""
    for width in WIDER:
        wider = max(band, width * top)
        inner, outer, beneath = (int(np.count_nonzero(near >= top - each)) for each in (band, wider, 2 * wider - band))
        if outer - inner > max(FEW, SPREAD * inner) + PILED_UP * (beneath - outer):
            band = wider
    return band


def _are_cut_off(half: Samples, top: float, band: float) -> bool:
    """Whether the samples at the top come in runs as cutting makes them."""
    begins, ends = runs(half >= top - band)
    inner = (begins > 0) & (ends < len(half))
    long = inner & (ends - begins >= 2)
    if long.sum() < LEAST_RUNS or (ends - begins)[long].sum() < IN_RUNS * (ends - begins).sum():
        return False
    before, after = half[begins[long] - 1], half[ends[long]]
    near = np.minimum(before, after) > APPROACH * top
    steep = np.minimum(top - before, top - after) > STEEP * band
    return bool(near.mean() > APPROACHED and steep.mean() > 0.5)
