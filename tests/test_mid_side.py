"""Noise in stereo: found in mid and side where that helps, and in its own channel where it is one channel's."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from plucked_notes import sdr

import stream_restore
from stream_restore.arrays import ArraySource
from stream_restore.restoration import Restoration, measure_noise
from stream_restore.restoration.mid_side import left_right, mid_side_share, signals
from stream_restore.spec import Audio

RATE = 44100
LEVEL = 0.02
BANDS = 1024


@pytest.fixture(scope="module")
def music() -> Audio:
    """Eight seconds, the same in both channels, but for a fifth of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "scripts"))
        composed: Audio = import_module("music").compose(8.0, RATE, seed=5)
    middle = composed.mean(axis=0)
    return np.asarray(middle + 0.2 * (composed - middle), np.float32)


def noise(music: Audio, *levels: float) -> Audio:
    """White noise, in each channel its own."""
    values = np.random.default_rng(0).standard_normal(music.shape)
    return np.asarray(np.array(levels)[:, None] * values, np.float32)


def restored(sound: Audio, profile: tuple[float, float] | None = None) -> Audio:
    how = Restoration(repairs=("noise",), noise_profile=profile)
    return np.asarray(stream_restore.restore(sound, sample_rate=RATE, restoration=how))


def each_alone(sound: Audio) -> Audio:
    return np.concatenate([restored(channel[None]) for channel in sound])


def test_music_in_the_middle_is_told_from_noise_that_is_each_channels_own(music: Audio) -> None:
    noisy = music + noise(music, LEVEL, LEVEL)
    assert sdr(music, restored(noisy)) > sdr(music, each_alone(noisy)) + 1.0


def test_noise_of_one_channel_is_sought_there(music: Audio) -> None:
    noisy = music + noise(music, 0.0, LEVEL)
    np.testing.assert_array_equal(restored(noisy), each_alone(noisy))
    assert (restored(noisy)[1] != noisy[1]).any()


@pytest.mark.parametrize("weaker", [1.0, 0.5, 0.0], ids=["mid and side", "both", "left and right"])
def test_channels_may_be_swapped_or_flipped(weaker: float, music: Audio) -> None:
    noisy = music + noise(music, LEVEL, weaker * LEVEL)
    expected, signs = restored(noisy), np.array([[1], [-1]], np.float32)
    np.testing.assert_array_equal(restored(noisy[::-1]), expected[::-1])
    np.testing.assert_array_equal(restored(noisy * signs), expected * signs)


@pytest.mark.parametrize("factor", [1.0, 0.0], ids=["equal", "silent"])
def test_an_equal_channel_stays_equal_and_a_silent_one_silent(factor: float, music: Audio) -> None:
    noisy = (music + noise(music, LEVEL, LEVEL))[:1]
    out = restored(np.concatenate([noisy, factor * noisy]))
    np.testing.assert_array_equal(out[1], factor * out[0])
    assert (out[0] != noisy[0]).any()


def floors(covariance: list[list[float]]) -> list[NDArray[np.float32]]:
    """Powers in left, right, mid and side of noise with this covariance of left and right."""
    rotation = signals(np.eye(2, dtype=np.float32)).astype(np.float64)
    return [np.full(BANDS, max(power, 1e-12), np.float32) for power in np.diag(rotation @ covariance @ rotation.T)]


@pytest.mark.parametrize("equal", [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.9], [0.9, 1.0]], [[1.0, -1.0], [-1.0, 1.0]]])
def test_noise_of_equal_level_is_sought_in_mid_and_side(equal: list[list[float]]) -> None:
    assert mid_side_share(floors(equal)) == 1


def test_the_noisier_one_channel_the_less_is_sought_in_mid_and_side() -> None:
    shares = [mid_side_share(floors([[10 ** (db / 10), 0], [0, 1.0]])) for db in (0, 2, 3.5, 4, 4.5, 7, 20)]
    assert shares[:2] == [1, 1]
    assert shares[-2:] == [0, 0]
    assert sorted(shares, reverse=True) == shares
    assert 0 < shares[3] < 1


def test_mid_and_side_of_mid_and_side_are_left_and_right(music: Audio) -> None:
    np.testing.assert_allclose(left_right(left_right(music)), music, atol=1e-6)
    assert np.square(left_right(music)).sum() == pytest.approx(np.square(music).sum(), rel=1e-5)


def test_a_profile_knows_noise_that_is_the_same_in_both_channels(music: Audio) -> None:
    alike = noise(music, LEVEL, LEVEL)[[0, 0]]
    profile = measure_noise(ArraySource(alike, RATE))
    left, right, mid, side = np.array(profile.power)
    np.testing.assert_array_equal(left, right)
    np.testing.assert_allclose(mid, 2 * left, rtol=1e-3)
    assert side.max() < 1e-9 * left.min()
    sound = np.concatenate([np.zeros((2, 2 * RATE), np.float32), music], axis=1)
    noisy = sound + noise(sound, LEVEL, LEVEL)[[0, 0]]
    out = restored(noisy, (0.0, 1.9))
    assert sdr(sound, out) > sdr(sound, noisy) + 3
    np.testing.assert_allclose(out[0] - out[1], sound[0] - sound[1], atol=1e-5)
