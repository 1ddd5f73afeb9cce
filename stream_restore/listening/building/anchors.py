"""Low-pass filters of the anchors of Recommendation ITU-R BS.1534-3."""

from typing import TypeAlias

import numpy as np
import scipy  # loads scipy.signal, which is slow to import, when it is needed
from numpy.typing import NDArray

from ...errors import ConfigError

__all__ = ["ANCHORS_HZ", "anchor", "anchor_taps"]

Samples: TypeAlias = NDArray[np.float64]

ANCHORS_HZ = {"anchor35": 3500.0, "anchor70": 7000.0}
TRANSITION_HZ = 500.0
DEPTH_DB = 70.0


def anchor(sound: Samples, cutoff_hz: float, sample_rate: int) -> Samples:
    """`sound`, shape (channels, frames), low-passed without delay; silence lies around it."""
    taps = anchor_taps(cutoff_hz, sample_rate)
    return np.array([scipy.signal.oaconvolve(channel, taps, mode="same") for channel in sound])


def anchor_taps(cutoff_hz: float, sample_rate: int) -> Samples:
    """A linear-phase filter of an odd number of taps, flat up to the cut-off, -70 dB from 500 Hz above it.

    The Recommendation asks for a ripple within 0.1 dB below the cut-off of 3.5 kHz, at least 25 dB at 4 kHz and 50 dB
    at 4.5 kHz. The mid anchor gets the same slope.

    Raises:
        ConfigError: if the sample rate is too low for the filter.
    """
    if cutoff_hz + TRANSITION_HZ >= sample_rate / 2:
        raise ConfigError(f"an anchor of {cutoff_hz:g} Hz needs a rate above {2 * (cutoff_hz + TRANSITION_HZ):g} Hz, "
                          f"the clip has {sample_rate}: resample its files")  # fmt: skip
    count, beta = scipy.signal.kaiserord(DEPTH_DB, TRANSITION_HZ / (sample_rate / 2))
    middle = cutoff_hz + TRANSITION_HZ / 2
    return np.asarray(scipy.signal.firwin(count | 1, middle, window=("kaiser", beta), fs=sample_rate), np.float64)
