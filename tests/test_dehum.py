"""Hum is taken away, whatever its frequency does; what is no hum comes back bit for bit."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.signal

from stream_restore.restoration.repairs import Dehum
from stream_restore.spec import Audio, Spec
from stream_restore.testing import partitions

RATE, SECONDS = 4000, 40
TIME = np.arange(RATE * SECONDS) / RATE


def music(seed: int = 1) -> Audio:
    """Notes of up to a second on a tempered scale, with overtones, and a little noise; shape (1, frames)."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(0, 0.002, len(TIME))
    for _ in range(8 * SECONDS):
        start, length = rng.integers(0, len(TIME) - RATE), rng.integers(RATE // 8, RATE)
        time = np.arange(length) / RATE
        pitch = 55 * 2 ** (rng.integers(0, 40) / 12)
        tone = sum(np.sin(2 * np.pi * k * pitch * time + k) / k for k in range(1, 5) if k * pitch < RATE / 2)
        sound[start : start + length] += 0.1 * tone * np.exp(-4 * time) * np.minimum(1, 200 * time)
    return np.asarray(sound[None], np.float32)


def hum(hz: np.ndarray, seed: int = 2) -> np.ndarray:
    """Fifteen harmonics of a frequency, given for each frame in Hz; shape (frames,), power 1."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * np.cumsum(hz) / RATE
    levels, phases = rng.uniform(0.3, 1, 15) / np.arange(1, 16) ** 0.7, rng.uniform(0, 2 * np.pi, 15)
    sound = sum(levels[k] * np.sin((k + 1) * phase + phases[k]) for k in range(15))
    return np.asarray(sound / np.sqrt(np.mean(np.square(sound))))


def with_hum(clean: Audio, hz: np.ndarray, sdr_db: float) -> Audio:
    level = np.sqrt(np.mean(np.square(clean, dtype=np.float64))) * 10 ** (-sdr_db / 20)
    return np.asarray(clean + level * hum(hz), np.float32)


def run(stage: Dehum, sound: Audio) -> Audio:
    return np.concatenate([stage.process(sound), stage.flush()], axis=1)


def sdr(clean: Audio, sound: Audio) -> float:
    error = np.square(sound - clean.astype(np.float64)).sum()
    return float(10 * np.log10(np.square(clean, dtype=np.float64).sum() / error))


COURSES = {
    "50 Hz, steady": np.full(len(TIME), 50.03),
    "60 Hz, steady": np.full(len(TIME), 59.96),
    "50 Hz, drifting": 50 + 0.2 * np.sin(2 * np.pi * TIME / 90),
    "60 Hz, drifting": 60 - 0.1 + 0.2 * np.sin(2 * np.pi * TIME / 120),
}


@pytest.mark.parametrize(
    ("course", "sdr_db", "gain_db"),
    [
        ("50 Hz, steady", 15.0, 12.0),
        ("50 Hz, steady", 25.0, 8.0),
        ("60 Hz, steady", 15.0, 12.0),
        ("60 Hz, steady", 25.0, 8.0),
        ("50 Hz, drifting", 15.0, 8.0),
        ("60 Hz, drifting", 25.0, 5.0),
    ],
)
def test_hum_is_taken_away(course: str, sdr_db: float, gain_db: float) -> None:
    clean = music()
    stage = Dehum(Spec(RATE, 1))
    assert sdr(clean, run(stage, with_hum(clean, COURSES[course], sdr_db))) > sdr_db + gain_db
    assert stage.report()["frequency_hz"] == pytest.approx(COURSES[course].mean(), abs=0.1)


def test_hum_that_is_below_the_music_all_the_time_is_taken_away() -> None:
    clean = music() + np.random.default_rng(9).normal(0, 0.05, (1, len(TIME))).astype(np.float32)
    assert sdr(clean, run(Dehum(Spec(RATE, 1)), with_hum(clean, COURSES["50 Hz, steady"], 25.0))) > 33


def test_a_level_that_falls_is_followed() -> None:
    clean = music()
    fall = np.asarray(
        (with_hum(clean, COURSES["60 Hz, steady"], 15.0) - clean) * np.linspace(1, 0.3, len(TIME)), np.float32
    )
    assert sdr(clean, run(Dehum(Spec(RATE, 1)), clean + fall)) > sdr(clean, clean + fall) + 14


def test_notch_filters_would_take_the_music_with_it() -> None:
    clean = music()
    heard = with_hum(clean, COURSES["50 Hz, steady"], 25.0)
    notched = heard.astype(np.float64)
    for harmonic in range(1, 16):
        notched = scipy.signal.lfilter(*scipy.signal.iirnotch(50 * harmonic, 30, RATE), notched)
    assert sdr(clean, run(Dehum(Spec(RATE, 1)), heard)) > sdr(clean, notched.astype(np.float32)) + 10


def test_each_channel_has_its_own_hum() -> None:
    clean = np.concatenate([music(1), music(3)])
    heard = np.concatenate([with_hum(clean[:1], COURSES["50 Hz, drifting"], 15.0), clean[1:]])
    out = run(Dehum(Spec(RATE, 2)), heard)
    assert sdr(clean[:1], out[:1]) > 22
    assert sdr(clean[1:], out[1:]) > 40


def test_a_recording_with_hum_gives_the_same_output_for_any_partition() -> None:
    heard = with_hum(music(), COURSES["60 Hz, drifting"], 15.0)
    whole = run(Dehum(Spec(RATE, 1)), heard)
    assert (whole != heard).any()
    for name, cuts in partitions(heard.shape[1], grid=2 * RATE).items():
        if name not in ("one frame at a time", "sevens"):
            stage, marks = Dehum(Spec(RATE, 1)), np.cumsum([0, *cuts])
            out = [stage.process(heard[:, a:b]) for a, b in pairwise(marks)]
            assert (np.concatenate([*out, stage.flush()], axis=1) == whole).all(), name


def test_a_stopped_stream_with_hum_goes_on() -> None:
    heard = with_hum(music(), COURSES["50 Hz, drifting"], 15.0)
    first, second = Dehum(Spec(RATE, 1)), Dehum(Spec(RATE, 1))
    before = first.process(heard[:, : 35 * RATE])
    second.resume({path: array.copy() for path, array in first.checkpoint().items()})
    after = [second.process(heard[:, 35 * RATE :]), second.flush()]
    assert (np.concatenate([before, *after], axis=1) == run(Dehum(Spec(RATE, 1)), heard)).all()
    assert second.report()["seconds"] == 40


def test_strength_scales_what_is_taken() -> None:
    heard = with_hum(music(), COURSES["50 Hz, steady"], 15.0)
    taken = heard - run(Dehum(Spec(RATE, 1)), heard)
    half = heard - run(Dehum(Spec(RATE, 1), strength=0.5), heard)
    assert np.abs(half - taken / 2).max() < 1e-6
    assert (run(Dehum(Spec(RATE, 1), strength=0), heard) == heard).all()


def tones(*hz: float) -> np.ndarray:
    return sum((np.sin(2 * np.pi * each * TIME) for each in hz), np.zeros(len(TIME)))


NO_HUM = {
    "music": np.zeros(len(TIME)),
    "silence": None,
    "a test tone on an overtone of the mains": tones(1000),
    "bass notes beside the mains": tones(49, 98, 147, 196, 245, 294) * (1 + np.sign(np.sin(np.pi * TIME))) / 2,
    "an organ pedal of A, held": tones(55, 110, 165, 220, 275, 330, 385, 440),
    "a drone of F, whose seventh part is 49.9 Hz": tones(*(349.23 * np.arange(1, 6))),
    "two tones on the mains frequency": tones(50, 100),
    "a loop of two seconds": np.tile(np.random.default_rng(6).normal(0, 1, 2 * RATE), SECONDS // 2),
    "a loop of a fifth of a second": np.tile(np.random.default_rng(7).normal(0, 1, RATE // 5), 5 * SECONDS),
    "a loop of a tenth of a second": np.tile(np.random.default_rng(8).normal(0, 1, RATE // 10), 10 * SECONDS),
    "a bright note of 50 Hz, again and again": tones(*np.arange(50, 1500, 50)) * (TIME % 1 < 0.6),
    "beats of 120 a minute, each the same": tones(*np.arange(50, 1500, 50)) * np.exp(-20 * (TIME % 0.5)),
}


@pytest.mark.parametrize("name", NO_HUM)
def test_what_is_no_hum_comes_back_bit_for_bit(name: str) -> None:
    added = NO_HUM[name]
    sound = np.zeros((1, len(TIME)), np.float32) if added is None else (music() + 0.03 * added).astype(np.float32)
    stage = Dehum(Spec(RATE, 1))
    assert (run(stage, sound) == sound).all()
    assert stage.report()["seconds"] == 0


def test_a_bass_note_at_100_hz_stays_where_hum_goes() -> None:
    clean = music()
    clean[0] += 0.05 * np.asarray(tones(100) * (TIME % 4 < 2), np.float32)
    out = run(Dehum(Spec(RATE, 1)), with_hum(clean, COURSES["50 Hz, steady"], 20.0))
    assert sdr(clean, out) > 28


@pytest.mark.parametrize("seconds", [5, 12])
def test_hum_of_a_short_recording_is_taken_away(seconds: int) -> None:
    clean = music()[:, : seconds * RATE]
    heard = with_hum(music(), COURSES["50 Hz, steady"], 15.0)[:, : seconds * RATE]
    assert sdr(clean, run(Dehum(Spec(RATE, 1)), heard)) > sdr(clean, heard) + 8


@pytest.mark.parametrize("name", NO_HUM)
@pytest.mark.parametrize("seconds", [5, 12])
def test_what_is_no_hum_in_a_short_recording_comes_back_bit_for_bit(seconds: int, name: str) -> None:
    added = NO_HUM[name]
    sound = np.zeros((1, len(TIME)), np.float32) if added is None else (music() + 0.03 * added).astype(np.float32)
    sound = sound[:, : seconds * RATE]
    assert (run(Dehum(Spec(RATE, 1)), sound) == sound).all()


def test_a_recording_of_three_seconds_is_left_alone() -> None:
    heard = with_hum(music(), COURSES["50 Hz, steady"], 15.0)[:, : 3 * RATE]
    assert (run(Dehum(Spec(RATE, 1)), heard) == heard).all()


def test_a_rate_without_room_for_overtones_passes() -> None:
    sound = np.random.default_rng(5).normal(0, 0.1, (2, 3000)).astype(np.float32)
    assert (run(Dehum(Spec(60, 2)), sound) == sound).all()
