"""An .onnx file is one sealed container: what is cut, altered, foreign or contradictory is refused by name."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stream_restore.errors import ModelError
from stream_restore.models import Manifest, Stft, load
from stream_restore.models.container import MANIFEST_KEY, SEAL_KEY, ZEROS, read_manifest, seal
from stream_restore.models.manifest import Lengths

MANIFEST = Manifest("third", "Gain", 44100, 2, ("loud",), 64, 64)


def third_party(
    path: Path,
    manifest: Manifest = MANIFEST,
    *,
    frames: int | str = 64,
    kind: int = TensorProto.FLOAT,
) -> Path:
    """A file as a third party would make it with onnx alone: one gain of 2, the manifest, the seal."""
    return write(path, gain_model(frames, kind), manifest.to_json())


def gain_model(frames: int | str = 64, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    two = numpy_helper.from_array(np.array(2, np.float32 if kind == TensorProto.FLOAT else np.float64), "two")
    axis = numpy_helper.from_array(np.array([1], np.int64), "axis")
    nodes = [helper.make_node("Mul", ["mix", "two"], ["y"]), helper.make_node("Unsqueeze", ["y", "axis"], ["waves"])]
    graph = helper.make_graph(
        nodes,
        "gain",
        [helper.make_tensor_value_info("mix", kind, (1, 2, frames))],
        [helper.make_tensor_value_info("waves", kind, (1, 1, 2, frames))],
        [two, axis],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def write(path: Path, proto: onnx.ModelProto, manifest: str) -> Path:
    helper.set_model_props(proto, {MANIFEST_KEY: manifest, SEAL_KEY: ZEROS.decode()})
    onnx.save(proto, path)
    seal(path)
    return path


def refused(path: Path, match: str) -> None:
    with pytest.raises(ModelError, match=match) as caught:
        load(str(path))
    assert path.name in str(caught.value)


def test_a_third_party_file_is_a_complete_model(tmp_path: Path) -> None:
    model = load(str(third_party(tmp_path / "a.onnx")))
    assert model.manifest == MANIFEST
    segment = np.ones((2, 64), np.float32)
    assert (model.members[0].backend.separate(segment) == 2).all()


def test_the_seal_is_the_sha256_with_its_own_digits_zero(tmp_path: Path) -> None:
    data = third_party(tmp_path / "a.onnx").read_bytes()
    digits = {p.key: p.value for p in onnx.load(tmp_path / "a.onnx").metadata_props}[SEAL_KEY].encode()
    assert data.count(digits) == 1
    assert hashlib.sha256(data.replace(digits, ZEROS)).hexdigest().encode() == digits


@pytest.mark.parametrize("keep", [1, 10, 100, -1, -100])
def test_a_cut_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = third_party(tmp_path / "a.onnx")
    path.write_bytes(path.read_bytes()[:keep])
    refused(path, "cut short|no manifest|altered")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").touch()
    refused(tmp_path / "a.onnx", "cannot read")


def test_every_altered_byte_is_found(tmp_path: Path) -> None:
    whole = third_party(tmp_path / "a.onnx").read_bytes()
    for at in range(len(whole)):
        path = tmp_path / "b.onnx"
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(ModelError, match=r"b\.onnx"):
            read_manifest(path)


def test_appended_bytes_are_found(tmp_path: Path) -> None:
    path = third_party(tmp_path / "a.onnx")
    path.write_bytes(path.read_bytes() + b"\x52\x00")
    refused(path, "altered")


def test_an_exported_file_with_one_altered_weight_is_refused(tmp_path: Path) -> None:
    data = bytearray(networks.exported("Demucs").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "a.onnx").write_bytes(data)
    refused(tmp_path / "a.onnx", "altered")


def test_a_file_without_seal_is_refused(tmp_path: Path) -> None:
    onnx.save(gain_model(), tmp_path / "a.onnx")
    refused(tmp_path / "a.onnx", "no manifest")
    helper.set_model_props(proto := gain_model(), {MANIFEST_KEY: MANIFEST.to_json()})
    onnx.save(proto, tmp_path / "b.onnx")
    refused(tmp_path / "b.onnx", "no manifest")
    with pytest.raises(ModelError, match="64 zeros"):
        seal(tmp_path / "b.onnx")


def test_a_second_manifest_is_refused(tmp_path: Path) -> None:
    proto = gain_model()
    proto.metadata_props.add(key=MANIFEST_KEY, value=MANIFEST.to_json())
    for key, value in ((MANIFEST_KEY, MANIFEST.to_json()), (SEAL_KEY, ZEROS.decode())):
        proto.metadata_props.add(key=key, value=value)
    onnx.save(proto, tmp_path / "a.onnx")
    with pytest.raises(ModelError, match="twice"):
        seal(tmp_path / "a.onnx")


def nest(tensor: TensorProto) -> onnx.ModelProto:
    """The tensor in a constant in the branch of an `If`."""
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=tensor)],
        "branch",
        [],
        [helper.make_empty_tensor_value_info("c")],
    )
    proto = gain_model()
    proto.graph.node.append(helper.make_node("If", ["mix"], ["c"], then_branch=branch, else_branch=branch))
    return proto


def top(tensor: TensorProto) -> onnx.ModelProto:
    proto = gain_model()
    proto.graph.initializer.append(tensor)
    return proto


@pytest.mark.parametrize("place", [top, nest])
def test_weights_in_another_file_are_refused(tmp_path: Path, place: Callable[[TensorProto], onnx.ModelProto]) -> None:
    tensor = TensorProto(name="far", dims=[1], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    refused(write(tmp_path / "a.onnx", place(tensor), MANIFEST.to_json()), "another file")


def test_a_graph_that_may_never_end_is_refused(tmp_path: Path) -> None:
    """A loop of 2**62 rounds, in the branch of an `If`."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["goes"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, ()),
            helper.make_tensor_value_info("going", TensorProto.BOOL, ()),
        ],
        [helper.make_tensor_value_info("goes", TensorProto.BOOL, ())],
    )
    branch = helper.make_graph([helper.make_node("Loop", ["rounds", "yes"], [], body=body)], "branch", [], [])
    proto = gain_model()
    proto.graph.initializer.append(numpy_helper.from_array(np.array(2**62), "rounds"))
    proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    proto.graph.node.append(helper.make_node("If", ["yes"], [], then_branch=branch, else_branch=branch))
    refused(write(tmp_path / "a.onnx", proto, MANIFEST.to_json()), "a loop \\(Loop\\), which may never end")


