"""Conversion of sound whose rate or channels change in the middle of a recording."""

from fractions import Fraction
from typing import Any

import av
import numpy as np

from ...spec import Audio, Spec, nearest

__all__ = ["Converter"]


class Converter:
    """Converts decoded frames of one rate and layout to those that the recording began with, by FFmpeg's swresample.

    A stretch of n frames becomes the nearest integer to n times the ratio of the rates.
    """

    def __init__(self, frame: Any, spec: Spec, layout: Any) -> None:
        self.key = key_of(frame)
        self._spec = spec
        self._ratio = Fraction(spec.sample_rate, frame.sample_rate)
        self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=spec.sample_rate)
        self._taken = 0
        self._given = 0

    @property
    def held(self) -> int:
        """Frames that are still to come of what was taken."""
        return nearest(self._taken * self._ratio) - self._given

    def convert(self, frame: Any) -> Audio:
        """The frames that are ready, shape (channels, frames)."""
        self._taken += frame.samples
        frame.pts = None  # the resampler must not fill gaps by itself
        return self._out(self._resampler.resample(frame))

    def rest(self) -> Audio:
        """The frames that are left at the end of the stretch."""
        sound = self._out(self._resampler.resample(None))
        missing = self.held
        return np.pad(sound, ((0, 0), (0, missing))) if missing > 0 else sound

    def _out(self, frames: list[Any]) -> Audio:
        blocks = [np.zeros((self._spec.channels, 0), np.float32), *(frame.to_ndarray() for frame in frames)]
        sound = np.concatenate(blocks, axis=1)[:, : self.held]
        self._given += sound.shape[1]
        return sound


def key_of(frame: Any) -> tuple[str, int, str]:
    """What must stay the same for one converter: sample format, rate, layout."""
    return frame.format.name, frame.sample_rate, frame.layout.name
