"""A manifest comes back from JSON as it was, and no field of it is believed unchecked."""

import json
from dataclasses import replace
from typing import Any

import pytest

from stream_restore.errors import ModelError
from stream_restore.models import Manifest, Stft
from stream_restore.models.manifest import Lengths

GOOD = Manifest(
    name="x",
    architecture="HTDemucs",
    sample_rate=44100,
    channels=2,
    stems=("artifacts",),
    segment_frames=1000,
    input_frames=1024,
    stft=Stft(4096, 1024, "constant"),
    licence="MIT",
    parity=3e-7,
    dry=1.0,
    gains=(-1.0,),
    input_gain=0.5,
    edges="mirror",
    lengths=Lengths(least=64, step=32),
)


@pytest.mark.parametrize("manifest", [GOOD, replace(GOOD, stft=None, parity=None, lengths=None)])
def test_comes_back_from_json(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_gains_default_to_one_each() -> None:
    assert replace(GOOD, stems=("a", "b"), gains=()).gains == (1.0, 1.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a\nb"),
        ("name", "x" * 201),
        ("name", 3),
        ("architecture", None),
        ("sample_rate", 0),
        ("sample_rate", 44100.0),
        ("sample_rate", True),
        ("channels", 65),
        ("stems", []),
        ("stems", "artifacts"),
        ("stems", ["../escape"]),
        ("stems", ["a", "A"]),
        ("stems", ["a/b"]),
        ("stems", [3]),
        ("segment_frames", 0),
        ("segment_frames", 1025),
        ("input_frames", 1 << 27),
        ("stft", 3),
        ("stft", {"n_fft": 4096}),
        ("stft", {"n_fft": 4096, "hop": 512, "padding": "reflect"}),
        ("stft", {"n_fft": 4096, "hop": 1024, "padding": "wrap"}),
        ("stft", {"n_fft": 1 << 20, "hop": 1 << 18, "padding": "reflect"}),
        ("licence", ""),
        ("parity", -1),
        ("parity", "small"),
        ("dry", 1e9),
        ("dry", float("nan")),
        ("gains", [1, 1]),
        ("gains", [float("inf")]),
        ("input_gain", 0),
        ("edges", "wrap"),
        ("lengths", "any"),
        ("lengths", {"least": 64}),
        ("lengths", {"least": 64, "step": 0}),
        ("lengths", {"least": 0, "step": 32}),
        ("lengths", {"least": 64, "step": 2.0}),
        ("lengths", {"least": 64, "step": 33}),
        ("lengths", {"least": 2048, "step": 32}),
        ("surprise", 1),
        ("format", 2),
    ],
)
def test_a_bad_field_is_named(field: str, value: Any) -> None:
    found = json.loads(GOOD.to_json()) | {field: value}
    with pytest.raises(ModelError, match=field.split(".")[0]):
        Manifest.from_json(json.dumps(found))


def test_a_manifest_of_before_has_one_length() -> None:
    found = json.loads(GOOD.to_json())
    del found["lengths"]
    assert Manifest.from_json(json.dumps(found)) == replace(GOOD, lengths=None)


def test_lengths_are_the_shortest_that_hold() -> None:
    lengths = Lengths(least=10, step=4)
    assert [lengths.holding(frames) for frames in (1, 10, 11, 14, 15, 1001)] == [10, 10, 14, 14, 18, 1002]


@pytest.mark.parametrize("field", sorted(json.loads(GOOD.to_json()).keys() - {"lengths"}))
def test_a_missing_field_is_named(field: str) -> None:
    found = json.loads(GOOD.to_json())
    del found[field]
    with pytest.raises(ModelError, match=field):
        Manifest.from_json(json.dumps(found))


@pytest.mark.parametrize("text", ["", "[]", "3", '"x"', "{", "null", "[" * 100_000])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="manifest"):
        Manifest.from_json(text)
