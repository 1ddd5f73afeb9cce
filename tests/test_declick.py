"""Clicks go; all other samples stay, bit for bit."""

import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import soundfile
from plucked_notes import RATE, SECONDS, TIME, Samples, music, run, sdr

from stream_restore.restoration.repairs import Declick
from stream_restore.restoration.repairs.clicks.autoregression import (
    framed,
    interpolated,
    prediction_errors,
    predictors,
)
from stream_restore.restoration.repairs.gaps import Gaps
from stream_restore.spec import Audio, Spec
from stream_restore.testing import partitions


def declicked(sound: Audio) -> Audio:
    return run(Declick(Spec(RATE, len(sound))), sound)


def crackle(clean: Audio, sdr_db: float = 15.0, a_second: float = 30.0, seed: int = 3) -> tuple[Audio, Samples]:
    """Music with decaying bursts of noise of 3 to 12 samples in all channels, and the bursts."""
    rng = np.random.default_rng(seed)
    clicks = np.zeros((len(clean), clean.shape[1] + 12))
    for _ in range(round(a_second * SECONDS)):
        length, place = rng.integers(3, 13), rng.integers(clean.shape[1])
        burst = rng.lognormal() * rng.standard_normal(length) * np.exp(-4 * np.arange(length) / length)
        clicks[:, place : place + length] += rng.uniform(0.3, 1, (len(clean), 1)) * burst
    clicks = clicks[:, : clean.shape[1]]
    clicks *= np.sqrt(np.square(clean, dtype=np.float64).sum() / np.square(clicks).sum() / 10 ** (sdr_db / 10))
    return np.asarray(clean + clicks, np.float32), clicks


def noisy_music(seed: int = 1) -> Audio:
    return np.asarray(music(seed) + np.random.default_rng(seed).normal(0, 1e-3, (1, len(TIME))), np.float32)


@pytest.mark.parametrize(("sdr_db", "least"), [(5.0, 20.0), (15.0, 15.0)])
def test_crackle_goes_and_all_else_stays(sdr_db: float, least: float) -> None:
    clean = np.concatenate([noisy_music(1), noisy_music(2)])
    damaged, clicks = crackle(clean, sdr_db)
    stage = Declick(Spec(RATE, 2))
    out = run(stage, damaged)
    assert sdr(clean, out) - sdr_db > least
    far = scipy.ndimage.uniform_filter1d((clicks != 0).astype(float), 31, axis=1) == 0
    assert np.mean(out[far] != damaged[far]) < 1e-3
    report = stage.report()
    assert report["samples"] == np.count_nonzero(out != damaged)
    assert 0.5 < report["clicks"] / (30 * SECONDS) < 1.2


def scratch(length: int, rng: np.random.Generator, level: float = 0.3) -> Samples:
    return np.asarray(rng.normal(0, level, length))


@pytest.mark.parametrize(("milliseconds", "level"), [(0, 0.3), (0.3, 0.3), (3, 0.3), (9, 1.0)])
def test_a_single_click_goes(milliseconds: float, level: float) -> None:
    clean = noisy_music()
    damaged = clean.copy()
    length = max(1, round(milliseconds * RATE / 1000))
    place = slice(37000, 37000 + length)
    damaged[0, place] += scratch(length, np.random.default_rng(5), level) + 0.4
    out = declicked(damaged)
    assert sdr(clean, out) > sdr(clean, damaged) + 10
    near = slice(place.start - 8, place.stop + 8)
    assert (np.delete(out[0], np.r_[near]) == np.delete(damaged[0], np.r_[near])).all()


def test_a_click_in_one_channel_leaves_the_others() -> None:
    clean = np.concatenate([noisy_music(1), noisy_music(2)])
    damaged = clean.copy()
    damaged[0] = crackle(clean[:1])[0][0]
    out = declicked(damaged)
    assert sdr(clean[0], out[0]) > sdr(clean[0], damaged[0]) + 12
    assert (out[1] == clean[1]).all()


def test_a_click_that_is_weak_in_one_channel_is_found_by_the_other() -> None:
    clean = np.concatenate([noisy_music(1), noisy_music(2)])
    damaged, click = clean.copy(), scratch(12, np.random.default_rng(6))
    damaged[:, 40000:40012] += np.array([[0.1], [1.0]]) * click
    alone = declicked(damaged[:1])
    assert (alone == damaged[:1]).all()
    out = declicked(damaged)
    assert (out[0] != damaged[0]).any()
    assert sdr(clean[0], out[0]) > sdr(clean[0], damaged[0]) + 3


def test_a_click_goes_where_its_channel_is_silent() -> None:
    clean = np.concatenate([noisy_music(1), noisy_music(2)])
    clean[1, 30000:70000] = 0
    damaged, click = clean.copy(), scratch(12, np.random.default_rng(6))
    damaged[:, 50000:50012] += click
    out = declicked(damaged)
    assert np.abs(out[1, 49900:50100]).max() < 1e-3 * np.abs(click).max()
    assert (declicked(damaged[1:]) == damaged[1:]).all()


