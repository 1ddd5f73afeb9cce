"""The level at which peaks were cut off, where what was done afterwards has blurred it.

Resampling and lossy coding leave ripples on the flat tops, noise leaves noise. Then no two samples are equal, but they
pile up around the level all the same, and the tops are not round: a smooth peak that the sound enters with a slope
stands as high above the place of entry as the slope and the time that it stays there say.
"""

import numpy as np
from numpy.typing import NDArray

from ..samples import runs
from .level import APPROACH, QUIET, piles_below

__all__ = ["blurred_level"]

BINS = 200
"""From 0 to the top."""
LOWEST = 0.6
"""Of the top: where the level is sought; ripples and noise stand above it."""
WIDTHS = (8, 4, 2)
"""Of the pile on both sides of the level, in bins; the widest that holds counts, since all of a flat top is wanted."""
PILED_UP = 2.2
"""So many times as many samples lie in the pile as in as wide a band below; of a sine 1.4, of music 1.6 at most."""
BEYOND = 0.1
"""The share of samples above the pile."""
LEAST_SHARE, MOST_SHARE = 0.01, 0.3
"""Of all samples, those above the edge; more is a square wave that was filtered."""
FULL_SCALE = (0.94, 1.03)
LEAST_AT_FULL_SCALE = 0.06
"""The same where the level is about full scale: less is what loud masters have, cut off, coded and released so."""
LEAST_RUNS = 8
SHORTEST = 4
"""Samples of a run whose top can be seen to be flat."""
ROUND = 0.3
"""Mean height above the edge, relative to that of a parabola with the slopes at both ends: 1 for smooth peaks."""
APPROACHED = 0.5
"""As of sharp levels (`level`), three samples before and after: a square wave is on the other side."""
MOTION = 0.08
"""Median difference between samples below the edge, relative to the root of its mean square: a filtered pulse rests."""
OTHER_PILES = 2.0
"""As of sharp levels; less sure, so less is allowed."""

Samples = NDArray[np.float32]


def blurred_level(half: Samples) -> float | None:
    """The least value that is taken for cut off on the positive side of a channel; None where nothing seems to be.

    Args:
        half: samples of one channel (negated for its negative side), shape (frames,).
    """
    top = float(half.max(initial=0.0))
    if top < QUIET:
        return None
    lowest = LOWEST - 3 * WIDTHS[0] / BINS
    counts = np.bincount((half[half > lowest * top] * (BINS / top)).astype(np.int64), minlength=BINS + 1)
    below = np.concatenate([[0], np.cumsum(counts)])
    # Before a recording and after it there are zeros.
    heard = np.count_nonzero(half != 0)
    levels = np.arange(round(LOWEST * BINS), BINS + 1)
    for width in WIDTHS:
        piled = below[np.minimum(levels + width, BINS + 1)] - below[levels - width]
        beneath = below[levels - width] - below[levels - 3 * width]
        at = int(np.argmax(piled - beneath))
        above, beyond = (below[-1] - below[min(levels[at] + each, BINS + 1)] for each in (-width, 2 * width))
        edge = float((levels[at] - width) * top / BINS)
        if (
            _least_share(levels[at] * top / BINS) <= above / heard <= MOST_SHARE
            and piled[at] >= PILED_UP * beneath[at]
            and beyond <= BEYOND * above
            and _are_flat(half, edge)
            and _moves(half, edge)
            and piles_below(half, edge) <= OTHER_PILES
        ):
            return edge
    return None


def _least_share(level: float) -> float:
    return LEAST_AT_FULL_SCALE if FULL_SCALE[0] <= level <= FULL_SCALE[1] else LEAST_SHARE


def _are_flat(half: Samples, edge: float) -> bool:
    """Whether what is above the edge is flat, and the sound comes up to it from nearby."""
    begins, ends = runs(half >= edge)
    long = (ends - begins >= SHORTEST) & (begins >= 3) & (ends <= len(half) - 3)
    begins, ends = begins[long], ends[long]
    if len(begins) < LEAST_RUNS:
        return False
    near = np.minimum(half[begins - 3], half[ends + 2]) > APPROACH * edge
    lengths = ends - begins
    total = np.concatenate([[0.0], np.cumsum(half, dtype=np.float64)])
    heights = total[ends] - total[begins] - lengths * edge
    slopes = (half[begins] - half[begins - 2] + half[ends - 1] - half[ends + 1]) / 4
    # Two thirds of a parabola's height, which is a quarter of its slope times its length; summed over the run.
    smooth = float((np.square(lengths, dtype=np.float64) * slopes).sum()) / 6
    return bool(near.mean() >= APPROACHED and heights.sum() <= ROUND * smooth)


def _moves(half: Samples, edge: float) -> bool:
    """Whether what is below the edge is more than rests and steps."""
    steps = np.abs(np.diff(half))[(half[1:] < edge) & (half[1:] != 0)]
    return bool(np.median(steps) >= MOTION * np.sqrt(np.mean(np.square(steps))))
