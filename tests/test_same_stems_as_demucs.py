"""A person who leaves Demucs finds the same stems: `Separate` equals `demucs.apply.apply_model`."""

import random
from collections.abc import Callable
from functools import cache
from typing import Any

import networks
import numpy as np
import pytest
import torch
from demucs.apply import apply_model
from identity import identity
from numpy.typing import NDArray

from stream_restore.errors import ConfigError, ModelError, SpecError
from stream_restore.models import Model, load
from stream_restore.models.torch_backend import from_torch
from stream_restore.restoration.channel_groups import channel_groups
from stream_restore.restoration.separate import Separate
from stream_restore.spec import Audio, Spec
from stream_restore.testing import example_signal

NETWORKS: dict[str, Callable[[], Any]] = {
    "Demucs": networks.demucs,
    "HDemucs": networks.hdemucs,
    "HDemucs of the first kind": lambda: networks.hdemucs(hybrid_old=True),
    "HTDemucs": networks.htdemucs,
    "HTDemucs of any length": networks.restorer,
    "bag": networks.bag,
    "bag with its own segment": lambda: networks.bag(segment=0.7),
}
SEGMENT = 44100
LENGTHS = [1, 2, 5000, SEGMENT - 1, SEGMENT, SEGMENT + 1, int(0.75 * SEGMENT), 3 * SEGMENT + 4321]


def reference(network: Any, signal: Audio, **options: Any) -> NDArray[np.float32]:
    """Demucs' own answer, shape (stems, channels, frames)."""
    with torch.no_grad():
        stems = apply_model(network, torch.tensor(signal)[None], **({"shifts": 0} | options))
    return np.asarray(stems[0].numpy())


def separated(network: Any, signal: Audio, block: int = 10_007, **options: Any) -> NDArray[np.float32]:
    """Our answer, streamed in blocks, same shape."""
    return streamed(from_torch(network, name="test"), signal, block, **options)


def streamed(model: Model, signal: Audio, block: int = 10_007, **options: Any) -> NDArray[np.float32]:
    """What a model answers, streamed in blocks, same shape."""
    stage = Separate(Spec(44100, len(signal)), model, **options)
    blocks = [stage.process(signal[:, at : at + block]) for at in range(0, signal.shape[1], block)]
    out = np.concatenate([*blocks, stage.flush()], axis=1)
    return out.reshape(len(model.manifest.stems), len(signal), -1)


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("name", NETWORKS)
def test_stems_equal_demucs(name: str, frames: int) -> None:
    signal = example_signal(2, frames, seed=frames)
    network = NETWORKS[name]()
    ours, theirs = separated(network, signal), reference(network, signal)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


SHORT = 11025
"""Frames of a segment of the networks of `networks.MAKERS`."""


@cache
def model(backend: str, architecture: str) -> Model:
    name: Any = backend
    if backend != "torch":
        return load(str(networks.exported(architecture)), backend=name)
    return from_torch(networks.MAKERS[architecture](), name=architecture)


@pytest.mark.parametrize("frames", [1, 2, 63, 64, 65, 1000, SHORT - 1, SHORT, SHORT + 1, 2 * SHORT, 3 * SHORT + 4321])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("architecture", networks.MAKERS)
@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_all_backends_give_the_stems_of_demucs(backend: str, architecture: str, channels: int, frames: int) -> None:
    signal = example_signal(channels, frames, seed=frames)
    theirs = reference(networks.MAKERS[architecture](), np.repeat(signal, 3 - channels, axis=0))
    if channels == 1:
        theirs = theirs.mean(axis=1, keepdims=True)
    ours = streamed(model(backend, architecture), signal)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


@pytest.mark.parametrize("options", [{"overlap": 0.7}, {"segment": 0.2}])
@pytest.mark.parametrize("architecture", ["HDemucs", "Demucs"])
def test_a_file_follows_every_grid_of_demucs(architecture: str, options: dict[str, Any]) -> None:
    signal = example_signal(2, 2 * SHORT + 999)
    theirs = reference(networks.MAKERS[architecture](), signal, **options)
    ours = streamed(
        load(str(networks.exported(architecture)), segment=options.get("segment")),
        signal,
        overlap=options.get("overlap", 0.25),
    )
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.5, 0.8])
def test_any_overlap_equals_demucs(overlap: float) -> None:
    signal = example_signal(2, 2 * SEGMENT + 999)
    network = networks.restorer()
    theirs = reference(network, signal, overlap=overlap)
    assert np.abs(separated(network, signal, overlap=overlap) - theirs).max() <= 1e-5 * np.abs(theirs).max()


