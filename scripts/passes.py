"""Whole sounds through stages and filters: what training learns from, and what the benchmarks measure with.

Sounds have shape (channels, frames) at `SAMPLE_RATE` and are never modified. They are clips and crops: for recordings
of any length there is `stream_restore` itself.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.signal import sosfreqz

from stream_restore.degradation import Degradation, mean_power
from stream_restore.engine.stage import Stage
from stream_restore.spec import Audio, Spec

__all__ = ["SAMPLE_RATE", "apply", "degrade", "with_phase_of"]

SAMPLE_RATE = 44100
"""In Hz."""


def apply(stage: Stage[Any], sound: Audio) -> Audio:
    """All that a stage makes of a sound, from its beginning to its end."""
    stage.reset()
    return np.concatenate([stage.process(sound), stage.flush()], axis=1)


def degrade(clean: Audio, chain: Degradation, least_power: float = 0.0) -> Audio:
    """`clean` through a chain, its noise relative to its own power, or to `least_power` where it is quieter."""
    spec = Spec(SAMPLE_RATE, len(clean))
    power = mean_power([apply(chain.before_noise(spec), clean)])
    return apply(chain.stage(spec, max(power, least_power)), clean)


def with_phase_of(sos: NDArray[np.float64], sound: Audio) -> Audio:
    """`sound` through the all-pass that turns every frequency as a filter does and weakens none.

    The whole spectrum times H / |H|. What that rings before the beginning and after the end has two seconds of silence
    to die in before it would come round to the other end.

    Args:
        sos: the filter's second-order sections.
        sound: (channels, frames).
    """
    frames = sound.shape[1]
    size = next_fast_len(frames + 2 * SAMPLE_RATE, real=True)
    # At half the sample rate a low-pass has a zero and no phase: it is taken from just below.
    angles = np.minimum(2 * np.pi * np.arange(size // 2 + 1) / size, np.pi - 1e-6)
    turn = np.exp(1j * np.angle(sosfreqz(sos, angles)[1]))
    return np.asarray(irfft(rfft(sound.astype(np.float64), size) * turn, size)[:, :frames], np.float32)
