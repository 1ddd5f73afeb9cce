"""Repairs: in one order whatever order is typed, at the strength asked for, what they take away beside the result."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from identity import identity
from scipy.signal import resample_poly
from typer.testing import CliRunner

from stream_restore.api import restore
from stream_restore.cli import network_options as options
from stream_restore.cli.main import app
from stream_restore.errors import ConfigError
from stream_restore.models import load
from stream_restore.restoration import Restoration
from stream_restore.restoration.repairs import NAMES, ordered
from stream_restore.spec import Spec


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    sound = np.random.default_rng(7).normal(0, 0.1, (6 * 44100, 2)).astype(np.float32)
    soundfile.write(tmp_path / "in.wav", sound, 44100, "FLOAT")
    return tmp_path / "in.wav"


def sound(path: Path) -> np.ndarray:
    return np.asarray(soundfile.read(path, dtype="float32", always_2d=True)[0])


def test_repairs_act_in_one_order_whatever_order_is_typed() -> None:
    assert ordered(tuple(reversed(NAMES))) == NAMES
    assert ordered(["noise", "noise"]) == ("noise",)


def test_an_unknown_repair_is_named_beside_those_there_are(recording: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["restore", str(recording), "-o", str(tmp_path / "o.wav"), "--repair", "wow,noise"])
    assert isinstance(done.exception, ConfigError)
    assert "wow" in str(done.exception)
    assert all(name in str(done.exception) for name in NAMES)


def test_no_repairs_give_the_recording_back(recording: Path, tmp_path: Path) -> None:
    restoration = Restoration(repairs=())
    restore(recording, tmp_path / "out.wav", restoration=restoration, residual=tmp_path / "residual.wav")
    assert (sound(tmp_path / "out.wav") == sound(recording)).all()
    assert not sound(tmp_path / "residual.wav").any()


def test_strength_scales_what_the_network_takes_away(recording: Path, tmp_path: Path) -> None:
    for name, strengths in (("none", {"noise": 0.0}), ("half", {"noise": 0.5}), ("all", {"noise": 1.0})):
        restore(recording, tmp_path / f"{name}.wav", restoration=Restoration(strengths=strengths))
    before, half, whole = sound(recording), sound(tmp_path / "half.wav"), sound(tmp_path / "all.wav")
    assert (sound(tmp_path / "none.wav") == before).all()
    assert np.abs(half - (before + whole) / 2).max() < 1e-7
    assert np.abs(whole - before).max() > 0.01


def test_noise_is_lowered_by_no_more_than_was_said(recording: Path, tmp_path: Path) -> None:
    restore(recording, tmp_path / "all.wav")
    restore(recording, tmp_path / "some.wav", restoration=Restoration(max_reduction_db=6.0))
    before = sound(recording)
    taken, some = before - sound(tmp_path / "all.wav"), before - sound(tmp_path / "some.wav")
    assert np.abs(some - (1 - 10 ** (-6 / 20)) * taken).max() < 1e-6


@pytest.mark.parametrize("words", ["noise", "noise=101", "noise=-1", "noise=much"])
def test_a_strength_that_means_nothing_is_refused(words: str, recording: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["restore", str(recording), "-o", str(tmp_path / "o.wav"), "--strength", words])
    assert isinstance(done.exception, ConfigError)
    assert "NAME=PERCENT" in str(done.exception)


def test_treble_is_made_of_what_the_network_left_and_stems_stay_as_they_are() -> None:
    rng = np.random.default_rng(1)
    low = resample_poly(rng.normal(0, 0.1, (2, 6 * 22050)), 2, 1, axis=1).astype(np.float32)
    spec, model = Spec(44100, 2), identity(dry=1.0, gain=0.0)

    def made(*repairs: str) -> np.ndarray:
        restoration = Restoration(repairs=repairs)
        stage = restoration.stage(spec, model, residual=True, save_stems=["all"])
        return np.concatenate([stage.process(low), stage.flush()], axis=1)

    without, filled = made("noise"), made("noise", "treble")
    treble = Restoration(repairs=("treble",)).stage(spec, None)
    expected = np.concatenate([treble.process(without[:2]), treble.flush()], axis=1)
    assert (filled[:2] == expected).all()
    assert (filled[2:4] == low - filled[:2]).all()
    assert (filled[4:] == without[4:]).all()
    assert np.abs(filled[:2] - without[:2]).max() > 0.01


def test_all_repairs_means_all_and_the_default_leaves_scratches_and_treble_alone() -> None:
    model = load("compact")
    assert Restoration().with_defaults_of(model).repairs == ("clipping", "clicks", "hum", "noise")
    assert options.restoration(repair="all").repairs == NAMES
    assert NAMES == ("clipping", "scratches", "clicks", "hum", "noise", "treble")


def test_stems_need_the_network() -> None:
    with pytest.raises(ConfigError, match="repair noise"):
        Restoration(repairs=()).stage(Spec(1000, 2), identity(), save_stems=["a"])