def test_faint_crackle_goes_but_pulses_that_are_as_faint_stay() -> None:
    loud = np.asarray(np.random.default_rng(4).normal(0, 0.1, (1, len(TIME))), np.float32)
    rng = np.random.default_rng(5)
    jitter = rng.normal(0, 4e-5, 30 * SECONDS - 2)

    def pulses(places: Samples) -> Audio:
        sound = loud.copy()
        for place in (places * RATE).astype(int):
            sound[0, place : place + 3] += rng.choice([-1, 1]) * rng.lognormal(0.3, 1.2) * np.array([0.8, -1.0, 0.5])
        return sound

    chance = pulses(np.sort(rng.uniform(0.1, SECONDS - 0.1, 30 * SECONDS)))
    engine = pulses(0.05 + np.arange(30 * SECONDS - 2) / 30 + jitter)
    assert sdr(loud, declicked(chance)) > sdr(loud, chance) + 10
    assert (declicked(engine) == engine).all()


def test_crackle_so_dense_that_few_of_its_clicks_are_heavy_goes() -> None:
    clean = noisy_music()
    damaged, _ = crackle(clean, 14.0, a_second=80, seed=4)
    assert sdr(clean, declicked(damaged)) > 14 + 12


@pytest.mark.parametrize("threshold", ["", "=threshold=4", "=threshold=1:burst=10"])
def test_it_is_ahead_of_ffmpegs_filter(threshold: str, tmp_path: Path) -> None:
    clean = noisy_music()
    damaged, _ = crackle(clean)
    soundfile.write(tmp_path / "damaged.wav", damaged.T, RATE, subtype="FLOAT")
    subprocess.run(
        [
            "ffmpeg",
            "-v",
            "error",
            "-i",
            "damaged.wav",
            "-af",
            f"adeclick{threshold}",
            "-c:a",
            "pcm_f32le",
            "theirs.wav",
        ],
        cwd=tmp_path,
        check=True,
    )
    theirs = soundfile.read(tmp_path / "theirs.wav", dtype="float32", always_2d=True)[0].T
    assert sdr(clean, declicked(damaged)) > sdr(clean, theirs[:, : clean.shape[1]]) + 3


def test_predictors_and_their_errors_are_those_of_scipy() -> None:
    sound = noisy_music()[0, : 1024 * 8].astype(np.float64)
    frames = framed(sound, 2048)
    filters = predictors(frames, 16)
    forward, backward = prediction_errors(frames, filters)
    for number in (0, 3, 7):
        windowed = frames[number] * np.hanning(2050)[1:-1]
        lags = np.correlate(windowed, windowed, "full")[2047 : 2047 + 17]
        lags[0] = lags[0] * (1 + 1e-9) + 1e-12
        assert filters[number, 1:] == pytest.approx(-scipy.linalg.solve_toeplitz(lags[:-1], lags[1:]), abs=1e-6)
        ours = slice(1024 * number, 1024 * (number + 1))
        middle = slice(512, 1536)
        ahead = scipy.signal.lfilter(filters[number], [1.0], frames[number])
        behind = scipy.signal.lfilter(filters[number], [1.0], frames[number][::-1])[::-1]
        assert forward[ours] == pytest.approx(ahead[middle], abs=1e-9)
        assert backward[ours] == pytest.approx(behind[middle], abs=1e-9)


def test_interpolation_is_that_of_scipys_toeplitz_solver() -> None:
    sound = noisy_music()[0, : 1024 * 4].astype(np.float64)
    predictor = predictors(framed(sound, 2048), 24)[1]
    begin, end = 1500, 1540
    ours = interpolated(sound, Gaps(np.array([begin]), np.array([end])), {1: predictor}, 1024)
    # Errors of the predictions that the gap has a part in, as a matrix of all samples near it.
    rows = scipy.linalg.toeplitz(np.r_[predictor[::-1][0], np.zeros(63)], np.r_[predictor[::-1], np.zeros(63)])
    near, inside = sound[begin - 24 : end + 24], np.arange(24, 24 + end - begin)
    known = near.copy()
    known[inside] = 0
    gram = (rows.T @ rows)[np.ix_(inside, inside)]
    wanted = scipy.linalg.solve_toeplitz(gram[0], -(rows.T @ (rows @ known))[inside])
    assert ours[begin:end] == pytest.approx(wanted, abs=1e-6)
    assert (np.delete(ours, np.r_[begin:end]) == np.delete(sound, np.r_[begin:end])).all()


def bursts(milliseconds: float, a_second: float = 4.0) -> Samples:
    """Decaying bursts of noise: castanets, a snare."""
    rng = np.random.default_rng(8)
    sound = rng.normal(0, 1e-4, len(TIME))
    for start in np.arange(1000, len(TIME) - RATE, RATE / a_second).astype(int):
        sound[start : start + RATE] += 0.3 * rng.standard_normal(RATE) * np.exp(-1000 * TIME[:RATE] / milliseconds)
    return sound


