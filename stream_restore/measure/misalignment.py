"""Effect of misalignment on figures: the same estimate, but late or at another level."""

from pathlib import Path

import numpy as np

from ..audio import open_source
from ..engine.loop import Readable
from ..passes.journal import Journal
from ..passes.resumable_pass import run_pass
from ..spec import Audio
from .distortion import Distortion, Metrics

__all__ = ["MISALIGNMENTS", "misaligned"]

MISALIGNMENTS = {"1 s late": (1.0, 1.0), "127 times too loud": (0.0, 127.0), "both": (1.0, 127.0)}
"""By name: a delay in seconds and a factor."""


def misaligned(
    reference: Path, estimate: Path, late_seconds: float, factor: float, journal: Journal | None = None
) -> Metrics:
    """The figures of an estimate that is delayed, with leading silence, and multiplied.

    Args:
        journal: makes the measurement resumable.

    Raises:
        SourceError: if a recording cannot be read.
    """
    distortion = Distortion()
    with open_source(reference) as wanted, open_source(estimate) as got:
        late = _Delayed(got, got.spec.frames(late_seconds))
        for block, other in run_pass([wanted, late], distortion, journal):
            distortion.update(block, np.float32(factor) * other[:, : block.shape[1]])
    return distortion.result()


class _Delayed:
    """A recording delayed by `frames` frames of silence."""

    def __init__(self, source: Readable, frames: int) -> None:
        self.spec = source.spec
        self._source, self._silence = source, frames

    def read(self, frames: int) -> Audio:
        silence = min(frames, self._silence)
        self._silence -= silence
        return np.pad(self._source.read(frames - silence), ((0, 0), (silence, 0)))
