"""Restoration as one stage: to the network's rate, through the network, back, and recombined with the input.

    restored = dry * input + sum(gain[s] * stem[s])

The input is kept at its own rate beside the network's way, so with `dry` = 1 what lies above the network's
band passes untouched.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.channels import Mix, WithInput
from ..engine.exact_sum import ExactSum
from ..engine.resample import SoxrResampler
from ..engine.stage import Chain, Stage
from ..errors import ConfigError
from ..models.model import Model
from ..spec import Audio, Spec
from .separate import Separate

__all__ = ["Level", "LevelMeter", "Restoration", "measure"]


@dataclass(frozen=True)
class Level:
    """Mean and standard deviation of a whole recording, as Demucs normalises by."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Restoration:
    """How a model is applied. The defaults are Demucs' own grid and the model's own recombination.

    Attributes:
        overlap: part of a segment that it shares with the next.
        segment_seconds: None for the model's own.
        context_seconds: sound computed and thrown away on both sides of a segment.
        shifts: average over this many moved grids.
        seed: of the shifts.
        jobs: segments computed at once.
        dry: factor on the input; None for the model's own.
        stems: those that are recombined; None for all.
        level: normalise by the whole recording, see `measure`; None: by the model's constant gain, which
            needs no look ahead, so that a pipe gives what a file gives. Demucs' networks normalise every
            segment themselves, therefore the two differ by what rounding guards leave, some -100 dB.
    """

    overlap: float = 0.25
    segment_seconds: float | None = None
    context_seconds: float = 0.0
    shifts: int = 0
    seed: int = 0
    jobs: int = 1
    dry: float | None = None
    stems: tuple[str, ...] | None = None
    level: Level | None = None

    def stage(self, input: Spec, model: Model, *, residual: bool = False, save_stems: Iterable[str] = ()) -> Stage[Any]:
        """The whole way as one stage; its output is as long as its input, at its rate.

        Args:
            input: the recording.
            model: what restores it.
            residual: add the channels of input - restored.
            save_stems: add the channels of these stems.

        The output's channels: those of the restored recording, of the residual, of each saved stem.

        Raises:
            ConfigError: a parameter that cannot work; an unknown stem (lists those there are).
        """
        chosen = self._stems(model)
        rows = [self._restored(model, chosen)]
        if residual:
            rows.append(np.eye(1, len(rows[0]))[0] - rows[0])
        rows += [_only(model, stem) for stem in save_stems]
        # Recombination is the same for every channel: a matrix over (input, stems) becomes one over channels.
        matrix = np.kron(np.array(rows), np.eye(input.channels))
        beside = WithInput(self._separate(input, model))
        return Chain(beside, Mix(beside.output, matrix, np.repeat(self._offsets(rows), input.channels)))

    def _stems(self, model: Model) -> tuple[str, ...]:
        for stem in self.stems or ():
            _index(model, stem)
        return self.stems if self.stems is not None else model.manifest.stems

    def _restored(self, model: Model, chosen: tuple[str, ...]) -> NDArray[np.float64]:
        """Factors on the input and on each stem."""
        manifest = model.manifest
        dry = manifest.dry if self.dry is None else self.dry
        gains = [gain if stem in chosen else 0.0 for stem, gain in zip(manifest.stems, manifest.gains, strict=True)]
        if not isfinite(dry):
            raise ConfigError(f"dry is a finite factor on the input, got {dry}")
        return np.array([dry, *gains])

    def _offsets(self, rows: list[NDArray[np.float64]]) -> list[float]:
        """The mean that the networks did not hear, given back once: to what is not a copy of the input."""
        mean = self.level.mean if self.level else 0.0
        restored = mean * (1 - rows[0][0]) if rows[0][1:].sum() else 0.0
        return [restored, *(-restored if row[0] else 0.0 for row in rows[1:])]

    def _separate(self, input: Spec, model: Model) -> Stage[Any]:
        heard = replace(input, sample_rate=model.manifest.sample_rate)
        level = self.level
        separate = Separate(
            heard,
            model,
            overlap=self.overlap,
            segment_seconds=self.segment_seconds,
            context_seconds=self.context_seconds,
            shifts=self.shifts,
            seed=self.seed,
            jobs=self.jobs,
            mean=level.mean if level else 0.0,
            gain=1 / (level.deviation + 1e-8) if level else model.manifest.input_gain,
        )
        if heard == input:
            return separate
        back = SoxrResampler(separate.output, input.sample_rate)
        return Chain(SoxrResampler(input, heard.sample_rate), separate, back)


def measure(blocks: Iterable[Audio]) -> Level:
    """Mean and deviation of the mean of all channels, exact: the same for any cuts.

    Fewer than two frames have no deviation; it counts as 1.
    """
    moments = LevelMeter()
    for block in blocks:
        moments.add(block)
    return moments.level()


@dataclass
class LevelMeter:
    """Exact sums over the mean of all channels."""

    total: ExactSum = field(default_factory=ExactSum)
    squares: ExactSum = field(default_factory=ExactSum)
    frames: int = 0

    def add(self, block: Audio) -> None:
        """Add a block, shape (channels, frames)."""
        # Channel by channel: NumPy's own mean of many channels depends on the number of frames in its last bits.
        mono = np.zeros(block.shape[1])
        for channel in block:
            mono += channel
        mono /= len(block)
        self.total.add(mono)
        self.squares.add(mono * mono)
        self.frames += block.shape[1]

    def level(self) -> Level:
        """See `measure`."""
        if self.frames < 2:
            return Level(float(self.total), 1.0)
        mean = self.total.fraction() / self.frames
        variance = (self.squares.fraction() - self.frames * mean * mean) / (self.frames - 1)
        return Level(float(mean), sqrt(max(0.0, float(variance))))


def _index(model: Model, stem: str) -> int:
    stems = model.manifest.stems
    if stem not in stems:
        raise ConfigError(f"model {model.manifest.name} has no stem {stem!r}; it has {', '.join(stems)}")
    return stems.index(stem)


def _only(model: Model, stem: str) -> NDArray[np.float64]:
    return np.asarray(np.eye(1, 1 + len(model.manifest.stems), 1 + _index(model, stem))[0])
