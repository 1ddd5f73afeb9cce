"""Loudness and true peak equal pyloudnorm and FFmpeg, meet EBU Tech 3341, for any blocks, in bounded memory."""

import pickle
import re
import shutil
import subprocess
from math import inf
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import scipy
import soundfile

from stream_restore.audio import open_source
from stream_restore.engine.state import load_state_dict, state_dict
from stream_restore.measure.loudness import Loudness, LoudnessFigures, k_weighting, measure_loudness
from stream_restore.spec import Audio, Spec


def figures(sound: Audio, rate: int, seed: int | None = None) -> LoudnessFigures:
    loudness = Loudness(Spec(rate, len(sound)))
    if seed is None:
        loudness.update(sound)
        return loudness.result()
    marks = np.sort(np.random.default_rng(seed).integers(0, sound.shape[1], 12))
    for part in np.split(sound, marks.tolist(), axis=1):
        loudness.update(part)
    return loudness.result()


def music(rate: int, seconds: float = 12, channels: int = 2, seed: int = 0) -> Audio:
    """Noise of changing colour and level, with pauses."""
    rng = np.random.default_rng(seed)
    count = int(rate * seconds)
    noise = np.cumsum(rng.normal(0, 1, (channels, count)), axis=1)
    noise = np.diff(noise, axis=1, prepend=0) + 0.02 * (noise - noise.mean(axis=1, keepdims=True))
    marks = np.arange(0, count + rate, rate / 2)
    level = np.interp(np.arange(count), marks, rng.uniform(0, 1, len(marks)) ** 4)
    return np.asarray(0.3 * noise * level / np.abs(noise).max(), np.float32)


def tone(rate: int, *parts: tuple[float, float], hertz: float = 1000) -> Audio:
    """A stereo sine: seconds at dBFS, one after the other."""
    level = np.concatenate([np.full(int(rate * seconds), 10 ** (decibels / 20)) for seconds, decibels in parts])
    sine = level * np.sin(2 * np.pi * hertz / rate * np.arange(len(level)))
    return np.array([sine, sine], np.float32)


def test_the_weighting_has_the_printed_coefficients() -> None:
    # BS.1770-5, annex 1, tables 1 and 2.
    printed = [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585],
        [1.0, -2.0, 1.0, 1, -1.99004745483398, 0.99007225036621],
    ]
    assert k_weighting(48000) == pytest.approx(np.array(printed), abs=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_pyloudnorm(seed: int) -> None:
    sound = music(48000, seed=seed)
    # With its own default filters pyloudnorm is off by up to 0.1; "DeMan" are the Recommendation's.
    wanted = pyloudnorm.Meter(48000, filter_class="DeMan").integrated_loudness(sound.T.astype(np.float64))
    assert figures(sound, 48000).integrated_lufs == pytest.approx(wanted, abs=0.01)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg")
@pytest.mark.parametrize(("rate", "channels"), [(48000, 2), (44100, 1), (32000, 2), (96000, 2), (48000, 6)])
def test_it_equals_ffmpeg(rate: int, channels: int, tmp_path: Path) -> None:
    # FFmpeg's interpolation loses up to 0.5 dB of peaks that are made of sound close to half the rate.
    sections = scipy.signal.butter(8, 0.6, output="sos")
    sound = np.asarray(scipy.signal.sosfilt(sections, music(rate, channels=channels, seed=rate)), np.float32)
    soundfile.write(tmp_path / "x.wav", sound.T, rate, subtype="FLOAT")
    words = ["ffmpeg", "-nostats", "-i", str(tmp_path / "x.wav"), "-af", "ebur128=peak=true", "-f", "null", "-"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stderr.rpartition("Summary:")[2]
    integrated, peak = (float(re.search(rf"{name}: +(-?[\d.]+)", said)[1]) for name in ("I", "Peak"))  # type: ignore[index]
    with open_source(tmp_path / "x.wav") as source:
        found = measure_loudness(source)
    # It prints one digit.
    assert found.integrated_lufs == pytest.approx(integrated, abs=0.1)
    assert found.true_peak_dbtp == pytest.approx(peak, abs=0.15)


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ([(20, -23)], -23),
        ([(20, -33)], -33),
        ([(10, -36), (60, -23), (10, -36)], -23),
        ([(10, -72), (10, -36), (60, -23), (10, -36), (10, -72)], -23),
        ([(20, -26), (20.1, -20), (20, -26)], -23),
    ],
)
def test_the_signals_of_ebu_tech_3341_read_as_it_says(parts: list[tuple[float, float]], wanted: float) -> None:
    for rate in (48000, 44100):
        found = figures(tone(rate, *parts), rate)
        assert found.integrated_lufs == pytest.approx(wanted, abs=0.1)
        assert found.momentary_lufs == pytest.approx(max(level for _, level in parts), abs=0.1)


