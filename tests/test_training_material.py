"""What the embedded network learns from: seeded, whole, in time with what is wanted of it."""

import importlib
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

SCRIPTS = Path(__file__).parents[1] / "scripts"
SOUND_FONTS = Path("/usr/share/sounds/sf2")
RATE = 44100


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))


def training(module: str) -> Any:
    return importlib.import_module(f"training.{module}")


def music(seconds: float = 2.0, seed: int = 0) -> Any:
    return importlib.import_module("music").compose(seconds, RATE, seed)


def snr(clean: Any, damaged: Any) -> float:
    return float(10 * np.log10(np.sum(np.square(clean)) / np.sum(np.square(damaged - clean))))


# General MIDI


@pytest.mark.parametrize("seed", range(8))
def test_scores_hold_notes_that_instruments_have_and_every_note_ends(seed: int) -> None:
    score = training("orchestra").compose(20.0, seed)
    sounding: dict[tuple[int, int], int] = {}
    notes = 0
    for message in (message for track in score.tracks[1:] for message in track):
        if message.type == "note_on":
            notes += 1
            assert 24 <= message.note <= 103
            sounding[message.channel, message.note] = sounding.get((message.channel, message.note), 0) + 1
        elif message.type == "note_off":
            sounding[message.channel, message.note] -= 1
    assert notes > 8
    assert set(sounding.values()) == {0}
    assert 20.0 <= score.length < 20.0 + 2 * 4 * 60 / 60 + 8


def test_scores_are_repeatable_and_every_seed_its_own() -> None:
    first, same, other = (
        [str(message) for track in training("orchestra").compose(10.0, seed).tracks for message in track]
        for seed in (3, 3, 4)
    )
    assert first == same
    assert first != other


def test_fluidsynth_plays_them_for_as_long_as_was_asked() -> None:
    subprocess.run(["fluidsynth", "--version"], check=True, capture_output=True)
    fonts = sorted(SOUND_FONTS.glob("*.sf2"))
    if not fonts:
        pytest.skip(f"no sound font in {SOUND_FONTS}")
    played = training("orchestra").perform(3.0, RATE, 2, fonts[-1])
    assert played.shape == (2, 3 * RATE)
    assert (np.square(played).reshape(2, 3, RATE).mean(axis=(0, 2)) > 1e-8).all()


def test_without_a_sound_font_there_is_no_sound(tmp_path: Path) -> None:
    assert training("orchestra").perform(3.0, RATE, 2, tmp_path / "none.sf2").shape == (2, 0)


@pytest.mark.parametrize("seed", range(6))
def test_masters_peak_where_they_should_and_are_repeatable(seed: int) -> None:
    sound = music()
    made, again = (training("mastering").master(sound, RATE, np.random.default_rng(seed)) for _ in range(2))
    assert made.shape == sound.shape
    assert np.abs(made).max() == pytest.approx(0.89, abs=1e-6)
    assert (made == again).all()


# Damages


@pytest.mark.parametrize("kind", ["hiss", "hum", "click", "clip"])
def test_damages_are_repeatable_and_leave_their_argument_alone(kind: str) -> None:
    sound = music()
    kept = sound.copy()
    for seed in range(5):
        first, again = (getattr(training("damage"), kind)(sound, RATE, np.random.default_rng(seed)) for _ in range(2))
        assert first.shape == sound.shape
        assert first.dtype == np.float32
        assert (first == again).all()
        assert (first != sound).any()
        assert -20 < snr(sound, first) < 60
    assert (sound == kept).all()


def test_hum_is_the_mains_and_its_harmonics_and_alike_in_both_channels() -> None:
    silence = np.zeros((2, RATE), np.float32)
    for seed in range(5):
        hum = training("damage").hum(silence, RATE, np.random.default_rng(seed))
        assert (hum[0] == hum[1]).all()
        power = np.square(np.abs(np.fft.rfft(hum[0] * np.hanning(RATE))))
        mains = 50 if power[45:55].sum() > power[56:65].sum() else 60
        lines = np.zeros(power.size, bool)
        for number in range(1, 31):
            lines[int(number * mains * 0.995) - 3 : int(number * mains * 1.005) + 4] = True
        assert power[lines].sum() > 0.999 * power.sum()


def test_clipping_changes_only_what_is_above_the_limit() -> None:
    sound = music()
    clipped = training("damage").clip(sound, RATE, np.random.default_rng(0))
    limit = np.abs(clipped).max()
    below = np.abs(sound) <= limit
    assert 0.003 <= 1 - below.mean() <= 0.3 + 1e-3
    assert (clipped[below] == sound[below]).all()
    assert (np.abs(clipped[~below]) == limit).all()


