"""Restoration as one stage: to the network's rate, through the network, back, and recombined with the input.

    restored = dry * input + sum(gain[s] * stem[s])

The input is kept at its own rate beside the network's way, so with `dry` = 1 what lies above the network's
band passes untouched.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.channels import Mix, WithInput, identity
from ..engine.resample import SoxrResampler
from ..engine.stage import Chain, Stage
from ..errors import ConfigError
from ..models.model import Model
from ..models.treble import treble_facts
from ..spec import Spec
from .denoise import REACH, NoiseEstimate
from .level import Level
from .noise_profile import NoiseProfile, Passage, Rereadable, check_passage, measure_noise
from .repairs.composition import AFTER_NETWORK, DEFAULT, make_repairs, refuse_unknown
from .repairs.repair import Repair
from .separate import Separate

__all__ = ["Restoration"]


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
        repairs: names of `stream_restore.restoration.repairs.NAMES`, in any order; `noise` is the network. None: what
            is on by default with the model, see `with_defaults_of`.
        strengths: by name of a repair, how much of what it changes is changed, 0 to 1; 1 where nothing is said.
        max_reduction_db: the most by which the network lowers noise; None: as it thinks best.
        noise_profile: the noise, measured by `measure_noise`, or where in the recording there is nothing else, from so
            many seconds to so many; None: found blindly, in the minute around.
        latency_seconds: the most by which the output may lag behind the input, as in a live pipe: a network of gains
            then looks less far ahead; None: as far as it gains from.
        headroom_db: by how much all outputs are lowered, so that peaks that were given back fit in integers.

    Raises:
        ConfigError: if a repair is unknown, or a strength or reduction is out of range.
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
    repairs: tuple[str, ...] | None = None
    strengths: Mapping[str, float] = field(default_factory=dict)
    max_reduction_db: float | None = None
    headroom_db: float = 0.0
    noise_profile: NoiseProfile | Passage | None = None
    latency_seconds: float | None = None

    def __post_init__(self) -> None:
        refuse_unknown([*(self.repairs or ()), *self.strengths])
        if any(not 0 <= strength <= 1 for strength in self.strengths.values()):
            raise ConfigError(f"strengths lie between 0 and 1, got {dict(self.strengths)}")
        if self.max_reduction_db is not None and not self.max_reduction_db >= 0:
            raise ConfigError(f"max_reduction_db must be 0 or more, got {self.max_reduction_db}")
        if isinstance(self.noise_profile, tuple):
            check_passage(self.noise_profile)
        if self.latency_seconds is not None and not self.latency_seconds > 0:
            raise ConfigError(f"latency_seconds must be positive, got {self.latency_seconds}")
        if not (isfinite(self.headroom_db) and self.headroom_db >= 0):
            raise ConfigError(f"headroom_db must be 0 or more, got {self.headroom_db}")

    @property
    def uses_network(self) -> bool:
        """Whether `noise`, the repair of the network, is among the repairs."""
        return self.repairs is None or "noise" in self.repairs

    def with_defaults_of(self, model: Model | None) -> "Restoration":
        """With the repairs that are on by default.

        `repairs.DEFAULT`, if the model is a network of gains as `compact` is: they leave released music as it was. Else
        the network alone: what other networks do with repaired sound was not measured.
        """
        if self.repairs is not None:
            return self
        return replace(self, repairs=DEFAULT if model is not None and model.gain_network is not None else ("noise",))

    def with_profile_of(self, source: Rereadable, model: Model | None) -> "Restoration":
        """With the noise that is in the passage of `noise_profile`, if that is one; `source` is rewound.

        Raises:
            ConfigError: if the passage is not in the recording; if the model is no network of gains.
            SourceError: if the recording cannot be read.
        """
        if not isinstance(self.noise_profile, tuple):
            return self
        if model is None or model.gain_network is None:
            raise ConfigError("a noise profile is for the repair noise with a network of gains, as compact is")
        profile = measure_noise(source, self.noise_profile, sample_rate=model.manifest.sample_rate, name=source.name)
        source.rewind()
        return replace(self, noise_profile=profile)

    def without_effect(self, model: Model | None) -> list[str]:
        """Warnings about parameters of segments, of which a network of gains has none."""
        if model is None or model.gain_network is None:
            return []
        segments = ("overlap", "segment_seconds", "context_seconds", "shifts")
        idle = [name for name in segments if getattr(self, name) != getattr(Restoration(), name)]
        return [f"{model.manifest.name} has no segments: without effect is {', '.join(idle)}"] if idle else []

    def stage(
        self, input: Spec, model: Model | None, *, residual: bool = False, save_stems: Iterable[str] = ()
    ) -> Stage[Any]:
        """The whole way as one stage; its output is as long as its input, at its rate.

        Args:
            input: the recording.
            model: of the repair `noise`; None without it.
            residual: add the channels of input - restored.
            save_stems: add the channels of these stems.

        The output's channels: those of the restored recording, of the residual, of each saved stem.

        Raises:
            ConfigError: if parameters do not fit; if a stem is unknown (lists those there are).
        """
        stage = self.with_defaults_of(model)._in_time(input, model, tuple(save_stems), residual)
        if not self.headroom_db:
            return stage
        return Chain(stage, Mix(stage.output, 10 ** (-self.headroom_db / 20) * np.eye(stage.output.channels)))

    def _in_time(self, input: Spec, model: Model | None, save_stems: tuple[str, ...], residual: bool) -> Stage[Any]:
        """The stage that looks ahead as far as the latency allows.

        Raises:
            ConfigError: if none does.
        """
        if self.latency_seconds is None:
            return self._at_full_level(input, model, save_stems, residual, REACH)
        for ahead in range(REACH, -1, -1):
            stage = self._at_full_level(input, model, save_stems, residual, ahead)
            if stage.latency <= self.latency_seconds * input.sample_rate:
                return stage
        repairs, least = ", ".join(self.repairs or ()), input.seconds(stage.latency)
        raise ConfigError(
            f"{repairs} lag by {least:.1f} s at least, more than a latency of {self.latency_seconds:g} s;"
            " leave a repair out"
        )

    def _at_full_level(
        self, input: Spec, model: Model | None, save_stems: tuple[str, ...], residual: bool, ahead: int
    ) -> Stage[Any]:
        before, after = self.classical(input), self.after_network(input)
        alone = not before and not after
        network = self._network(input, model, save_stems, residual=residual and alone, ahead=ahead)
        stages = [*before, *network]
        stages += _on_first(stages[-1].output, after) if save_stems and after else after
        stages = stages or [identity(input)]
        if not residual or (network and alone):
            return Chain(*stages)
        # What was taken away is the recording itself minus what came out of all repairs together.
        whole = WithInput(Chain(*stages))
        return Chain(whole, _with_residual(input, whole.output))

    def before_network(self, input: Spec) -> Stage[Any]:
        """What makes of a recording what the network is given; without defaults, see `with_defaults_of`."""
        return Chain(*self.classical(input)) if self.classical(input) else identity(input)

    def classical(self, input: Spec) -> list[Repair[Any]]:
        """The repairs that act before the network, in order."""
        return make_repairs(input, self.repairs or (), self.strengths)

    def after_network(self, input: Spec) -> list[Repair[Any]]:
        """The repairs that act after the network, in order."""
        return make_repairs(input, self.repairs or (), self.strengths, AFTER_NETWORK)

    def acting(self, input: Spec, model: Model) -> list[Stage[Any]]:
        """The repairs in order, and before those that follow it the network, if it is one of gains.

        Behind another network nothing is said to act: what it makes of the recording takes long to make again.
        """
        before, after = self.classical(input), self.after_network(input)
        if not after or not self.uses_network:
            return [*before, *after]
        if model.gain_network is None:
            return [*before]
        return [*before, Chain(*self._network(input, model, (), residual=False, ahead=REACH)), *after]

    def facts(self) -> dict[str, Any]:
        """What the output depends on beside the parameters and the model, as JSON values.

        Raises:
            ModelError: if a network of a repair is missing.
        """
        return {"treble": treble_facts()} if "treble" in (self.repairs or ()) else {}

    def _network(
        self, input: Spec, model: Model | None, stems: tuple[str, ...], residual: bool, ahead: int
    ) -> list[Stage[Any]]:
        if not self.uses_network:
            if stems:
                raise ConfigError("stems come from the network: --save-stems needs the repair noise")
            return []
        if model is None:
            raise ConfigError("the repair noise needs a network: load one")
        rows = [self._restored(model, self._stems(model))]
        if residual:
            rows.append(np.eye(1, len(rows[0]))[0] - rows[0])
        rows += [_only(model, stem) for stem in stems]
        # Recombination is the same for every channel: a matrix over (input, stems) becomes one over channels.
        matrix = np.kron(np.array(rows), np.eye(input.channels))
        beside = WithInput(self._separate(input, model, ahead))
        return [beside, Mix(beside.output, matrix, np.repeat(self._offsets(rows), input.channels))]

    def _profile(self) -> NoiseProfile | None:
        if isinstance(self.noise_profile, tuple):
            raise ConfigError("where the noise lies is not enough for a stage: measure it with measure_noise")
        return self.noise_profile

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
        strength = self._noise_strength()
        unchanged = np.eye(1, 1 + len(gains))[0]
        return np.asarray(strength * np.array([dry, *gains]) + (1 - strength) * unchanged)

    def _noise_strength(self) -> float:
        """Of what the network changes: as asked, but so that noise is lowered by `max_reduction_db` at most."""
        strength = self.strengths.get("noise", 1.0)
        if self.max_reduction_db is None:
            return strength
        return min(strength, 1 - 10 ** (-self.max_reduction_db / 20))

    def _offsets(self, rows: list[NDArray[np.float64]]) -> list[float]:
        """The mean that the networks were not given, added once: to what is not a copy of the input."""
        mean = self.level.mean if self.level else 0.0
        restored = mean * (1 - rows[0][0]) if rows[0][1:].sum() else 0.0
        return [restored, *(-restored if row[0] else 0.0 for row in rows[1:])]

    def _separate(self, input: Spec, model: Model, ahead: int) -> Stage[Any]:
        network_input = replace(input, sample_rate=model.manifest.sample_rate)
        if model.gain_network is not None:
            return _at_rate(
                input, NoiseEstimate(network_input, model.gain_network, profile=self._profile(), ahead=ahead)
            )
        level = self.level
        separate = Separate(
            network_input,
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
        return _at_rate(input, separate)


def _at_rate(input: Spec, stage: Stage[Any]) -> Stage[Any]:
    """A stage for sound of another sample rate: there and back."""
    if stage.input == input:
        return stage
    return Chain(SoxrResampler(input, stage.input.sample_rate), stage, SoxrResampler(stage.output, input.sample_rate))


def _on_first(both: Spec, repairs: list[Repair[Any]]) -> list[Stage[Any]]:
    """Stages that pass the first of some channels through repairs, and the others as they are."""
    channels = repairs[0].input.channels
    beside = WithInput(Chain(Mix(both, np.eye(channels, both.channels)), *repairs))
    order = [*range(both.channels, both.channels + channels), *range(channels, both.channels)]
    return [beside, Mix(beside.output, np.eye(beside.output.channels)[order])]


def _with_residual(input: Spec, both: Spec) -> Mix:
    """From input and results, input channels first: the restored recording, input - restored, the rest."""
    channels, rest = input.channels, both.channels - 2 * input.channels
    rows = np.zeros((both.channels, both.channels))
    rows[:channels, channels : 2 * channels] = np.eye(channels)
    rows[channels : 2 * channels, : 2 * channels] = np.hstack([np.eye(channels), -np.eye(channels)])
    rows[2 * channels :, 2 * channels :] = np.eye(rest)
    return Mix(both, rows)


def _index(model: Model, stem: str) -> int:
    stems = model.manifest.stems
    if stem not in stems:
        raise ConfigError(f"model {model.manifest.name} has no stem {stem!r}; it has {', '.join(stems)}")
    return stems.index(stem)


def _only(model: Model, stem: str) -> NDArray[np.float64]:
    return np.asarray(np.eye(1, 1 + len(model.manifest.stems), 1 + _index(model, stem))[0])
