"""restored = dry * input + sum(gain * stem), at the input's own rate, length and place."""

from math import inf, nan
from typing import Any

import networks
import numpy as np
import pytest
import torch
from demucs.api import Separator
from identity import identity
from numpy.typing import NDArray

from stream_restore.engine.loop import run
from stream_restore.errors import ConfigError
from stream_restore.models.model import Model
from stream_restore.models.torch_backend import from_torch
from stream_restore.restoration import Level, Restoration, measure
from stream_restore.spec import Audio, Spec
from stream_restore.testing import example_signal


class Memory:
    """A source and sinks that are arrays."""

    def __init__(self, signal: Audio, sample_rate: int) -> None:
        self.spec, self._signal, self._at = Spec(sample_rate, len(signal)), signal, 0
        self.blocks: list[Audio] = []

    def read(self, frames: int) -> Audio:
        self._at += frames
        return self._signal[:, self._at - frames : self._at]

    def write(self, block: Audio) -> None:
        self.blocks.append(block)

    def sound(self) -> Audio:
        return np.concatenate(self.blocks, axis=1)


def restored(model: Model, signal: Audio, sample_rate: int = 1000, sinks: int = 1, **options: Any) -> list[Audio]:
    wanted: dict[str, Any] = {name: options.pop(name) for name in ("residual", "save_stems") if name in options}
    source = Memory(signal, sample_rate)
    stage = Restoration(**options).stage(source.spec, model, **wanted)
    written = [Memory(signal[:, :0], sample_rate) for _ in range(sinks)]
    run(source, stage, written, block_frames=777)
    return [sink.sound() for sink in written]


SIGNAL = example_signal(2, 3000)


def close(got: NDArray[Any], wanted: NDArray[Any], within: float = 1e-6) -> bool:
    return got.shape == wanted.shape and bool(np.abs(got - wanted).max(initial=0) <= within)


def test_stems_are_summed() -> None:
    (out,) = restored(identity(), SIGNAL)
    assert close(out, SIGNAL)


def test_artifacts_are_taken_from_the_input() -> None:
    (out,) = restored(identity(dry=1, gain=-1), SIGNAL)
    assert close(out, 0 * SIGNAL)


def test_dry_replaces_the_models_own() -> None:
    (out,) = restored(identity(), SIGNAL, dry=0.5)
    assert close(out, 1.5 * SIGNAL)


def test_residual_and_stems_add_up() -> None:
    out, residual, stem = restored(identity(gain=0.25), SIGNAL, sinks=3, residual=True, save_stems=["all"])
    assert close(out + residual, SIGNAL)
    assert close(out, 0.25 * SIGNAL)
    assert close(stem, SIGNAL)


def test_stems_left_out_are_not_heard() -> None:
    model = from_torch(networks.htdemucs(), name="test")
    signal = example_signal(2, 20_000)
    vocals, drums, both = (
        restored(model, signal, 44100, stems=stems)[0] for stems in (("vocals",), ("drums",), ("drums", "vocals"))
    )
    assert close(vocals + drums, both)
    assert not close(vocals, both, within=1e-3)


@pytest.mark.parametrize("sample_rate", [1600, 441, 96_000])
@pytest.mark.parametrize("seconds", [0.0, None, 3.0])
def test_another_rate_comes_back_with_every_frame_in_place(sample_rate: int, seconds: float | None) -> None:
    time = np.arange(1 if seconds is None else int(seconds * sample_rate)) / sample_rate
    signal = (0.5 * np.sin(2 * np.pi * 50 * time))[None].astype(np.float32)
    (out,) = restored(identity(), signal, sample_rate)
    assert out.shape == signal.shape
    inner = slice(len(time) // 4, len(time) - len(time) // 4)
    assert close(out[:, inner], signal[:, inner], within=1e-4)


def test_what_lies_above_the_networks_band_passes_dry() -> None:
    time = np.arange(8000) / 8000
    treble = (np.hanning(8000) * np.sin(2 * np.pi * 3000 * time))[None].astype(np.float32)
    (out,) = restored(identity(dry=1, gain=-1), treble, 8000)
    assert close(out, treble, within=1e-4)


@pytest.mark.parametrize("name", ["htdemucs", "hdemucs"])
@pytest.mark.parametrize("level_db", [-20, -60])
def test_normalised_by_the_track_stems_are_those_of_the_demucs_command(name: str, level_db: float) -> None:
    network, signal = getattr(networks, name)(), example_signal(2, 100_000)
    signal = (signal * 10 ** ((level_db + 12) / 20)).astype(np.float32)
    separator = Separator.__new__(Separator)
    separator._model, separator._samplerate, separator._audio_channels = network, 44100, 2
    separator.update_parameter(
        device="cpu", shifts=0, overlap=0.25, split=True, segment=None, jobs=0, progress=False,
        callback=None, callback_arg=None,
    )  # fmt: skip
    _, theirs = separator.separate_tensor(torch.tensor(signal))
    model, level = from_torch(network, name="test"), measure([signal])
    stems = model.manifest.stems
    ours = restored(model, signal, 44100, sinks=5, level=level, save_stems=stems)
    peak = max(float(theirs[stem].abs().max()) for stem in stems)
    for stem, got in zip(stems, ours[1:], strict=True):
        # demucs adds the mean to every stem, we add it once to their sum.
        assert close(got + np.float32(level.mean), theirs[stem].numpy(), within=1e-5 * peak)
    total = np.sum([theirs[stem].numpy() for stem in stems], axis=0)
    assert close(ours[0] + 3 * np.float32(level.mean), total, within=1e-5 * peak * len(stems))


def test_level_is_that_of_the_mean_of_channels() -> None:
    mono = SIGNAL.mean(axis=0, dtype=np.float64)
    whole, pieces = measure([SIGNAL]), measure([SIGNAL[:, :1], SIGNAL[:, :0], SIGNAL[:, 1:]])
    assert whole == pieces
    assert whole.mean == pytest.approx(mono.mean(), abs=1e-15)
    assert whole.deviation == pytest.approx(mono.std(ddof=1), rel=1e-12)
    assert measure([]) == Level(0.0, 1.0)


def test_level_is_the_same_for_any_cuts_of_many_channels() -> None:
    """Channels of very different levels, where the order of a sum shows."""
    sound = (example_signal(11, 500) * 10.0 ** -np.arange(11)[:, None]).astype(np.float32)
    whole = measure([sound])
    assert measure(sound[:, frame : frame + 1] for frame in range(500)) == whole
    assert measure([np.asfortranarray(sound)]) == whole


@pytest.mark.parametrize("dry", [inf, -inf, nan])
def test_dry_is_a_finite_factor(dry: float) -> None:
    with pytest.raises(ConfigError, match="dry is a finite factor"):
        Restoration(dry=dry).stage(Spec(1000, 1), identity())


def test_an_unknown_stem_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="'bass'; it has all"):
        Restoration(stems=("bass",)).stage(Spec(1000, 1), identity())


@pytest.mark.parametrize("level_db", [-20, -60])
def test_one_constant_gain_serves_every_level(level_db: float) -> None:
    """Without a first pass: what a network answers scales with the recording, as under demucs' normalisation."""
    model = from_torch(networks.hdemucs(), name="test")
    signal = (example_signal(2, 60_000) * 10 ** ((level_db + 12) / 20)).astype(np.float32)
    (constant,) = restored(model, signal, 44100)
    (track,) = restored(model, signal, 44100, level=Level(0.0, measure([signal]).deviation))
    assert close(constant, track, within=10 ** (-90 / 20) * float(np.abs(track).max()))
