"""What a stream is: its sample rate and channels, the array type of its blocks, and exact lengths."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, SpecError

__all__ = ["Audio", "Spec", "duration", "empty", "nearest"]

LONGEST = 1e9
"""Seconds; thirty years."""

Audio: TypeAlias = NDArray[np.float32]
"""A block of sound, shape (channels, frames), full scale at +-1."""


@dataclass(frozen=True)
class Spec:
    """Sample rate in Hz and number of channels of a stream.

    Raises:
        SpecError: a rate or a number of channels below 1.

    >>> Spec(sample_rate=44100, channels=2)
    Spec(sample_rate=44100, channels=2)
    """

    sample_rate: int
    channels: int

    def __post_init__(self) -> None:
        if self.sample_rate < 1:
            raise SpecError(f"sample_rate must be at least 1 Hz, got {self.sample_rate}")
        if self.channels < 1:
            raise SpecError(f"channels must be at least 1, got {self.channels}")

    def frames(self, seconds: float) -> int:
        """Number of whole frames in `seconds`.

        Raises:
            ConfigError: see `duration`.
        """
        return int(duration(seconds) * self.sample_rate)

    def seconds(self, frames: int) -> float:
        """Duration of `frames` in seconds."""
        return frames / self.sample_rate


def duration(seconds: float) -> float:
    """The same, if it is one.

    Raises:
        ConfigError: no number, or more than a recording has.
    """
    if not abs(seconds) <= LONGEST:
        raise ConfigError(f"a duration is a number of seconds up to {LONGEST:g}, got {seconds}")
    return seconds


def nearest(value: Fraction) -> int:
    """The integer nearest to `value`; halves go up.

    Lengths are rounded this way, and not up, because resampling up and down again then returns the
    length one began with.

    >>> nearest(Fraction(5, 2)), nearest(Fraction(7, 3))
    (3, 2)
    """
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def empty(channels: int) -> Audio:
    """A block of no frames, shape (channels, 0)."""
    return np.zeros((channels, 0), np.float32)