def struck(places: Samples, tail_ms: float) -> Samples:
    """What is struck or clapped, in music: as sudden as a click, and then something that dies away 40 dB below it."""
    rng = np.random.default_rng(1)
    sound: Samples = noisy_music()[0].astype(np.float64)
    envelope = np.exp(-TIME / 0.0004) + 0.01 * np.exp(-1000 * TIME / tail_ms)
    for start in (places * RATE).astype(int):
        sound[start:] += 0.5 * rng.standard_normal(len(sound) - start) * envelope[: len(sound) - start]
    return sound


def tones_that_begin(partials: int, seed: int) -> Samples:
    """Claves and castanets over a chord: before and after they begin, all is as predictable."""
    rng = np.random.default_rng(seed)
    sound: Samples = 0.02 * sum((np.sin(2 * np.pi * hz * TIME) for hz in rng.uniform(100, 1500, 5)), np.zeros(1))
    for start in rng.uniform(0.2, SECONDS - 0.5, 6):
        since = np.maximum(TIME - start, 0)
        tones = sum((np.sin(2 * np.pi * hz * since) for hz in rng.uniform(1500, 6000, partials)), np.zeros(1))
        sound += 0.3 * tones * np.exp(-20 * since) / partials
    return sound


def kick() -> Samples:
    phase = 2 * np.pi * 50 * (TIME % 0.5 + 0.02 * np.exp(-(TIME % 0.5) / 0.02))
    return np.asarray(0.5 * np.sin(phase) * np.exp(-(TIME % 0.5) / 0.1))


def voice(hz: float) -> Samples:
    """Pulses through three resonances."""
    pulses = (np.diff(np.floor(TIME * hz), prepend=0) > 0).astype(float) + np.random.default_rng(9).normal(
        0, 1e-3, len(TIME)
    )
    for centre in (700, 1200, 2600):
        radius = np.exp(-np.pi * 90 / RATE)
        pulses = scipy.signal.lfilter([1.0], [1, -2 * radius * np.cos(2 * np.pi * centre / RATE), radius**2], pulses)
    return np.asarray(0.3 * pulses / np.abs(pulses).max())


NO_CLICKS = {
    "music": music()[0],
    "music and noise": noisy_music()[0],
    "silence": np.zeros(len(TIME)),
    "music between silences": music()[0] * ((TIME > 1.5) & (TIME < 4)),
    "a sine": np.sin(2 * np.pi * 440 * TIME),
    "a slow sine of 8 bits": np.round(60 * np.sin(2 * np.pi * 50 * TIME)) / 128,
    "a fade of 16 bits": np.round(music()[0] * 32768 * 0.003 ** (TIME / SECONDS)) / 32768,
    "a square wave": 0.5 * np.sign(np.sin(2 * np.pi * 440 * TIME + 0.1)),
    "a low square wave": 0.5 * np.sign(np.sin(2 * np.pi * 55 * TIME + 0.1)),
    "a lower one": 0.5 * np.sign(np.sin(2 * np.pi * 31 * TIME + 0.1)),
    "pulses": 0.7 * (TIME % 0.05 < 0.0002),
    "a saw": 2 * (TIME * 330 % 1) - 1,
    "noise": np.random.default_rng(0).normal(0, 0.1, len(TIME)),
    "noise with heavy tails": 0.01 * np.random.default_rng(0).laplace(0, 1, len(TIME)),
    "castanets": bursts(12.0),
    "a snare": bursts(60.0),
    "a kick": kick(),
    "claves": tones_that_begin(1, seed=2),
    "castanets in a chord": tones_that_begin(3, seed=0),
    "a ticking clock": struck(np.arange(0.3, SECONDS, 0.5), 20),
    "applause": struck(np.sort(np.random.default_rng(1).uniform(0.1, SECONDS - 0.1, 2 * SECONDS)), 5),
    "a voice": voice(110),
    "a deep voice": voice(75),
}


@pytest.mark.parametrize("name", NO_CLICKS)
def test_what_has_no_clicks_comes_back_bit_for_bit(name: str) -> None:
    sound = np.asarray(NO_CLICKS[name][None], np.float32)
    stage = Declick(Spec(RATE, 1))
    assert (run(stage, sound) == sound).all()
    assert stage.report() == {"clicks": 0, "samples": 0}


def test_music_with_crackle_gives_the_same_output_for_any_partition() -> None:
    damaged = crackle(noisy_music())[0]
    whole = declicked(damaged)
    assert (whole != damaged).any()
    for name, cuts in partitions(damaged.shape[1], grid=16384).items():
        if name not in ("one frame at a time", "sevens"):
            stage, marks = Declick(Spec(RATE, 1)), np.cumsum([0, *cuts])
            out = [stage.process(damaged[:, a:b]) for a, b in pairwise(marks)]
            assert (np.concatenate([*out, stage.flush()], axis=1) == whole).all(), name


def test_strength_scales_what_is_taken_away() -> None:
    damaged = crackle(noisy_music())[0]
    whole, half = declicked(damaged), run(Declick(Spec(RATE, 1), strength=0.5), damaged)
    assert half == pytest.approx((whole + damaged) / 2, abs=1e-6)
    assert (half[whole == damaged] == damaged[whole == damaged]).all()
