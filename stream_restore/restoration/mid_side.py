"""Stereo as mid and side, in which noise is easier told from music.

    mid = (left + right) / sqrt(2),   side = (left - right) / sqrt(2)

Music is alike in both channels and noise is not: the sum holds most of the music and half of the noise, the difference
the rest. But where one channel is noisier than the other, noise is alike in mid and side, and is better left in its
channel. The rotation in which noise is uncorrelated has the least product of its powers, by Hadamard's inequality;
so the floors say which it is. (The transform is that of Johnston and Ferreira, "Sum-difference stereo transform
coding", 1992.)
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..spec import Audio

__all__ = ["count_signals", "left_right", "mid_side_share", "signals"]

STEREO = 2
HALF = np.float32(np.sqrt(0.5))
MID_SIDE, LEFT_RIGHT = 0.05, 0.15
"""Decades by which the product of the floors of mid and side lies above that of left and right, on the mean over bands:
up to which all is mid and side, from which all is left and right.

Gain on eight pieces with white noise at an SNR of 20 dB, in dB, in left and right, in mid and side, and in what this
chooses: 6.52, 6.79, 6.79; with one channel's noise 3 dB weaker 6.28, 6.47, 6.49; 6 dB weaker, which makes 0.1 decades,
6.23, 6.27, 6.44; 10 dB weaker 6.32, 6.13, 6.35; 20 dB weaker 6.54, 6.04, 6.58; with the same noise in both 6.51, 6.86,
6.85. Principal axes of each part of the spectrogram gain no more: 10.67 and 7.62 where these gain 10.71 and 7.63.
"""


def count_signals(channels: int) -> int:
    """Of how many signals there are floors: the channels, and of stereo mid and side, too."""
    return 2 * channels if channels == STEREO else channels


def signals(frames: Audio) -> Audio:
    """The channels, shape (channels, frames), and below those of stereo mid and side.

    >>> signals(np.array([[3.0], [1.0]], np.float32)).T.astype(float).round(2).tolist()
    [[3.0, 1.0, 2.83, 1.41]]
    """
    if len(frames) != STEREO:
        return frames
    return np.concatenate([frames, left_right(frames)])


def left_right(mid_side: Audio) -> Audio:
    """Left and right of mid and side, shape (2, frames); and the other way round: it is its own inverse."""
    first, second = mid_side
    return np.stack([(first + second) * HALF, (first - second) * HALF])


def mid_side_share(floors: Sequence[NDArray[np.float32]]) -> float:
    """How much of what is taken is to be found in mid and side, 0 to 1; the rest in left and right.

    Args:
        floors: powers of the noise in left, right, mid and side, each of shape (bands,), above 0.
    """
    left, right, mid, side = floors
    above = float(np.mean((np.log10(mid) + np.log10(side)) - (np.log10(left) + np.log10(right))))
    return float(np.clip((LEFT_RIGHT - above) / (LEFT_RIGHT - MID_SIDE), 0, 1))
