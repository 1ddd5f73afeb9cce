"""Noise that is shown by itself is measured, and taken away also where none is found blindly."""

import subprocess
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cheap import COMMAND
from identity import identity
from plucked_notes import sdr

import stream_restore
from stream_restore.arrays import ArraySource
from stream_restore.errors import ConfigError
from stream_restore.restoration import NoiseProfile, Restoration, measure_noise
from stream_restore.restoration.noise_floor import BANDS, SIZE
from stream_restore.spec import Audio

RATE = 44100
QUIET = 2.0
"""Seconds of nothing but noise, before eight of music."""


def noise(seconds: float, level: float = 0.02, rate: int = RATE, seed: int = 0, channels: int = 1) -> Audio:
    values = np.random.default_rng(seed).normal(0, level, (channels, round(seconds * rate)))
    return np.asarray(values, np.float32)


def profile_of(sound: Audio, rate: int = RATE) -> NoiseProfile:
    return measure_noise(ArraySource(sound, rate))


@pytest.fixture(scope="module")
def clean() -> Audio:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "scripts"))
        music: Audio = import_module("music").compose(8.0, RATE, seed=5)
    return np.concatenate([np.zeros((1, int(QUIET * RATE)), np.float32), music[:1]], axis=1)


@pytest.fixture(scope="module")
def noisy(clean: Audio) -> Audio:
    return clean + noise(clean.shape[1] / RATE)


def test_the_profile_of_white_noise_is_its_power() -> None:
    (power,) = profile_of(noise(4, 0.02)).power
    expected = 3 / 8 * SIZE * 0.02**2
    assert len(power) == BANDS
    assert 10 * np.log10(np.mean(power) / expected) == pytest.approx(0, abs=0.3)


def test_a_recording_of_another_rate_has_the_same_profile() -> None:
    below_18_khz = slice(0, 850)
    (ours,), (theirs,) = profile_of(noise(4)).power, profile_of(noise(4, 0.02 * np.sqrt(48 / 44.1), 48000)).power
    ratio = np.array(theirs)[below_18_khz] / np.array(ours)[below_18_khz]
    assert 10 * np.log10(np.mean(ratio)) == pytest.approx(0, abs=0.5)


def test_hum_is_no_part_of_the_noise() -> None:
    time = np.arange(4 * RATE) / RATE
    hum = sum(0.1 / k * np.sin(2 * np.pi * 50 * k * time) for k in range(1, 9, 4))
    (plain,), (with_hum,) = profile_of(noise(4)).power, profile_of((noise(4) + hum).astype(np.float32)).power
    assert np.abs(10 * np.log10(np.array(with_hum) / np.array(plain))).max() < 3


@pytest.mark.parametrize("block", [1 << 16, 1000])
def test_a_passage_is_measured_and_nothing_else(block: int, noisy: Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_restore.restoration.noise_profile.BLOCK", block)
    passage = measure_noise(ArraySource(noisy, RATE), (0.25, 1.75))
    alone = profile_of(noisy[:, round(0.25 * RATE) : round(1.75 * RATE)])
    assert passage == alone


def restored(noisy: Audio, profile: NoiseProfile | tuple[float, float] | None) -> Audio:
    how = Restoration(repairs=("noise",), noise_profile=profile)
    out = stream_restore.restore(noisy, sample_rate=RATE, restoration=how)
    return np.asarray(out)


def test_noise_that_is_shown_is_taken_away_where_music_leaves_no_gap(clean: Audio) -> None:
    music = clean[:, int(QUIET * RATE) :]
    noisy = music + noise(music.shape[1] / RATE, 0.005)
    shown, blind = restored(noisy, profile_of(noise(3, 0.005, seed=9))), restored(noisy, None)
    assert sdr(music, blind) < sdr(music, noisy) + 0.2
    assert sdr(music, shown) > sdr(music, noisy) + 0.5


def test_a_passage_of_the_recording_does_as_what_was_measured_there(clean: Audio, noisy: Audio) -> None:
    shown = restored(noisy, (0.0, QUIET))
    assert sdr(clean, shown) > sdr(clean, noisy) + 3
    assert (restored(noisy, measure_noise(ArraySource(noisy, RATE), (0.0, QUIET))) == shown).all()


def test_file_and_pipe_and_a_file_of_noise_give_the_same(noisy: Audio, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", noisy.T, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "noise.wav", noisy[:, : int(QUIET * RATE)].T, RATE, subtype="FLOAT")

    def run(*words: str, data: bytes = b"") -> bytes:
        command = [*COMMAND, "restore", "--repair", "noise", "-f", "raw", "-q", *words, "-o", "-"]
        return subprocess.run(command, cwd=tmp_path, input=data, capture_output=True, check=True).stdout

    from_file = run("in.wav", "--noise-profile", f"0:{QUIET}")
    assert run("-", "--noise-profile", f"0:{QUIET}", data=(tmp_path / "in.wav").read_bytes()) == from_file
    assert run("in.wav", "--noise-profile", "noise.wav") == from_file
    assert (np.frombuffer(from_file, "<f4") == restored(noisy, (0.0, QUIET))[0]).all()


@pytest.mark.parametrize(
    ("passage", "words"),
    [
        ((2.0, 1.0), "is START:END in seconds"),
        ((-1.0, 1.0), "is START:END in seconds"),
        ((0.0, 0.1), "0.25 s or longer"),
        ((9.0, 11.0), "ends after 10.00 s, before the noise profile does"),
    ],
)
def test_what_is_no_passage_is_named(passage: tuple[float, float], words: str, noisy: Audio) -> None:
    with pytest.raises(ConfigError, match=words):
        restored(noisy, passage)


def test_what_cannot_have_a_profile_says_so(noisy: Audio) -> None:
    with pytest.raises(ConfigError, match="silent"):
        measure_noise(ArraySource(np.zeros((1, RATE), np.float32), RATE))
    with pytest.raises(ConfigError, match="2 channels, the recording 1"):
        restored(noisy, profile_of(noise(1, channels=2)))
    how = Restoration(repairs=("noise",), noise_profile=(0.0, 1.0))
    with pytest.raises(ConfigError, match="network of gains"):
        stream_restore.restore(noisy, sample_rate=RATE, model=identity(), restoration=how)
