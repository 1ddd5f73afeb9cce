"""Every stage obeys the law: one table, one function, equality bit for bit."""

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any

import networks
import numpy as np
import pytest
from identity import identity, together
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

import stream_restore
from stream_restore.degradation import AddNoise, Degradation, Quantise
from stream_restore.degradation.filters import CausalLowPass, ZeroPhaseLowPass
from stream_restore.degradation.replay import Replay
from stream_restore.engine.channels import Mix, SameLength, WithInput
from stream_restore.engine.range_stage import RangeStage
from stream_restore.engine.resample import PolyphaseResampler, SoxrResampler
from stream_restore.engine.stage import Chain, Stage
from stream_restore.models.torch_backend import from_torch
from stream_restore.models.treble import treble_levels
from stream_restore.passes.peak import PeakMeter
from stream_restore.restoration import Restoration
from stream_restore.restoration.denoise import CONTEXT, NoiseEstimate
from stream_restore.restoration.repairs import Declick, Declip, Dehum, Descratch, Treble
from stream_restore.restoration.repairs.gaps import Gaps
from stream_restore.restoration.repairs.scratches.finder import ScratchFinder
from stream_restore.restoration.repairs.treble.treble import TrebleState
from stream_restore.restoration.separate import Separate
from stream_restore.spec import Audio, Spec
from stream_restore.testing import check_stage

MONO, STEREO = Spec(32000, 1), Spec(44100, 2)