def test_clipping_leaves_something_of_a_sound_between_pauses() -> None:
    sound = np.zeros((2, 10_000), np.float32)
    sound[:, 4000:5000] = music()[:, :1000]
    for seed in range(20):
        clipped = training("damage").clip(sound, RATE, np.random.default_rng(seed))
        assert 0 < np.abs(clipped).max() < np.abs(sound).max()


@pytest.mark.parametrize("suffix", [".mp3", ".m4a", ".opus", None])
@pytest.mark.parametrize("seed", range(2))
def test_coded_sound_is_in_time_with_the_original(suffix: str | None, seed: int) -> None:
    subprocess.run(["ffmpeg", "-version"], check=True, capture_output=True)
    sound = music(4.0, seed)
    coded = training("damage").code(sound, suffix, np.random.default_rng(seed))
    assert coded.shape == sound.shape
    spectra = [np.fft.rfft(x.mean(axis=0), 1 << 19) for x in (sound, coded)]
    match = np.fft.irfft(np.conj(spectra[0]) * spectra[1])
    assert abs((int(np.argmax(match)) + 2**18) % 2**19 - 2**18) <= 1


def test_what_is_wanted_of_a_causal_chain_has_its_phases_and_the_sounds_own_magnitudes() -> None:
    sound = music()
    low_pass = butter(6, 7000.0, fs=RATE, output="sos")
    wanted = importlib.import_module("passes").with_phase_of(low_pass, sound)
    filtered = sosfilt(low_pass, sound.astype(np.float64))
    treble = butter(8, 3000.0, fs=RATE, output="sos")
    low_wanted, low_filtered, low_sound = (sosfilt(treble, x) for x in (wanted, filtered, sound))
    assert snr(low_filtered, low_wanted) > 40
    assert snr(low_filtered, low_sound) < 25
    assert np.sum(np.square(wanted)) == pytest.approx(np.sum(np.square(sound)), rel=1e-3)


# Crops


def piece(seconds: float, coded: Any) -> Any:
    corpus = training("corpus")
    return corpus.Piece("a", "composed", music(seconds).astype(np.float16), dict.fromkeys(corpus.ENCODERS, coded))


def test_lossy_pairs_come_from_one_place_of_the_piece() -> None:
    material = training("material").Material([piece(2.0, music().astype(np.float16))], frames=8192, size=1)
    for number in range(20):
        degraded, clean = material._coded(np.random.default_rng(number))
        assert degraded.shape == clean.shape
        if (degraded == clean).all():
            return
    pytest.fail("no pair of twenty was left without noise")


def test_what_was_coded_as_one_channel_is_to_become_one_channel() -> None:
    sound = music().astype(np.float16)
    joined = np.repeat(sound.mean(axis=0, keepdims=True, dtype=np.float32), 2, axis=0).astype(np.float16)
    stereo, mono = (piece(2.0, coded).pair("mp3", 500, 1000) for coded in (sound, joined))
    assert (stereo == sound[:, 500:1500]).all()
    assert (mono[1] == sound[:, 500:1500].astype(np.float32).mean(axis=0)).all()
    assert (mono[0] == joined[:, 500:1500]).all()


def test_pieces_are_kept_as_encoders_leave_them(tmp_path: Path) -> None:
    subprocess.run(["ffmpeg", "-version"], check=True, capture_output=True)
    corpus, sound = training("corpus"), music(11.0)
    made = corpus._cached(tmp_path, "a", "composed", lambda: sound)
    assert made.coded.keys() == corpus.ENCODERS.keys()
    for encoder in corpus.ENCODERS:
        coded, was = made.pair(encoder, 0, 11 * RATE)
        assert coded.shape == sound.shape
        assert 3 < snr(was, coded) < 40
    again = corpus._cached(tmp_path, "a", "composed", lambda: pytest.fail("it is there"))
    assert all((again.coded[each] == made.coded[each]).all() for each in corpus.ENCODERS)


def test_crops_end_where_a_segment_ends_within_a_column_and_a_stride() -> None:
    network = training("fit").build(training("fit").NETWORK)
    crop, segment = training("material").FRAMES, int(network.segment * network.samplerate)
    assert crop % network.hop_length == segment % network.hop_length > 0
    stride = network.stride**network.depth
    assert crop % stride == segment % stride > 0


def test_batches_are_finite_and_within_reach() -> None:
    material = training("material").Material([piece(4.0, music(2.0).astype(np.float16))], frames=8192, size=4)
    for number in range(60):
        degraded, clean = material.batch(number)
        assert np.isfinite(degraded).all()
        assert np.isfinite(clean).all()
        assert np.abs(clean).max() <= 1.2
