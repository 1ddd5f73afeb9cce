"""What was above the level, by several estimates of which each errs in its own way.

The sparsest spectrum (`aspade`) overshoots where it is wrong, what is left of shrunk spectra (`social`) falls short;
short frames follow what changes, long ones tell the notes of a chord apart. The mean is better than any of them, as
means of estimates with errors of their own are. What it says of the spectrum is then used once more: the peaks that
are likeliest for it (`likeliest`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ....spec import Audio
from ..samples import Mask, at_once
from .aspade import solve
from .consistency import Frames
from .likeliest import likeliest
from .social import persistent

__all__ = ["REACH", "peaks"]

SPARSEST = (4, 8)
"""Lengths of the frames of A-SPADE, in parts of the shortest (`declip.FRAME`)."""
SOCIAL = ((2, 7), (8, 3), (16, 3))
"""Lengths of the frames that are shrunk, in the same parts, and how many in a row decide together."""
SECOND = 4
"""Length of the frames of the last step."""
TIMES = 2
"""That it is made: single tones gain from the second time."""
REACH = 8
"""What is looked at on both sides of a cell, in the same parts."""
AT_ONCE = 65536
"""Samples of one job: few enough for the cache, and never more on a machine with more cores."""
LEAST = 0.1
"""Weight of the frames around a sample, 1 in the cell: where there is less, nothing is estimated."""

Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True)
class Part:
    """Some frames of one size that hold clipped samples: their channels, and where they begin; shape (count,) each."""

    size: int
    channels: NDArray[np.int64]
    begins: NDArray[np.int64]

    @property
    def taper(self) -> Frames:
        """The square root of a Hann window: its squares add up to 1 where frames overlap by half."""
        return np.asarray(np.sqrt(np.hanning(self.size + 1)[:-1]), np.float32)

    def cut(self, sound: NDArray[Kind]) -> NDArray[Kind]:
        """The frames of a sound, shape (count, size)."""
        return np.asarray(sound[self.channels[:, None], self.begins[:, None] + np.arange(self.size)])

    def windowed(self, sound: Audio) -> Frames:
        return self.cut(sound) * self.taper


def peaks(sound: Audio, clipped: Mask, cell: slice, shortest: int) -> Audio:
    """A sound whose clipped samples in the cell are estimated; they may still contradict the level.

    Args:
        sound: the cell and `REACH` on both sides, shape (channels, frames).
        clipped: where it is, the same shape.
        cell: its frames, begun and ended on the grid of the longest frames.
        shortest: length of the shortest frames.
    """
    guess = np.where(clipped, _first(sound, clipped, cell, shortest), sound)
    jobs = _jobs(clipped, cell, shortest * SECOND)

    def second(job: Part) -> Frames:
        return likeliest(job.windowed(sound), job.cut(clipped), job.windowed(guess))

    for _ in range(TIMES):
        guess = _mean(sound, jobs, at_once(second, jobs))
    return guess


def _first(sound: Audio, clipped: Mask, cell: slice, shortest: int) -> Audio:
    """The mean of estimates by other means and in other frames."""
    jobs = [job for size in SPARSEST for job in _jobs(clipped, cell, shortest * size)]

    def sparsest(job: Part) -> Frames:
        # One coefficient more each time in the shortest frames, and in longer ones as many more as these are longer.
        return solve(job.windowed(sound), job.cut(clipped), job.size // shortest)

    social = [partial(persistent, sound, clipped, shortest * size, neighbours) for size, neighbours in SOCIAL]
    ways: list[Callable[[], Frames]] = [*social, *(partial(sparsest, job) for job in jobs)]
    found = at_once(lambda way: way(), ways)
    total = np.add.reduce(found[: len(SOCIAL)])
    total += len(SPARSEST) * _mean(total / len(SOCIAL), jobs, found[len(SOCIAL) :])
    return np.asarray(total / (len(SOCIAL) + len(SPARSEST)))


def _jobs(clipped: Mask, cell: slice, size: int) -> list[Part]:
    """The frames of one size that reach into the cell and hold clipped samples."""
    hop = size // 2
    begins = np.arange(cell.start - hop, cell.stop, hop)
    channel, number = np.nonzero(clipped[:, begins[:, None] + np.arange(size)].any(axis=2))
    few = max(1, AT_ONCE // size)
    groups = [slice(at, at + few) for at in range(0, len(channel), few)]
    return [Part(size, channel[group], begins[number[group]]) for group in groups]


def _mean(sound: Audio, jobs: Sequence[Part], estimates: Sequence[Frames]) -> Audio:
    """The sound, replaced by the mean of the estimates by their windows wherever those reach."""
    total, weight = np.zeros_like(sound), np.zeros_like(sound)
    for job, frames in zip(jobs, estimates, strict=True):
        windowed, power = frames * job.taper, np.square(job.taper)
        for channel, begin, frame in zip(job.channels, job.begins, windowed, strict=True):
            total[channel, begin : begin + job.size] += frame
            weight[channel, begin : begin + job.size] += power
    return np.where(weight > LEAST, total / np.maximum(weight, LEAST), sound)