class QuietGains:
    """A network of gains by the level above the floor, around each column as far as networks see."""

    def gains(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        level = uniform_filter1d(features[0], 2 * CONTEXT + 1, mode="nearest")
        return np.asarray(1 / (1 + np.exp(-4 * (level - 0.8))), np.float32)


class Clipped(Declip):
    """Cuts peaks off before it gives them back."""

    def mend(self, window: Audio) -> tuple[Audio, list[float]]:
        return super().mend(window.clip(-0.2, 0.2))


class Crackling(Declick):
    """Adds clicks before it takes them out."""

    def mend(self, window: Audio) -> tuple[Audio, list[float]]:
        damaged = window.copy()
        damaged[:, 300::97] += 0.5
        return super().mend(damaged)


class Scratched(Descratch):
    """Takes parts that are not scratched for scratches."""

    def __init__(self, input: Spec) -> None:
        super().__init__(input)
        self._finder = Everywhere(input.sample_rate, 64)


class Everywhere(ScratchFinder):
    def find(self, sound: NDArray[np.float64]) -> list[Gaps]:
        begins = np.arange(300, sound.shape[1] - 300, 97)
        return [Gaps(begins + channel, begins + channel + 9) for channel in range(len(sound))]


class Recorded:
    """The same sound whenever it is read."""

    def read(self, start: int, stop: int) -> Audio:
        frames = np.arange(start, stop)
        return np.array([np.sin(frames / 9), np.cos(frames / 7)], np.float32)


RECORDED = Recorded()


class Filled(Treble):
    """Takes every third block for cut off."""

    def _cutoff(self, state: TrebleState) -> float | None:
        return None if state.block % 3 else 300.0


# name: (factory, grid, frames by which the output may seem late)
STAGES: dict[str, tuple[Callable[[], Stage[Any]], int, int | None]] = {
    "CausalLowPass": (lambda: CausalLowPass(STEREO, 7000, 6), 256, 8),
    "CausalLowPass, order 1": (lambda: CausalLowPass(MONO, 15000, 1), 256, 2),
    "ZeroPhaseLowPass": (lambda: ZeroPhaseLowPass(STEREO, 7000, 6), 4096, 0),
    "ZeroPhaseLowPass, odd order": (lambda: ZeroPhaseLowPass(MONO, 3000, 5), 4096, 0),
    "ZeroPhaseLowPass, long response": (lambda: ZeroPhaseLowPass(Spec(8000, 1), 5, 2), 5981, None),
    "PolyphaseResampler, half": (lambda: PolyphaseResampler(MONO, 16000), 4096, 0),
    "PolyphaseResampler, double": (lambda: PolyphaseResampler(Spec(16000, 2), 32000), 4096, 0),
    "PolyphaseResampler, 44.1 to 16": (lambda: PolyphaseResampler(STEREO, 16000), 4410, 0),
    "PolyphaseResampler, 16 to 44.1": (lambda: PolyphaseResampler(Spec(16000, 1), 44100), 4160, 0),
    "PolyphaseResampler, same": (lambda: PolyphaseResampler(MONO, 32000), 4096, 0),
    "SoxrResampler, 44.1 to 48": (lambda: SoxrResampler(STEREO, 48000), 4116, 0),
    "SoxrResampler, 48 to 44.1": (lambda: SoxrResampler(Spec(48000, 1), 44100), 4160, 0),
    "SoxrResampler, 192 to 44.1": (lambda: SoxrResampler(Spec(192000, 1), 44100), 4480, 0),
    "SoxrResampler, 8 to 44.1": (lambda: SoxrResampler(Spec(8000, 6), 44100), 4160, 0),
    "Quantise": (lambda: Quantise(STEREO, 8, seed=3), 4096, 0),
    "AddNoise": (lambda: AddNoise(STEREO, 20, power=0.06, seed=3), 4096, 0),
    "Mix": (lambda: Mix(STEREO, [[0.5, 0.5], [1.0, -1.0], [0.0, 0.25]]), 256, None),
    "RangeStage": (lambda: RangeStage(Separate(Spec(1000, 2), identity()), 1234, None), 75, None),
    "PeakMeter": (lambda: PeakMeter(STEREO, 1), 256, 0),
    "WithInput": (lambda: WithInput(CausalLowPass(STEREO, 7000)), 256, 0),
    "SameLength, a third and back": (
        lambda: SameLength(Chain(PolyphaseResampler(Spec(48000, 1), 16000), PolyphaseResampler(Spec(16000, 1), 48000))),
        4098,
        0,
    ),
    "Chain with a network behind a filter that forgets nothing": (
        lambda: Chain(CausalLowPass(Spec(1000, 2), 400), Separate(Spec(1000, 2), identity()), Quantise(Spec(1000, 2))),
        75,
        2,
    ),
    "Separate": (lambda: Separate(Spec(1000, 2), identity()), 75, 0),
    "Separate, mono, one job more": (lambda: Separate(Spec(1000, 1), identity(), jobs=2), 75, 0),
    "Separate, three segments in a call": (lambda: Separate(Spec(1000, 2), together()), 225, None),
    "Separate, three segments in a call, begun late": (
        lambda: RangeStage(Separate(Spec(1000, 2), together()), 1234, None),
        225,
        None,
    ),
    "Separate, shifted, with context": (
        lambda: Separate(Spec(1000, 6), identity(), shifts=2, context_seconds=0.01, overlap=0.6),
        32,
        0,
    ),
    "Separate, mirrored edges": (lambda: Separate(Spec(1000, 2), identity(edges="mirror")), 75, 0),
    "Separate, mirrored edges, shifted": (
        lambda: Separate(Spec(1000, 1), identity(edges="mirror"), shifts=2, context_seconds=0.01),
        60,
        0,
    ),
    "NoiseEstimate": (lambda: NoiseEstimate(STEREO, QuietGains(), cell_columns=16, reach=2), 16384, None),
    "NoiseEstimate, in a hurry": (
        lambda: NoiseEstimate(STEREO, QuietGains(), cell_columns=16, reach=2, ahead=0),
        16384,
        None,
    ),
    "Restoration": (lambda: Restoration().stage(Spec(1600, 1), identity(), residual=True), 120, 0),
    "Declick": (lambda: Declick(STEREO), 262144, 0),
    "Declick, of crackle": (lambda: Crackling(Spec(1000, 2)), 8192, 0),
    "Declip": (lambda: Declip(STEREO), 32768, 0),
    "Declip, of what is clipped": (lambda: Clipped(Spec(1000, 2)), 1024, 0),
    "Descratch": (lambda: Descratch(STEREO), 262144, 0),
    "Descratch, of what is scratched": (lambda: Scratched(Spec(1000, 2)), 8192, 0),
    "Dehum": (lambda: Dehum(Spec(1000, 1)), 2000, 0),
    "Replay": (lambda: Replay(PolyphaseResampler(STEREO, 16000), RECORDED.read), 256, None),
    "Treble": (lambda: Treble(STEREO), 32768, 0),
    "Treble, of what is cut off": (lambda: Filled(Spec(1000, 2), 0.7, treble_levels()), 1024, None),
    "Chain of the paper": (lambda: Degradation().stage(MONO, power=0.06), 4096, 0),
    "Chain of the paper, causal, 44.1 kHz": (
        lambda: Degradation(phase="causal").stage(STEREO, power=0.06),
        4410,
        8,
    ),
    "Chain of soxr there and back": (
        lambda: Chain(SoxrResampler(Spec(48000, 1), 44100), SoxrResampler(Spec(44100, 1), 48000)),
        2048,
        0,
    ),
}


@pytest.mark.parametrize("name", STAGES)
def test_any_partition_gives_the_same_output(name: str) -> None:
    factory, grid, aligned_within = STAGES[name]
    check_stage(factory, grid=grid, aligned_within=aligned_within)


def test_a_real_network_gives_the_same_output_for_any_partition() -> None:
    model = from_torch(networks.demucs(), name="test")
    grid = int(0.75 * 44100)
    check_stage(
        lambda: Separate(Spec(44100, 1), model, gain=16.0), grid=grid, lengths=(1, grid, grid + 1), aligned_within=None
    )


def test_the_table_lists_every_stage() -> None:
    for module in pkgutil.walk_packages(stream_restore.__path__, "stream_restore."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    concrete = {cls.__name__ for cls in _subclasses(Stage) if not inspect.isabstract(cls)}
    ours = {name for name in concrete if not name.startswith("_")}
    listed = {type(factory()).__name__ for factory, _, _ in STAGES.values()}
    assert ours - listed == set()


def _subclasses(cls: type[Any]) -> set[type[Any]]:
    below: set[type[Any]] = {sub for sub in cls.__subclasses__() if sub.__module__.startswith("stream_restore.")}
    return below.union(*map(_subclasses, below))