@pytest.mark.parametrize("rate", [44100, 48000, 11025, 8000, 37801, 192000])
def test_sound_is_weighted_as_by_scipy(rate: int) -> None:
    step = (rate + 5) // 10
    sound = np.random.default_rng(rate).normal(0.05, 0.1, (2, 4 * step)).astype(np.float32)
    weighted = scipy.signal.sosfilt(k_weighting(rate), sound.astype(np.float64), axis=1)
    loudness = Loudness(Spec(rate, 2))
    loudness.update(sound)
    expected = -0.691 + 10 * np.log10(np.square(weighted).mean(axis=1).sum())
    assert loudness.result().momentary_lufs == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("rate", [32000, 48000, 96000])
def test_true_peaks_equal_those_of_eightfold_fourier_interpolation(rate: int) -> None:
    sound = music(rate, 4)
    finer = scipy.signal.resample(sound.astype(np.float64), 8 * sound.shape[1], axis=1)
    wanted = 20 * np.log10(np.abs(finer).max())
    assert figures(sound, rate).true_peak_dbtp == pytest.approx(wanted, abs=0.15)


@pytest.mark.parametrize("phase", [0, 45, 60, 67.5])
@pytest.mark.parametrize("part", [4, 6, 8])
def test_true_peaks_lie_between_the_samples(part: int, phase: float) -> None:
    # EBU Tech 3341, signals 15 to 19: -6 dBTP, +0.2/-0.4 dB.
    angle = 2 * np.pi * np.arange(48000) / part + np.deg2rad(phase)
    ramp = np.minimum(1, np.minimum(np.arange(48000), np.arange(48000)[::-1]) / 4800)
    sound = np.array([0.5 * ramp * np.sin(angle)] * 2, np.float32)
    assert -6.4 < figures(sound, 48000).true_peak_dbtp < -5.8


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rate", [8000, 11025, 44100, 192000])
def test_any_blocks_give_the_same_figures(rate: int, seed: int) -> None:
    sound = music(rate, 4, seed=seed)
    assert figures(sound, rate, seed) == figures(sound, rate)


def test_single_frames_give_the_same_figures() -> None:
    sound, loudness = music(8000, 0.8), Loudness(Spec(8000, 2))
    for frame in range(sound.shape[1]):
        loudness.update(sound[:, frame : frame + 1])
    assert loudness.result() == figures(sound, 8000)


def test_a_result_changes_nothing_and_the_state_can_be_kept() -> None:
    sound, rate = music(16000, 5), 16000
    first = Loudness(Spec(rate, 2))
    first.update(sound[:, :33333])
    assert first.result() == first.result()
    arrays = {name: array.copy() for name, array in state_dict(first).items()}
    second = load_state_dict(Loudness(Spec(rate, 2)), arrays)
    for each in (first, second):
        each.update(sound[:, 33333:])
    assert first.result() == second.result() == figures(sound, rate)


def test_memory_does_not_grow() -> None:
    loudness, sound, sizes = Loudness(Spec(8000, 2)), music(8000, 10), []
    for _ in range(20):
        loudness.update(sound)
        sizes.append(len(pickle.dumps(loudness)))
    assert max(sizes[10:]) <= 1.05 * max(sizes[:10])


def test_silence_and_what_is_too_short_have_no_loudness() -> None:
    assert figures(np.zeros((2, 48000), np.float32), 48000) == LoudnessFigures(-inf, -inf, -inf, -inf)
    short = figures(np.full((1, 19199), 0.5, np.float32), 48000)
    assert short.integrated_lufs == -inf
    # A step from 0.5 to silence rings.
    assert short.true_peak_dbtp == pytest.approx(-6.02 + 1.0, abs=0.6)
    assert figures(np.zeros((2, 0), np.float32), 48000).true_peak_dbtp == -inf
