"""Loading a model never runs what its file names, and damage is an error that names the file.

The hostile files are real: read by pickle, or by demucs itself, each would create a marker file.
"""

import json
import os
import pickle
import sys
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import networks
import numpy as np
import pytest
import torch

from stream_restore.errors import ModelError
from stream_restore.models import load
from stream_restore.models.torch_backend import from_torch


class Bomb:
    """Pickles as a call of `os.system`."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.marker}'",)


def refused(path: Path, match: str) -> None:
    with pytest.raises(ModelError, match=match) as caught:
        load(str(path))
    assert path.name in str(caught.value)


@pytest.mark.parametrize("write", [networks.write_safetensors, networks.write_pickle])
@pytest.mark.parametrize("make", [networks.htdemucs, networks.hdemucs, networks.demucs])
def test_honest_files_load(tmp_path: Path, write: object, make: object) -> None:
    assert callable(write)
    assert callable(make)
    network = make()
    suffix = ".th" if write is networks.write_pickle else ".safetensors"
    backend = load(str(write(network, tmp_path / f"model{suffix}"))).members[0].backend
    segment = np.random.default_rng(0).standard_normal((2, backend.input_frames(44100))).astype(np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(segment)[None])[0].numpy()
    assert np.abs(backend.separate(segment) - expected).max() <= 1e-6 * np.abs(expected).max()


def test_a_fraction_survives(tmp_path: Path) -> None:
    network = networks.htdemucs(segment=Fraction(39, 50))
    for path in (
        networks.write_safetensors(network, tmp_path / "a.safetensors"),
        networks.write_pickle(network, tmp_path / "a.th"),
    ):
        assert load(str(path)).manifest.segment_frames == 34398


def test_safetensors_naming_a_function_does_not_call_it(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    path = networks.write_safetensors(
        networks.demucs(),
        tmp_path / "a.safetensors",
        klass="os.system",
        args=json.dumps([f"touch {marker}"]),
        kwargs="{}",
    )
    refused(path, r"'os\.system'.*demucs\.htdemucs\.HTDemucs")
    assert not marker.exists()


def test_safetensors_structure_naming_a_class_does_not_import_it(tmp_path: Path) -> None:
    (tmp_path / "hostile.py").write_text(f"open({str(tmp_path / 'marker')!r}, 'w')\nclass K: pass\n")
    structure = json.dumps({"_dict": [["meta", {"_dict": [["klass", {"_class": "hostile.K"}]]}]]})
    path = networks.write_safetensors(networks.demucs(), tmp_path / "a.safetensors", structure=structure)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        refused(path, r"'hostile\.K'")
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("place", ["klass", "kwargs", "state", "training_args"])
def test_pickle_with_a_call_does_not_make_it(tmp_path: Path, place: str) -> None:
    marker = tmp_path / "marker"
    path = networks.write_pickle(networks.demucs(), tmp_path / "a.th", **{place: Bomb(marker)})
    refused(path, "cannot be read")
    assert not marker.exists()
    torch.load(path, weights_only=False)  # the file is live
    assert marker.exists()


def test_plain_pickle_is_not_read(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    path = tmp_path / "a.th"
    path.write_bytes(pickle.dumps(Bomb(marker), protocol=2))
    refused(path, "cannot be read")
    assert not marker.exists()


def test_pickle_of_a_foreign_class_is_refused(tmp_path: Path) -> None:
    refused(networks.write_pickle(networks.demucs(), tmp_path / "a.th", klass=torch.nn.Linear), "cannot be read")
    refused(networks.write_pickle(networks.demucs(), tmp_path / "b.th", klass=3), "class 3")


def test_pickle_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, tmp_path / "a.th")
    refused(tmp_path / "a.th", "not a Demucs package")


def test_file_whose_digits_do_not_fit_is_refused(tmp_path: Path) -> None:
    path = networks.write_pickle(networks.demucs(), tmp_path / "955717e8-8726e21a.th")
    refused(path, "8726e21a.*download it again")


@pytest.mark.parametrize("suffix", [".th", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 1, 100, 5000, -1, -1000])
def test_cut_file_is_refused(tmp_path: Path, suffix: str, keep: int) -> None:
    path = tmp_path / f"a{suffix}"
    (networks.write_pickle if suffix == ".th" else networks.write_safetensors)(networks.demucs(), path)
    path.write_bytes(path.read_bytes()[:keep])
    refused(path, "damaged")


@pytest.mark.parametrize(
    "change", [{"args": "{"}, {"args": "[]"}, {"kwargs": '{"depth": "x"}'}, {"kwargs": '{"depth": 3}'}]
)
def test_metadata_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, str]) -> None:
    refused(networks.write_safetensors(networks.demucs(), tmp_path / "a.safetensors", **change), "damaged")


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    network = networks.demucs()
    with torch.no_grad():
        next(network.parameters())[0] = torch.nan
    refused(networks.write_safetensors(network, tmp_path / "a.safetensors"), "not finite")


def test_quantised_weights_without_diffq_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffq", None)
    line = "whose weights are quantised, needs the package 'diffq'.*pip install diffq"
    structure = json.dumps({"_dict": [["meta", {"_class": "diffq.diffq.DiffQuantizer"}]]})
    refused(networks.write_safetensors(networks.demucs(), tmp_path / "a.safetensors", structure=structure), line)
    state = networks.demucs().state_dict() | {"__quantized": True}
    refused(networks.write_pickle(networks.demucs(), tmp_path / "a.th", state=state), line)


@pytest.mark.skipif(find_spec("diffq") is None, reason="needs diffq, which has no wheel: pip install diffq")
@pytest.mark.parametrize("suffix", [".th", ".safetensors"])
def test_quantised_weights_are_those_that_demucs_reads(tmp_path: Path, suffix: str) -> None:
    network = networks.hdemucs()
    state, same = networks.quantised(network)
    write = networks.write_pickle if suffix == ".th" else networks.write_safetensors
    path = write(network, tmp_path / f"a{suffix}", state=state)
    found, exact = load(str(path), threads=1), from_torch(network, name="exact", threads=1)
    segment = np.random.default_rng(0).standard_normal((2, 11025)).astype(np.float32)
    stems = found.members[0].backend.separate(segment)
    assert (stems == from_torch(same, name="same", threads=1).members[0].backend.separate(segment)).all()
    assert (stems != exact.members[0].backend.separate(segment)).any()


@pytest.mark.skipif(find_spec("diffq") is None, reason="needs diffq, which has no wheel: pip install diffq")
def test_a_quantised_pickle_with_a_call_does_not_make_it(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    state = networks.quantised(networks.demucs())[0] | {"more": Bomb(marker)}
    refused(networks.write_pickle(networks.demucs(), tmp_path / "a.th", state=state), "cannot be read")
    assert not marker.exists()
