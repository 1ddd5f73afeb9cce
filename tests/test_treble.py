"""`treble`: what a steep low-pass took is made anew, above the cut-off only; what was not cut off comes back."""

import json
import sys
from collections.abc import Callable
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt, welch
from typer.testing import CliRunner

from stream_restore.cli.main import app
from stream_restore.restoration import Restoration
from stream_restore.restoration.repairs.treble import CutoffFinder, Treble
from stream_restore.spec import Audio, Spec

RATE = 44100
SECONDS = 12
TIME = np.arange(SECONDS * RATE) / RATE
sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))


def restored(sound: Audio, rate: int = RATE, strength: float = 1.0) -> Audio:
    restoration = Restoration(repairs=("treble",), strengths={"treble": strength})
    stage = restoration.stage(Spec(rate, len(sound)), None)
    return np.concatenate([stage.process(sound), stage.flush()], axis=1)


def cut(sound: NDArray[np.float64], hertz: float, rate: int = RATE, order: int = 12) -> Audio:
    return np.asarray(sosfiltfilt(butter(order, hertz, fs=rate, output="sos"), sound), np.float32)


def broadband(seed: int = 0, channels: int = 2, rate: int = RATE) -> NDArray[np.float64]:
    """Pink noise in bursts, as of drums, and some that lasts."""
    rng = np.random.default_rng(seed)
    frames = SECONDS * rate
    spectrum = np.fft.rfft(rng.standard_normal((channels, frames)))
    spectrum *= np.maximum(np.fft.rfftfreq(frames, 1 / rate), 20) ** -0.5
    noise = np.fft.irfft(spectrum, frames)
    beat = np.exp(-6 * (np.arange(frames) / rate * 3 % 1)) + 0.05
    return np.asarray(0.3 * noise * beat / np.abs(noise).max())


def held_tone(hertz: float, overtones: int) -> NDArray[np.float64]:
    angles = 2 * np.pi * hertz * np.outer(np.arange(1, overtones + 1), TIME)
    return np.asarray(0.1 * (np.sin(angles) / np.arange(1, overtones + 1)[:, None]).sum(axis=0, keepdims=True))


def level_db(sound: NDArray[np.floating], low: float, high: float, rate: int = RATE) -> float:
    """Of all channels between two frequencies."""
    hertz, density = welch(np.asarray(sound, np.float64), rate, nperseg=8192)
    return float(10 * np.log10(density[..., (hertz >= low) & (hertz < high)].mean() + 1e-30))


@pytest.mark.parametrize("hertz", [4000, 7000, 11000])
def test_treble_comes_back_above_the_cut_off_and_nothing_below(hertz: int) -> None:
    original = broadband()
    heard = cut(original, hertz)
    out = restored(heard)
    added = out - heard.astype(np.float64)
    assert level_db(added, 20, 0.9 * hertz) < level_db(added, 1.2 * hertz, 20000) - 80
    for low in np.geomspace(1.2 * hertz, 16000, 6):
        wanted, found = (level_db(sound, low, 1.15 * low) for sound in (original, out))
        assert wanted - 35 < found < wanted + 6  # noise is no music: less than it has
        assert level_db(heard, low, 1.15 * low) < found - 15


@pytest.mark.parametrize("rate", [11025, 32000, 44100, 48000, 96000])
def test_levels_that_are_asked_for_are_made(rate: int) -> None:
    """The straight line is right for pink noise at any rate, up to half of it."""
    original = broadband(6, channels=1, rate=rate)
    heard = cut(original, 3500, rate)
    stage = Treble(Spec(rate, 1))
    out = np.concatenate([stage.process(heard), stage.flush()], axis=1)
    for low in np.geomspace(4100, min(0.42 * rate, 16000), 5):
        wanted = level_db(original, low, 1.1 * low, rate)
        assert level_db(out, low, 1.1 * low, rate) == pytest.approx(wanted, abs=4)