@pytest.mark.parametrize("name", ["Demucs", "HTDemucs"])
def test_shifts_equal_demucs_given_the_same_draw(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    signal, network, seed = example_signal(2, SEGMENT + 4321), NETWORKS[name](), 5
    longest = SEGMENT // 2
    drawn = iter(longest - int(d) for d in np.random.default_rng(seed).integers(0, longest + 1, (1, 2))[0])
    monkeypatch.setattr(random, "randint", lambda low, high: next(drawn))
    theirs = reference(network, signal, shifts=2)
    ours = separated(network, signal, shifts=2, seed=seed)
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_shifts_depend_on_the_seed_only() -> None:
    signal, network = example_signal(2, SEGMENT), networks.restorer()
    first, again, other = (separated(network, signal, shifts=2, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_mono_is_heard_as_two_equal_channels_and_averaged() -> None:
    signal, network = example_signal(1, SEGMENT + 77), networks.restorer()
    theirs = reference(network, np.repeat(signal, 2, axis=0)).mean(axis=1, keepdims=True)
    assert np.abs(separated(network, signal) - theirs).max() <= 1e-5 * np.abs(theirs).max()


def test_six_channels_are_two_pairs_and_two_single_channels() -> None:
    signal, network = example_signal(6, SEGMENT // 2), networks.restorer()
    ours = separated(network, signal)
    for group in channel_groups(6, 2):
        assert (ours[:, list(group)] == separated(network, signal[list(group)])).all()


@pytest.mark.parametrize("channels", range(1, 12))
@pytest.mark.parametrize("of_network", [1, 2])
def test_every_channel_is_heard_once(channels: int, of_network: int) -> None:
    heard = [channel for group in channel_groups(channels, of_network) for channel in group]
    assert sorted(heard) == list(range(channels))


@pytest.mark.parametrize("jobs", [2, 3])
def test_workers_do_not_change_a_bit(jobs: int) -> None:
    signal, network = example_signal(2, 3 * SEGMENT + 5), networks.bag()
    assert (separated(network, signal, jobs=jobs) == separated(network, signal)).all()


def stems_of(model: Model, signal: Audio, **options: Any) -> Audio:
    stage = Separate(Spec(1000, 2), model, **options)
    return np.concatenate([stage.process(signal), stage.flush()], axis=1)


@pytest.mark.parametrize("frames", [0, 1, 2, 99, 100, 101, 1234])
@pytest.mark.parametrize(
    "options",
    [{}, {"overlap": 0.0}, {"overlap": 0.9}, {"shifts": 3}, {"segment_seconds": 0.05}, {"context_seconds": 0.02}],
)
def test_an_identity_network_returns_its_input(frames: int, options: dict[str, Any]) -> None:
    signal = example_signal(2, frames)
    out = stems_of(identity(), signal, **options)
    assert out.shape == signal.shape
    assert np.abs(out - signal).max(initial=0) <= 1e-6


def test_the_last_window_moves_back_over_real_sound() -> None:
    model, signal = identity(edges="mirror"), example_signal(2, 260)
    assert np.abs(stems_of(model, signal) - signal).max() <= 1e-6
    network: Any = model.members[0].backend
    starts = [0, 75, 150, 160]
    assert len(network.inputs) == len(starts)
    for heard, start in zip(network.inputs, starts, strict=True):
        assert (heard == signal[:, start : start + 100]).all()


@pytest.mark.parametrize("frames", [1, 40, 99])
def test_a_short_recording_goes_on_as_its_mirror_image(frames: int) -> None:
    model, signal = identity(edges="mirror"), example_signal(2, frames)
    assert np.abs(stems_of(model, signal) - signal).max() <= 1e-6
    network: Any = model.members[0].backend
    before = (100 - frames) // 2
    wanted = np.pad(signal, ((0, 0), (before, 100 - frames - before)), mode="symmetric")
    assert (network.inputs[0] == wanted).all()


def test_context_hides_the_edges_of_a_network() -> None:
    signal = example_signal(2, 1234)
    spoilt = stems_of(identity(edge=20), signal)
    hidden = stems_of(identity(edge=20), signal, context_seconds=0.02)
    assert np.abs(spoilt - signal).max() > 1
    assert np.abs(hidden - signal).max() <= 1e-6


def test_mean_and_gain_are_undone() -> None:
    signal = example_signal(2, 500) + np.float32(0.25)
    out = stems_of(identity(), signal, mean=0.25, gain=8.0)
    assert np.abs(out + 0.25 - signal).max() <= 1e-6


def test_a_sample_that_is_not_finite_is_named_with_its_time() -> None:
    signal = np.zeros((2, 500), np.float32)
    signal[1, 321] = 0.5
    with pytest.raises(ModelError, match=r"identity .* frame 321 \(0\.321 s\)"):
        stems_of(identity(poison=0.5), signal)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlap": 1.0}, "overlap"),
        ({"overlap": -0.1}, "overlap"),
        ({"segment_seconds": 0.2}, "at most 0.1 s"),
        ({"segment_seconds": 0}, "segment"),
        ({"context_seconds": 0.05}, "context"),
        ({"shifts": -1}, "shifts"),
        ({"jobs": 0}, "jobs"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Separate(Spec(1000, 2), identity(), **options)


def test_another_sample_rate_is_refused() -> None:
    with pytest.raises(SpecError, match="1000 Hz"):
        Separate(Spec(44100, 2), identity())


def test_a_network_of_three_channels_wants_three() -> None:
    with pytest.raises(ConfigError, match="takes 3 channels"):
        channel_groups(2, 3)
