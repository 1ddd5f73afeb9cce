"""SDR over time."""

from dataclasses import dataclass
from math import isnan, nan

import numpy as np

from ..errors import ConfigError, SpecError
from ..exact import ExactSum
from ..spec import Audio
from .distortion import Distortion

__all__ = ["Segmental", "Segments"]

LIMITS_DB = (-10.0, 35.0)


@dataclass(frozen=True)
class Segments:
    """SDR of one segment after the other.

    Attributes:
        frames: of a segment; the last may be shorter.
        sdr_db: of each. Silence that is kept silent: nan.
        mean_db: segmental SDR: their mean, each limited to -10 to 35 dB (Hansen and Pellom, "An effective quality
            evaluation protocol for speech enhancement algorithms", 1998), without the silent ones; nan if all are
            silent.
    """

    frames: int
    sdr_db: tuple[float, ...]

    @property
    def mean_db(self) -> float:
        limited = np.clip([value for value in self.sdr_db if not isnan(value)], *LIMITS_DB)
        total = ExactSum()
        total.add(limited)
        return float(total.fraction() / limited.size) if limited.size else nan


class Segmental:
    """Accumulates the SDR of every `every_frames` frames, counted from frame 0.

    It holds one number for every segment that is complete, since these are what is asked for, and sums only for the
    segments of which something is missing. Parts may begin anywhere and be merged in any order.

    Raises:
        ConfigError: segments of less than a frame.
    """

    def __init__(self, every_frames: int, start: int = 0) -> None:
        if every_frames < 1:
            raise ConfigError(f"a segment needs at least one frame, got {every_frames}: choose more seconds")
        self.every, self.stop = every_frames, start
        self._open: dict[int, Distortion] = {}
        self._done: dict[int, float] = {}

    def update(self, reference: Audio, estimate: Audio) -> None:
        """Add a block of both, of one shape (channels, frames), float32.

        Raises:
            SpecError: shapes that differ.
        """
        if reference.shape != estimate.shape:
            raise SpecError(f"reference has shape {reference.shape}, estimate {estimate.shape}: compare equal blocks")
        at = 0
        while at < reference.shape[1]:
            index, inside = divmod(self.stop, self.every)
            end = at + self.every - inside
            part = Distortion()
            part.update(reference[:, at:end], estimate[:, at:end])
            self._add(index, part)
            self.stop += part.frames
            at = end

    def merge(self, other: "Segmental") -> None:
        """Add another part of the same recordings.

        Raises:
            ConfigError: segments of another length.
        """
        if other.every != self.every:
            raise ConfigError(f"segments of {self.every} and of {other.every} frames cannot be merged")
        self.stop = max(self.stop, other.stop)
        self._done |= other._done
        for index, part in other._open.items():
            self._add(index, part)

    def result(self) -> Segments:
        """The figures of all that was heard; more may follow."""
        values = self._done | {index: part.result().sdr_db for index, part in self._open.items()}
        return Segments(self.every, tuple(values.get(index, nan) for index in range(max(values, default=-1) + 1)))

    def _add(self, index: int, part: Distortion) -> None:
        whole = self._open.setdefault(index, Distortion())
        whole.merge(part)
        if whole.frames == self.every:
            self._done[index] = self._open.pop(index).result().sdr_db
