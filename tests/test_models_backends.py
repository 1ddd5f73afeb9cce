"""All backends keep one contract, and agree with each other and with the network they run."""

import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import networks
import numpy as np
import openvino
import pytest
import torch
from identity import identity
from numpy.typing import NDArray

from stream_restore.errors import ModelError
from stream_restore.models import Backend, Member, Model, Voice, load, openvino_backend, torch_cpu
from stream_restore.models.torch_backend import TorchBackend, from_torch

ARCHITECTURES = tuple(networks.MAKERS)
FILES = ("onnx", "openvino")
"""Backends that run .onnx files."""
BACKENDS = ("torch", *FILES)


@cache
def model(backend: str, architecture: str) -> Model:
    name: Any = backend
    if backend in FILES:
        return load(str(networks.exported(architecture)), backend=name, threads=2)
    return from_torch(networks.MAKERS[architecture](), name=architecture, threads=2)


def sound(backend: Backend, seed: int = 0) -> NDArray[np.float32]:
    frames = backend.input_frames(backend.segment_frames)
    random = np.random.default_rng(seed)
    return (0.1 * random.standard_normal((backend.channels, frames))).astype(np.float32)


@pytest.fixture(params=[(b, a) for b in BACKENDS for a in ARCHITECTURES], ids="-".join)
def backend(request: pytest.FixtureRequest) -> Backend:
    return model(*request.param).members[0].backend


def test_declares_what_it_returns(backend: Backend) -> None:
    segment = sound(backend)
    stems = backend.separate(segment)
    assert backend.stems == tuple(networks.STEMS)
    assert stems.shape == (4, *segment.shape)
    assert stems.dtype == np.float32
    assert np.isfinite(stems).all()
    assert stems.std() > 1e-4


def test_input_is_at_least_the_chunk(backend: Backend) -> None:
    assert backend.segment_frames == int(0.25 * 44100)
    for frames in (1, 2, 1000, backend.segment_frames):
        assert backend.input_frames(frames) >= frames


def test_same_input_same_output(backend: Backend) -> None:
    assert (backend.separate(sound(backend)) == backend.separate(sound(backend))).all()


def test_input_is_not_modified_nor_kept(backend: Backend) -> None:
    segment = sound(backend)
    kept = segment.copy()
    segment.flags.writeable = False
    stems = backend.separate(segment)
    assert (segment == kept).all()
    assert not np.shares_memory(stems, segment)


def test_concurrent_calls_do_not_touch_each_other(backend: Backend) -> None:
    segments = [sound(backend, seed) for seed in range(3)]
    alone = [backend.separate(segment) for segment in segments]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(backend.separate, segments * 2))
    for one, other in zip(alone * 2, together, strict=True):
        assert (one == other).all()


