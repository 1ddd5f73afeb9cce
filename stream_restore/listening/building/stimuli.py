"""The stimuli of a trial: reference, anchors and conditions of one excerpt at equal loudness."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...errors import SourceError
from ...measure.comparison import Comparison
from ...measure.loudness import Loudness, LoudnessFigures
from ...spec import Audio, Spec
from ..ratings import REFERENCE
from .anchors import ANCHORS_HZ, anchor
from .clips import Clip
from .excerpt import Place, read_excerpt

__all__ = ["Stimuli", "make_stimuli"]

Samples: TypeAlias = NDArray[np.float64]

TARGET_LUFS = -23.0
HIGHEST_PEAK_DBTP = -1.0
FADE_SECONDS = 0.005
FIGURES = ("sdr_db", "si_sdr_db", "bss_sdr_db", "segmental_sdr_db", "sdr_below_db", "sdr_above_db", "lsd_db")


@dataclass(frozen=True)
class Stimuli:
    """Of one excerpt.

    Attributes:
        sounds: by condition, float32, all of one shape (channels, frames).
        gains_db: by condition, what each was multiplied by.
        figures: by condition, objective figures against the reference, those that are finite.
    """

    spec: Spec
    sounds: Mapping[str, Audio]
    gains_db: Mapping[str, float]
    figures: Mapping[str, Mapping[str, float]]


def make_stimuli(clip: Clip, spec: Spec, place: Place) -> Stimuli:
    """Cut the excerpt out of all conditions, make the anchors, bring all to one loudness, fade both ends.

    The loudness is -23 LUFS, or as much lower as it takes to keep all true peaks below -1 dB of full scale.

    Raises:
        SourceError: if a recording cannot be read, or is silent in the excerpt.
        ConfigError: if the sample rate is too low for the anchors.
    """
    raw = {REFERENCE: read_excerpt(clip.reference, place).astype(np.float64)}
    raw |= {name: anchor(raw[REFERENCE], hertz, spec.sample_rate) for name, hertz in ANCHORS_HZ.items()}
    raw |= {name: read_excerpt(path, place).astype(np.float64) for name, path in clip.conditions.items()}
    faded = {name: sound * _fades(spec, sound.shape[1]) for name, sound in raw.items()}
    gains = _gains({name: _loudness(spec, sound) for name, sound in faded.items()}, clip.name)
    sounds = {name: np.asarray(10 ** (gains[name] / 20) * sound, np.float32) for name, sound in faded.items()}
    figures = {name: _figures(spec, sounds[REFERENCE], sound) for name, sound in sounds.items() if name != REFERENCE}
    return Stimuli(spec, sounds, gains, figures)


def _fades(spec: Spec, frames: int) -> Samples:
    """1, and half a raised cosine at either end."""
    length = min(frames // 2, max(1, spec.frames(FADE_SECONDS)))
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length)
    return np.concatenate([rise, np.ones(frames - 2 * length), rise[::-1]])


def _loudness(spec: Spec, sound: Samples) -> LoudnessFigures:
    loudness = Loudness(spec)
    loudness.update(sound.astype(np.float32))
    return loudness.result()


def _gains(loudness: Mapping[str, LoudnessFigures], clip: str) -> dict[str, float]:
    for name, figures in loudness.items():
        if not isfinite(figures.integrated_lufs):
            raise SourceError(
                f"{clip}: {name} is silent in the excerpt, or it is shorter than 0.4 s: choose another place"
            )
    gains = {name: TARGET_LUFS - figures.integrated_lufs for name, figures in loudness.items()}
    highest = max(loudness[name].true_peak_dbtp + gain for name, gain in gains.items())
    return {name: gain - max(0.0, highest - HIGHEST_PEAK_DBTP) for name, gain in gains.items()}


def _figures(spec: Spec, reference: Audio, sound: Audio) -> dict[str, float]:
    comparison = Comparison(spec, split_hz=min(7000.0, 0.4 * spec.sample_rate))
    comparison.update(reference, sound)
    told = comparison.result().as_dict()
    return {name: float(told[name]) for name in FIGURES if isfinite(told[name])}
