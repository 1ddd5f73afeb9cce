"""The floor of steady noise is found under music that leaves gaps, and what was found is rebuilt to the sample."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import percentile_filter
from scipy.signal import butter, sosfilt, stft
from scipy.signal.windows import tukey

from stream_restore.restoration.denoise import NoiseEstimate
from stream_restore.restoration.noise_floor import (
    BANDS,
    COLUMNS,
    FEATURES,
    HOP,
    SIZE,
    Floor,
    band_powers,
    features,
    find_floor,
    per_bin,
    quiet_moments,
    spectra,
)
from stream_restore.spec import Spec

RATE = 44100
MINUTE = 336


def moments(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = band_powers(spectra(sound[None])[0])
    return quiet_moments(powers[: len(powers) // COLUMNS * COLUMNS])


def floor_of(sound: NDArray[np.float32]) -> Floor:
    floor = find_floor(moments(sound), MINUTE)
    assert floor is not None
    return floor


def noise(seconds: float, level_db: float, seed: int = 0) -> NDArray[np.float32]:
    values = np.random.default_rng(seed).standard_normal(int(seconds * RATE))
    return np.asarray(10 ** (level_db / 20) * values, np.float32)


def tones(seconds: float) -> NDArray[np.float32]:
    """Loud notes with pauses in between, as music has them."""
    time = np.arange(int(seconds * RATE)) / RATE
    notes = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220, 330, 880, 2640))
    return np.asarray(0.1 * notes * (np.sin(2 * np.pi * 0.7 * time) > -0.3), np.float32)


def test_spectra_are_scipys() -> None:
    sound = noise(1, -20)
    ours = spectra(sound[None])[0]
    _, _, scipys = stft(sound, RATE, "hann", SIZE, SIZE - HOP, boundary=None, padded=False, scaling="spectrum")
    assert ours.shape == scipys.T.shape
    assert np.abs(ours / (SIZE / 2) - scipys.T).max() < 1e-6


def test_bands_hold_the_mean_of_their_bins() -> None:
    columns = spectra(noise(1, -20)[None])[0]
    power = np.abs(columns) ** 2
    bands = band_powers(columns)
    assert bands.shape == (len(columns), BANDS)
    assert np.allclose(bands[:, 511], power[:, 511])
    assert np.allclose(bands[:, 512], power[:, 512:514].mean(axis=1))
    assert np.allclose(bands[:, 768], power[:, 1024:1028].mean(axis=1))
    assert (per_bin(np.arange(BANDS, dtype=np.float32))[[0, 511, 512, 513, 1024, 1027, 2048]] == [
        *(0, 511, 512, 512, 768, 768, BANDS - 1),
    ]).all()  # fmt: skip


@pytest.mark.parametrize("level_db", [-60.0, -40.0, -20.0])
def test_the_floor_follows_the_level_of_the_noise_and_not_of_the_music(level_db: float) -> None:
    alone, under = floor_of(noise(30, level_db)), floor_of(noise(30, level_db) + tones(30))
    expected = 3 / 8 * SIZE * 10 ** (level_db / 10)
    assert 10 * np.log10(np.median(alone.power) / expected) == pytest.approx(-5, abs=1)
    assert np.abs(10 * np.log10(under.power / alone.power)).max() < 2


def low_passed(sound: NDArray[np.float32], hertz: float) -> NDArray[np.float32]:
    return np.asarray(sosfilt(butter(24, hertz, fs=RATE, output="sos"), sound), np.float32)


@pytest.mark.parametrize("hertz", [4000, 8000, 15000])
def test_noise_is_found_up_to_a_steep_cut_off(hertz: float) -> None:
    white = noise(30, -50)
    cut = per_bin(floor_of(low_passed(white, hertz)).power)
    passed = slice(20, round(0.97 * hertz * SIZE / RATE))
    assert np.abs(10 * np.log10(cut / per_bin(floor_of(white).power)))[passed].max() < 2


def test_music_below_a_cut_off_is_not_taken_for_noise() -> None:
    """Its level changes, so its quiet moments next to the cut-off remain what most neighbours fall to."""
    swelling = noise(30, -30) * np.square(np.sin(np.arange(30 * RATE) / RATE)).astype(np.float32)
    floor = floor_of(low_passed(swelling, 8000))
    assert (floor.power == percentile_filter(floor.quantiles[0], 15, 81, mode="nearest")).all()


def test_a_floor_says_how_much_of_a_minute_it_was_found_in() -> None:
    assert floor_of(noise(31, -40)).share == pytest.approx(0.5, abs=0.02)
    assert floor_of(noise(80, -40)).share == 1.0


def test_digital_silence_says_nothing_about_noise() -> None:
    assert find_floor(moments(np.zeros(5 * RATE, np.float32)), MINUTE) is None
    faded = np.concatenate([np.zeros(10 * RATE, np.float32), noise(20, -40)])
    ratio = floor_of(faded).power / floor_of(noise(20, -40)).power
    assert np.abs(10 * np.log10(ratio)).max() < 1.5


def test_features_are_decades_above_the_floor() -> None:
    floor = floor_of(noise(10, -40))
    found = features(floor.power[None] * np.array([[1], [100]], np.float32), floor)
    assert found.shape == (FEATURES, BANDS, 2)
    assert np.allclose(found[0], [[0, 2]], atol=1e-5)


class Everything:
    """A network that takes all for noise."""

    def gains(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.zeros(features.shape[1:], np.float32)


class Share(Everything):
    """A network that takes the same share of everything."""

    def __init__(self, share: float) -> None:
        self.share = share

    def gains(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.full(features.shape[1:], 1 - self.share, np.float32)


class Nothing(Everything):
    """A network that takes nothing for noise, or not surely."""

    def gains(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.full(features.shape[1:], 0.985, np.float32)


@pytest.mark.parametrize("frames", [1, 5000, 300_000])
def test_what_is_taken_for_noise_is_rebuilt_to_the_sample(frames: int) -> None:
    sound = noise(7, -20)[None, :frames]
    stage = NoiseEstimate(Spec(RATE, 1), Everything())
    estimate = np.concatenate([stage.process(sound), stage.flush()], axis=1)
    assert estimate.shape == sound.shape
    if frames > SIZE * COLUMNS:  # a recording shorter than a moment has no floor
        assert np.abs(estimate - sound).max() < 1e-6


def test_a_network_that_is_not_sure_takes_nothing() -> None:
    stage = NoiseEstimate(Spec(RATE, 2), Nothing())
    sound = np.stack([noise(20, -20, 1), tones(20)])
    estimate = np.concatenate([stage.process(sound), stage.flush()], axis=1)
    assert not estimate.any()


def power_taken(network: Everything) -> float:
    sound = noise(20, -20)[None]
    stage = NoiseEstimate(Spec(RATE, 1), network)
    estimate = np.concatenate([stage.process(sound), stage.flush()], axis=1)
    return float(np.square(estimate).sum() / np.square(sound).sum())


def test_a_network_is_believed_as_far_as_it_takes_what_lies_at_the_floor() -> None:
    """Who takes a little of everything guesses; who takes most of what would be noise knows."""
    assert power_taken(Share(0.4)) == 0
    assert 0 < power_taken(Share(0.6)) < 0.9 * 0.6**2
    assert power_taken(Share(0.8)) == pytest.approx(0.8**2, rel=0.1)


class Treble(Everything):
    """A network that takes all above 11 kHz."""

    def gains(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.repeat(np.array([1, 0], np.float32), [3 * BANDS // 4, BANDS // 4])[:, None] + np.zeros(
            features.shape[1:], np.float32
        )


@pytest.mark.parametrize(("below_db", "is_left"), [(95, True), (80, False)])
def test_noise_that_nobody_hears_is_left(below_db: float, is_left: bool) -> None:
    music = low_passed(noise(20, -20), 4000) * tukey(20 * RATE, 0.05).astype(np.float32)
    power = float(np.square(music).mean())
    hiss = np.sqrt(RATE / 2 / (RATE / 2 - 11025)) * noise(20, 10 * np.log10(power) - below_db, seed=1)
    sound = np.asarray(music + hiss, np.float32)[None]
    stage = NoiseEstimate(Spec(RATE, 1), Treble())
    estimate = np.concatenate([stage.process(sound), stage.flush()], axis=1)
    assert estimate.any() != is_left


def test_silence_says_nothing_about_how_sure_a_network_is() -> None:
    """As behind the end of a recording, whose last columns are heard beside it."""

    class OfSound(Everything):
        def gains(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
            return np.where(features[0] > -3, np.float32(0.2), np.float32(1))

    sound = noise(13, -20)[None, : 2 * 256 * HOP + 20 * HOP]
    stage = NoiseEstimate(Spec(RATE, 1), OfSound())
    estimate = np.concatenate([stage.process(sound), stage.flush()], axis=1)
    last = slice(2 * 256 * HOP + SIZE, -SIZE)
    assert np.square(estimate[:, last]).sum() / np.square(sound[:, last]).sum() == pytest.approx(0.64, rel=0.1)