@pytest.mark.parametrize(
    "manifest",
    [
        replace(MANIFEST, channels=1),
        replace(MANIFEST, stems=("a", "b"), gains=(1.0, 1.0)),
        replace(MANIFEST, input_frames=65),
        replace(MANIFEST, stft=Stft(16, 4)),
    ],
)
def test_a_manifest_that_contradicts_the_graph_is_refused(tmp_path: Path, manifest: Manifest) -> None:
    refused(third_party(tmp_path / "a.onnx", manifest), r"the graph's (in|out)puts are .*its manifest wants")


MANY = replace(MANIFEST, lengths=Lengths(least=8, step=4))


def test_a_third_party_file_may_take_many_lengths(tmp_path: Path) -> None:
    backend = load(str(third_party(tmp_path / "a.onnx", MANY, frames="frames"))).members[0].backend
    assert [backend.input_frames(frames) for frames in (1, 8, 9, 64)] == [8, 8, 12, 64]
    for frames in (8, 12, 64):
        assert (backend.separate(np.ones((2, frames), np.float32)) == np.full((1, 2, frames), 2)).all()
    for wrong in (4, 9, 68):
        with pytest.raises(ModelError, match=r"\(2, 8 and any number of times 4 more, up to 64\)"):
            backend.separate(np.ones((2, wrong), np.float32))


def test_lengths_that_the_graph_does_not_take_are_refused(tmp_path: Path) -> None:
    refused(third_party(tmp_path / "a.onnx", MANY), r"inputs are .*its manifest wants float \[\(1, 2, 'frames'\)\]")
    refused(third_party(tmp_path / "b.onnx", MANY, frames="n"), "inputs are")


def test_a_graph_that_answers_another_length_is_named(tmp_path: Path) -> None:
    proto = gain_model("frames")
    proto.graph.node[1].output[0] = "whole"
    proto.graph.node.append(helper.make_node("Concat", ["whole", "whole"], ["waves"], axis=3))
    backend = load(str(write(tmp_path / "a.onnx", proto, MANY.to_json()))).members[0].backend
    with pytest.raises(ModelError, match=r"answers \(2, 8\) with stems of shape \(1, 2, 16\)"):
        backend.separate(np.ones((2, 8), np.float32))


def test_shapes_that_are_not_fixed_and_other_types_are_refused(tmp_path: Path) -> None:
    refused(third_party(tmp_path / "a.onnx", frames="frames"), "inputs are")
    refused(third_party(tmp_path / "b.onnx", kind=TensorProto.DOUBLE), "inputs are")


def test_a_graph_that_onnx_runtime_refuses_is_an_error_of_ours(tmp_path: Path) -> None:
    proto = gain_model()
    proto.graph.node[0].op_type = "NoSuchOperator"
    refused(write(tmp_path / "a.onnx", proto, MANIFEST.to_json()), "NoSuchOperator")


def test_a_bad_manifest_is_refused(tmp_path: Path) -> None:
    refused(write(tmp_path / "a.onnx", gain_model(), "{}"), "format")
    refused(write(tmp_path / "b.onnx", gain_model(), "]"), "not JSON")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "a.onnx", "no file")