def test_wrong_channels_are_refused(backend: Backend) -> None:
    with pytest.raises(ModelError, match=r"\(3, "):
        backend.separate(np.zeros((3, backend.input_frames(1000)), np.float32))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_torch_equals_the_network_itself(architecture: str) -> None:
    backend = model("torch", architecture).members[0].backend
    segment = sound(backend)
    with torch.no_grad():
        expected = networks.MAKERS[architecture]()(torch.from_numpy(segment)[None])[0].numpy()
    assert np.abs(backend.separate(segment) - expected).max() <= 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("backend", FILES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_file_equals_torch(architecture: str, backend: str) -> None:
    one, other = (model(each, architecture) for each in ("torch", backend))
    segment = sound(one.members[0].backend)
    expected = one.members[0].backend.separate(segment)
    found = other.members[0].backend.separate(segment)
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("backend", FILES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_all_backends_run_the_same_lengths(architecture: str, backend: str) -> None:
    one, other = (model(each, architecture).members[0].backend for each in ("torch", backend))
    for frames in (*range(1, 100), 5000, one.segment_frames):
        assert one.input_frames(frames) == other.input_frames(frames)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_file_carries_the_manifest(architecture: str) -> None:
    one, other = (model(each, architecture).manifest for each in ("torch", "onnx"))
    assert (other.architecture, other.stft, other.stems) == (architecture, one.stft, one.stems)
    assert (other.segment_frames, other.input_frames) == (one.segment_frames, one.input_frames)
    assert (other.lengths, other.edges) == (one.lengths, one.edges)
    assert other.parity is not None
    assert 0 <= other.parity <= 1e-4


def test_torch_lengths_are_those_of_demucs() -> None:
    waves: Any = networks.demucs()
    for network, expected in (
        (networks.htdemucs(), 44100),
        (networks.htdemucs(use_train_segment=False), 1000),
        (networks.hdemucs(), 1000),
        (waves, waves.valid_length(1000)),
    ):
        assert from_torch(network, name="x").members[0].backend.input_frames(1000) == expected


def test_a_bag_has_one_voice_per_network_and_its_segment() -> None:
    bag = from_torch(networks.bag(segment=0.5), name="bag")
    assert [member.weights for member in bag.members] == [(1.0, 0.0, 1.0, 0.5), (1.0, 1.0, 0.25, 1.0)]
    assert [member.backend.segment_frames for member in bag.members] == [22050, 22050]


def test_a_shorter_segment_moves_the_grid() -> None:
    torch_one = from_torch(networks.htdemucs(), name="x", segment=0.5).members[0].backend
    assert (torch_one.segment_frames, torch_one.input_frames(7)) == (22050, 22050)
    onnx_one = load(str(networks.exported("HTDemucs")), segment=0.1).members[0].backend
    assert (onnx_one.segment_frames, onnx_one.input_frames(7)) == (4410, 11025)


@pytest.mark.parametrize("segment", [0.0, -1.0, 2.0])
def test_an_impossible_segment_is_refused(segment: float) -> None:
    with pytest.raises(ModelError, match="segment"):
        from_torch(networks.htdemucs(), name="x", segment=segment)
    with pytest.raises(ModelError, match="segment"):
        load(str(networks.exported("HTDemucs")), segment=segment)


def test_an_absent_provider_is_named_with_those_there() -> None:
    with pytest.raises(ModelError, match=r"'NoSuchProvider'.*CPUExecutionProvider"):
        load(str(networks.exported("Demucs")), provider="NoSuchProvider")


def test_several_segments_in_a_call_are_answered_each_as_if_alone() -> None:
    for architecture in ARCHITECTURES:
        backend = model("torch", architecture).members[0].backend
        assert isinstance(backend, TorchBackend)
        segments = np.stack([sound(backend, seed) for seed in range(3)])
        alone = np.stack([backend.separate(segment) for segment in segments])
        assert np.abs(backend.separate_batch(segments) - alone).max() <= 1e-5 * np.abs(alone).max()


def test_the_network_that_is_given_stays_as_it_is() -> None:
    """Its weights are not copied, nor are its layers changed for others who use it."""
    network = networks.MAKERS["HTDemucs"]()
    layers = [type(module) for module in network.modules()]
    faster = torch_cpu.suited(network)
    assert [type(module) for module in network.modules()] == layers
    assert [type(module) for module in faster.modules()] != layers
    places = {weight.data_ptr() for weight in network.parameters()}
    assert {weight.data_ptr() for weight in faster.parameters()} == places


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_absent_cuda_is_an_error_not_a_fallback() -> None:
    with pytest.raises(ModelError, match="CUDAExecutionProvider"):
        load(str(networks.exported("Demucs")), device="cuda")
    with pytest.raises(ModelError, match="cuda"):
        from_torch(networks.demucs(), name="x", device="cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a machine with CUDA")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_cuda_gives_what_the_processor_gives(architecture: str) -> None:
    cpu = model("torch", architecture).members[0].backend
    cuda = from_torch(networks.MAKERS[architecture](), name=architecture, device="cuda").members[0].backend
    expected, found = cpu.separate(sound(cpu)), cuda.separate(sound(cuda))
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
    assert (cuda.separate(sound(cuda)) == found).all()


def test_unknown_device_is_refused() -> None:
    with pytest.raises(ModelError, match="'tpu'"):
        load(str(networks.exported("Demucs")), device="tpu")
    with pytest.raises(ModelError, match="'tpu'"):
        from_torch(networks.demucs(), name="x", device="tpu")


def test_an_onnx_file_needs_onnx_and_a_name_needs_torch(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="backend torch"):
        load(str(networks.exported("Demucs")), backend="torch")
    with pytest.raises(ModelError, match="export it first"):
        load("htdemucs", backend="onnx")


def test_members_can_be_given_and_read_under_their_old_name() -> None:
    model = identity()
    named: Any = Model
    old = named(model.manifest, voices=model.members)
    assert Voice is Member
    assert old == model
    assert old.voices == old.members == model.members
    with pytest.raises(TypeError, match="voices"):
        named(model.manifest, members=model.members, voices=model.members)


def test_the_embedded_network_gives_the_same_gains_through_openvino() -> None:
    one, other = (load("compact", backend=name) for name in ("onnx", "openvino"))
    assert one.gain_network is not None
    assert other.gain_network is not None
    features = np.random.default_rng(0).standard_normal((7, 1024, 307)).astype(np.float32)
    expected = one.gain_network.gains(features)
    assert np.abs(other.gain_network.gains(features) - expected).max() <= 1e-4


BF16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.mark.skipif(not BF16, reason="needs a CPU that computes in bf16")
def test_bf16_is_near_and_says_how_near_if_it_is_not() -> None:
    exact = model("openvino", "HTDemucs").members[0].backend
    rough = load(str(networks.exported("HTDemucs")), backend="openvino", precision="bf16", threads=2)
    segment = sound(exact)
    expected, found = exact.separate(segment), rough.members[0].backend.separate(segment)
    sdr_db = 10 * np.log10(np.square(expected).sum() / np.square(found - expected).sum())
    assert 20 < sdr_db < 80
    assert rough.runtime["precision"] == "bf16"
    for note in rough.notes:
        assert 20 < float(re.findall(r"within (\d+) dB SDR", note)[0]) <= openvino_backend.SDR_WANTED


@pytest.mark.skipif(BF16, reason="needs a CPU that does not compute in bf16")
def test_bf16_is_refused_where_the_processor_has_none() -> None:
    with pytest.raises(ModelError, match="AVX512-BF16 or AMX"):
        load(str(networks.exported("HTDemucs")), backend="openvino", precision="bf16")


def test_what_openvino_cannot_do_is_refused() -> None:
    file = str(networks.exported("Demucs"))
    with pytest.raises(ModelError, match="export it first"):
        load("htdemucs", backend="openvino")
    with pytest.raises(ModelError, match="bf16 on the backend openvino"):
        load(file, precision="bf16")
    with pytest.raises(ModelError, match="on the CPU"):
        load(file, backend="openvino", device="cuda")
    with pytest.raises(ModelError, match="no noise"):
        load("compact", backend="openvino", precision="bf16")