def test_treble_follows_the_bursts_of_what_lies_below() -> None:
    """Where sound dies away between beats, what is added does; at the beat it begins within a few milliseconds."""
    heard = cut(broadband(1), 7000)
    added = (restored(heard) - heard)[:, RATE : 10 * RATE]
    power = np.square(added, dtype=np.float64).sum(axis=0).reshape(-1, RATE // 3).mean(axis=0)
    blocks = power[: 14700 // 147 * 147].reshape(-1, 147).mean(axis=1)  # of 3.3 ms
    assert blocks[2:6].mean() > 20 * blocks[60:80].mean()
    assert blocks[2:6].mean() > 5 * blocks[-4:-1].mean()


UNTOUCHED: dict[str, Callable[[], Any]] = {
    "white noise": lambda: 0.1 * np.random.default_rng(0).standard_normal((1, len(TIME))),
    "pink noise in bursts": broadband,
    "music": lambda: import_module("music").compose(float(SECONDS), RATE, seed=3),
    "a slow roll-off": lambda: sosfiltfilt(butter(1, 2500, fs=RATE, output="sos"), broadband()),
    "a roll-off of 24 dB an octave": lambda: sosfiltfilt(butter(2, 4000, fs=RATE, output="sos"), broadband()),
    "a held tone that ends at 4 kHz": lambda: held_tone(110, 36),
    "a sine": lambda: 0.5 * np.sin(2 * np.pi * 5000 * TIME)[None],
    "a codec's cut-off": lambda: cut(broadband(), 17000),
    "a low-pass with now and then a cymbal": lambda: cut(broadband(), 6000) + broadband() * (TIME % 5 < 0.1),
    "a second of what is cut off": lambda: cut(broadband(), 6000)[:, :RATE],
    "silence": lambda: np.zeros((2, len(TIME))),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_is_not_cut_off_for_sure_comes_back_bit_for_bit(name: str) -> None:
    sound = np.asarray(UNTOUCHED[name](), np.float32)
    assert (restored(sound) == sound).all()


def test_cut_offs_of_resamplers_are_found() -> None:
    """soxr keeps 91 % of the lower half rate."""
    for rate in (8000, 16000, 22050):
        low = soxr.resample(broadband().T, RATE, rate)
        heard = soxr.resample(low, rate, RATE).T[:, : 10 * RATE].astype(np.float32)
        stage = Treble(Spec(RATE, 2))
        out = np.concatenate([stage.process(heard), stage.flush()], axis=1)
        assert stage.report()["cutoff_hz"] == pytest.approx(0.47 * rate, rel=0.05)
        assert stage.report()["seconds"] > 9.5
        assert not (out == heard).all()


def test_only_the_stretch_that_is_cut_off_is_filled() -> None:
    """A recording that changes from full band to 5 kHz and back; a block has 0.74 s."""
    full = broadband(2)
    heard = np.concatenate([full, cut(full, 5000), full], axis=1).astype(np.float32)
    changed = (restored(heard) != heard).any(axis=0)
    begin, end = np.flatnonzero(changed)[[0, -1]] / RATE
    assert SECONDS - 0.75 < begin < SECONDS + 0.75
    assert 2 * SECONDS - 0.75 < end < 2 * SECONDS + 0.8
    assert changed[int(1.1 * SECONDS * RATE) : int(1.9 * SECONDS * RATE)].all()


def test_channels_stay_as_alike_as_they_were() -> None:
    one = cut(broadband(3, channels=1), 7000)
    same = restored(np.concatenate([one, one]))
    assert (same[0] == same[1]).all()
    panned = restored(np.concatenate([one, 0 * one]))
    assert not panned[1].any()
    assert level_db(panned[:1], 9000, 15000) > level_db(one, 9000, 15000) + 20
    two = cut(broadband(4), 7000)
    added = (restored(two) - two).astype(np.float64)
    assert abs(np.asarray(np.corrcoef(added))[0, 1]) < 0.1


def test_strength_scales_what_is_added() -> None:
    heard = cut(broadband(5), 7000)
    whole, half = restored(heard) - heard, restored(heard, strength=0.5) - heard
    assert np.abs(half - whole / 2).max() < 1e-6
    assert np.abs(whole).max() > 1e-3
    assert (restored(heard, strength=0.0) == heard).all()


def test_no_sound_and_very_little_of_it_come_back() -> None:
    for frames in (0, 1, 100, 2048, 40000):
        sound = cut(broadband(), 6000)[:, :frames]
        assert (restored(sound) == sound).all()


def test_levels_below_an_impossible_cut_off_are_not_asked_for() -> None:
    assert CutoffFinder(1000).find(np.ones((64, 10), np.float32)) is None
    assert CutoffFinder(6000).find(np.ones((2 * 128, 10), np.float32)) is None


def test_the_command_line_names_the_repair_and_does_it(tmp_path: Path) -> None:
    heard = cut(broadband(7), 7000)
    soundfile.write(tmp_path / "in.wav", heard.T, RATE, "FLOAT")
    told = json.loads(CliRunner().invoke(app, ["inspect", str(tmp_path / "in.wav"), "--json"]).stdout)
    assert told["damage"]["treble"]["cutoff_hz"] == pytest.approx(7000, rel=0.05)
    assert told["damage"]["treble"]["share"] == 1
    assert told["command"].endswith("treble")
    words = ["restore", str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav"), "--repair", "treble", "-q"]
    assert CliRunner().invoke(app, words).exit_code == 0
    out = soundfile.read(tmp_path / "out.wav", dtype="float32")[0].T
    assert (out == restored(heard)).all()
    assert level_db(out, 9000, 15000) > level_db(heard, 9000, 15000) + 20


def test_the_network_is_small() -> None:
    assert len((resources.files("stream_restore.models") / "treble.onnx").read_bytes()) <= 3_000_000
