"""Gaps of several milliseconds, bridged: the sound before goes on, and leads to the sound after."""

import numpy as np

from ..gaps import Gaps, Samples

__all__ = ["bridged", "burg"]

TINY = 1e-20
"""Energy of the errors where there is nothing left to predict."""


def bridged(sound: Samples, gaps: Gaps, side: int) -> Samples:
    """`sound` with other samples in its gaps: what goes on from before, crossfaded into what leads to what is after.

    Each side by its own predictor of a third as many samples: Kauppinen and Roth, "Audio signal extrapolation: theory
    and applications", DAFx 2002, with Burg's method, whose predictors do not run away.

    Args:
        side: samples before and after a gap that are learnt from, less where another gap begins.
    """
    filled = sound.copy()
    begins = [*gaps.begins.tolist(), len(sound)]
    for begin, end, stop in zip(begins, gaps.ends.tolist(), begins[1:], strict=False):
        size = end - begin
        fade = np.cos(np.pi / 2 * (np.arange(size) + 0.5) / size) ** 2
        before = filled[max(0, begin - side) : begin]
        after = filled[end : min(stop, end + side)][::-1]
        filled[begin:end] = fade * continued(before, size) + (1 - fade) * continued(after, size)[::-1]
    return filled


def continued(sound: Samples, frames: int) -> Samples:
    """So many samples that a sound goes on with."""
    order = len(sound) // 3
    weights = -burg(sound, order)[:0:-1]
    known = np.concatenate([sound[len(sound) - order :], np.zeros(frames)])
    for place in range(frames):
        known[order + place] = weights @ known[place : order + place]
    return known[order:]


def burg(sound: Samples, order: int) -> Samples:
    """(1, -a1, ..., -ap) by the method of Burg: least errors of both directions, order after order.

    J. P. Burg, "Maximum entropy spectral analysis", 1967.
    """
    weights: Samples = np.ones(1)
    forward, backward = sound[1:], sound[:-1]
    for _ in range(order):
        energy = forward @ forward + backward @ backward
        reflection = -2 * (forward @ backward) / (energy + TINY)
        longer = np.append(weights, 0.0)
        weights = longer + reflection * longer[::-1]
        forward, backward = (forward + reflection * backward)[1:], (backward + reflection * forward)[:-1]
    return np.asarray(weights)
