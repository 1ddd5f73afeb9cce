"""Denoisers that others made, each with the settings that are tried, and the mark that none of them can pass."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import product
from typing import TypeAlias

import numpy as np
from passes import SAMPLE_RATE
from scipy.signal import istft, stft

from stream_restore.spec import Audio

from . import foreign

__all__ = ["DENOISERS", "Denoiser", "Setting", "oracle", "said"]

Setting: TypeAlias = tuple[tuple[str, float], ...]
"""Names and values of options."""

SIZE, HOP = 2048, 512
"""Of the oracle's spectra."""


@dataclass(frozen=True)
class Denoiser:
    """One that takes a sound (channels, frames) at `SAMPLE_RATE` and returns one as long and not late.

    Attributes:
        settings: tried.
        apply: with one of them.
        version: of the program or library; FileNotFoundError or PackageNotFoundError: it is not installed.
    """

    settings: tuple[Setting, ...]
    apply: Callable[[Setting, Audio], Audio]
    version: Callable[[], str]


def said(setting: Setting) -> str:
    """As ffmpeg writes options: nr=20:nf=-30."""
    return ":".join(f"{name}={value:g}" for name, value in setting)


def oracle(clean: Audio, degraded: Audio) -> Audio:
    """`degraded` under the Wiener ratio mask S / (S + N), with the powers of sound and noise taken from the clean clip.

    Nobody has that mask. It is what a perfect gain for every cell of the spectrum reaches, phases left as they are.
    """
    spectra = [stft(sound, window="hann", nperseg=SIZE, noverlap=SIZE - HOP)[2] for sound in (clean, degraded)]
    signal, noise = np.square(np.abs(spectra[0])), np.square(np.abs(spectra[1] - spectra[0]))
    mask = signal / np.maximum(signal + noise, np.finfo(np.float32).tiny)
    _, masked = istft(spectra[1] * mask, window="hann", nperseg=SIZE, noverlap=SIZE - HOP)
    return np.asarray(masked[:, : clean.shape[1]], np.float32)


def _filter(name: str, setting: Setting, sound: Audio) -> Audio:
    return foreign.filtered(sound, f"{name}={said(setting)}")


def _noisereduce(setting: Setting, sound: Audio) -> Audio:
    import noisereduce  # takes a second, and pulls in a plotting library

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # it takes logarithms of silence
        options = dict(setting)
        options["stationary"] = bool(options["stationary"])
        return np.asarray(noisereduce.reduce_noise(sound, SAMPLE_RATE, **options), np.float32)


def _grid(**options: tuple[float, ...]) -> tuple[Setting, ...]:
    return tuple(tuple(zip(options, values, strict=True)) for values in product(*options.values()))


DENOISERS = {
    "afftdn": Denoiser(
        _grid(nr=(12, 20, 30, 40), nf=(-50, -45, -40, -35, -30, -25, -20)),
        partial(_filter, "afftdn"),
        foreign.version,
    ),
    "anlmdn": Denoiser(_grid(s=(10, 30, 100, 300, 1000)), partial(_filter, "anlmdn"), foreign.version),
    "noisereduce": Denoiser(
        _grid(stationary=(0, 1), prop_decrease=(0.25, 0.5, 1.0)), _noisereduce, partial(version, "noisereduce")
    ),
}
