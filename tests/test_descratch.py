"""Scratches go; what is as short and as loud but rings on, and all other samples, stay, bit for bit."""

import numpy as np
import pytest
import scipy.signal
from plucked_notes import RATE, TIME, Samples, music, run, sdr

from stream_restore.restoration.repairs import Descratch
from stream_restore.restoration.repairs.gaps import Gaps
from stream_restore.restoration.repairs.scratches.bridge import bridged, burg
from stream_restore.spec import Audio, Spec
from stream_restore.testing import partitions

PLACES = (14000, 29000, 41000, 63000, 78000)


def descratched(sound: Audio) -> Audio:
    return run(Descratch(Spec(RATE, len(sound))), sound)


def noisy_music(seed: int = 1) -> Audio:
    return np.asarray(music(seed) + np.random.default_rng(seed).normal(0, 1e-3, (1, len(TIME))), np.float32)


def needle(length: int, rng: np.random.Generator) -> Samples:
    """A needle that crosses a groove: an impact, and noise of a band that has ended after so many samples."""
    band = scipy.signal.butter(2, [500, 4000], "band", fs=RATE, output="sos")
    burst = scipy.signal.sosfilt(band, rng.standard_normal(length + RATE))[RATE:]
    burst *= np.minimum(1, 4 - 4 * np.arange(length) / length) * 0.5
    burst[:3] += rng.standard_normal(3)
    return np.asarray(burst)


def scratched(clean: Audio, gains: tuple[float, float]) -> tuple[Audio, Samples]:
    """A recording with five scratches, and where they are not."""
    damaged, near, rng = clean.copy(), np.zeros(clean.shape[1], bool), np.random.default_rng(7)
    for place in PLACES:
        length = int(rng.uniform(0.003, 0.010) * RATE)
        damaged[:, place : place + length] += np.array([gains]).T * needle(length, rng)
        near[place - 16 : place + length + 16] = True
    return damaged, ~near


@pytest.mark.parametrize("gains", [(1.0, 1.0), (1.0, -0.6), (0.0, 1.0)])
def test_scratches_go_and_all_else_stays(gains: tuple[float, float]) -> None:
    clean = np.concatenate([noisy_music(1), noisy_music(2)])
    damaged, elsewhere = scratched(clean, gains)
    stage = Descratch(Spec(RATE, 2))
    out = run(stage, damaged)
    assert sdr(clean, out) > sdr(clean, damaged) + 10
    assert (out[:, elsewhere] == damaged[:, elsewhere]).all()
    for channel, gain in enumerate(gains):
        assert gain or (out[channel] == clean[channel]).all()
    assert stage.report()["scratches"] == len(PLACES)


def test_a_recording_without_scratches_comes_back_bit_for_bit() -> None:
    clean = np.concatenate([noisy_music(1), noisy_music(2)])
    assert (descratched(clean) == clean).all()


def test_what_is_as_short_and_as_loud_but_rings_on_stays() -> None:
    sound, rng = noisy_music()[0].astype(np.float64), np.random.default_rng(7)
    for place in PLACES:
        length = int(rng.uniform(0.003, 0.010) * RATE)
        sound[place : place + length] += needle(length, rng)
        sound[place : place + 1600] += 0.02 * rng.standard_normal(1600) * np.exp(-np.arange(1600) / 320)
    given = np.asarray(sound[None], np.float32)
    assert (descratched(given) == given).all()


def test_scratches_go_the_same_in_any_blocks() -> None:
    """Of a recording of three cells."""
    damaged, _ = scratched(np.concatenate([noisy_music(1), noisy_music(2)]), (1.0, 0.5))
    damaged = np.tile(damaged, 3)
    whole = descratched(damaged)
    assert (whole != damaged).any(axis=0)[-len(TIME) :].any()
    for name, cuts in partitions(damaged.shape[1], grid=16384).items():
        if name not in ("one frame at a time", "sevens"):
            stage = Descratch(Spec(RATE, 2))
            parts = [stage.process(part) for part in np.split(damaged, np.cumsum(cuts)[:-1], axis=1)]
            assert (np.concatenate([*parts, stage.flush()], axis=1) == whole).all(), name


def test_a_gap_in_tones_is_bridged_nearly_without_an_error() -> None:
    sound = np.sum([np.sin(2 * np.pi * hz * TIME + hz) for hz in (110.0, 440.5, 1234.0, 3001.0)], axis=0)
    gap = slice(30000, 30160)
    holed = sound.copy()
    holed[gap] = 7
    filled = bridged(holed, Gaps(np.array([gap.start]), np.array([gap.stop])), 1120)
    assert filled[gap] == pytest.approx(sound[gap], abs=1e-5)
    assert (np.delete(filled, np.r_[gap]) == np.delete(sound, np.r_[gap])).all()


def test_burgs_predictor_is_the_one_that_noise_was_made_with() -> None:
    made = np.array([1.0, -1.6, 1.3, -0.5])
    sound = scipy.signal.lfilter([1.0], made, np.random.default_rng(0).standard_normal(40000))
    assert burg(sound, 3) == pytest.approx(made, abs=0.015)
