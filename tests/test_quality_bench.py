"""`scripts/bench quality`: every figure against another implementation, damage as strong as it says, rivals in time."""

import argparse
import importlib
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import soundfile
import torch
from cheap import one_node
from numpy.typing import NDArray
from scipy.signal import sosfilt, sosfiltfilt, welch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

from stream_restore import api
from stream_restore.degradation import Degradation
from stream_restore.degradation.filters import butterworth
from stream_restore.measure import Distortion, Spectral
from stream_restore.spec import Audio, Spec

RATE = 44100
STEREO = Spec(RATE, 2)


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "scripts"))


def bench(module: str) -> Any:
    return importlib.import_module(f"benchmarks.{module}")


@pytest.fixture
def music() -> Audio:
    sound: Audio = importlib.import_module("music").compose(3.0, RATE, seed=7)
    return sound


def noisy(sound: Audio, level: float, seed: int = 0) -> Audio:
    return (sound + level * np.random.default_rng(seed).standard_normal(sound.shape)).astype(np.float32)


def sdr_db(reference: Audio, estimate: Audio) -> float:
    distortion = Distortion()
    distortion.update(reference, estimate)
    return distortion.result().sdr_db


# Figures


@pytest.mark.parametrize("level", [1e-5, 0.01, 1.0])
def test_si_sdr_is_that_of_torchmetrics_and_of_the_package(music: Audio, level: float) -> None:
    other, found = noisy(0.5 * music, level), bench("figures").si_sdr_db(music, noisy(0.5 * music, level))
    estimate, target = (torch.tensor(sound.ravel(), dtype=torch.float64) for sound in (other, music))
    expected = float(scale_invariant_signal_distortion_ratio(estimate, target))
    assert found == pytest.approx(expected, abs=1e-6)
    distortion = Distortion()
    distortion.update(music, other)
    assert found == pytest.approx(distortion.result().si_sdr_db, abs=1e-8)


def test_si_sdr_of_the_same_sound_has_no_end(music: Audio) -> None:
    assert bench("figures").si_sdr_db(music, music) == np.inf


@pytest.mark.parametrize("frames", [20000, 3 * RATE])
def test_log_spectral_distance_is_that_of_the_package(music: Audio, frames: int) -> None:
    clean, other = music[:, :frames], noisy(music, 0.01)[:, :frames]
    spectral = Spectral(STEREO)
    spectral.update(clean, other)
    expected = spectral.result().lsd_db
    assert bench("figures").log_spectral_distance_db(clean, other) == pytest.approx(expected, rel=1e-6)


def test_log_spectral_distance_of_a_band_is_that_of_librosa(music: Audio) -> None:
    other = noisy(music, 0.003)
    levels = []
    for sound in (music, other):
        spectra = librosa.stft(sound.astype(np.float64), n_fft=2048, hop_length=512, window="hann", center=True)
        power = np.abs(spectra[:, librosa.fft_frequencies(sr=RATE, n_fft=2048) >= 7000]) ** 2
        levels.append(10 * np.log10(np.maximum(power / (1024 / 2) ** 2, 1e-10)))
    expected = np.sqrt(np.mean((levels[0] - levels[1]) ** 2, axis=1)).mean()
    assert bench("figures").log_spectral_distance_db(music, other, 7000.0) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_loudness_is_that_of_ffmpeg(music: Audio, channels: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", music[:channels].T, RATE, subtype="FLOAT")
    words = ["ffmpeg", "-nostats", "-i", "in.wav", "-af", "ebur128", "-f", "null", "-"]
    said = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stderr
    expected = float(re.findall(r"I: +(-?[\d.]+) LUFS", said)[-1])
    assert bench("figures").loudness_lufs(music[:channels]) == pytest.approx(expected, abs=0.1)


def test_the_phase_of_a_filter_is_that_and_nothing_else() -> None:
    """Turned twice, then filtered forward and backward, which leaves phases alone: the filter forward, twice."""
    sos = butterworth(7000.0, 6, RATE)
    sound = np.zeros((2, RATE), np.float32)
    sound[:, 20000:24000] = np.random.default_rng(3).standard_normal((2, 4000))
    turn = importlib.import_module("passes").with_phase_of
    expected = sosfilt(sos, sosfilt(sos, sound.astype(np.float64)))
    assert np.abs(sosfiltfilt(sos, turn(sos, turn(sos, sound))) - expected).max() < 1e-5
    assert np.square(turn(sos, sound)).sum() == pytest.approx(np.square(sound).sum(), rel=1e-5)


# Damage

STRENGTHS = {"hum": 15.0, "crackle": 10.0, "clipping": 12.0, "pink_hiss": 20.0, "brown_hiss": 5.0}


@pytest.mark.parametrize("kind", STRENGTHS)
def test_damage_is_as_strong_as_it_says_and_a_function_of_its_generator(music: Audio, kind: str) -> None:
    harm, strength, before = getattr(bench("damage"), kind), STRENGTHS[kind], music.copy()
    once, again, other = (harm(music, np.random.default_rng(seed), strength) for seed in (1, 1, 2))
    assert once.dtype == np.float32
    assert once.shape == music.shape
    assert sdr_db(music, once) == pytest.approx(strength, abs=0.01)
    assert (music == before).all()
    assert (once == again).all()
    assert (once != other).any() or kind == "clipping"


def test_damage_of_silence_is_silence() -> None:
    silence = np.zeros((2, RATE), np.float32)
    for kind, strength in STRENGTHS.items():
        assert not getattr(bench("damage"), kind)(silence, np.random.default_rng(0), strength).any()


def test_hum_is_the_mains_and_its_overtones(music: Audio) -> None:
    hum = np.zeros((2, 10 * RATE), np.float32)
    hum[:, :1] = 1.0
    added = bench("damage").hum(hum, np.random.default_rng(5), 0.0) - hum
    power = np.square(np.abs(np.fft.rfft(added[0] * np.hanning(added.shape[1]))))
    hertz = np.fft.rfftfreq(added.shape[1], 1 / RATE)
    order = np.maximum(np.rint(hertz / 50), 1)
    assert power[np.abs(hertz - 50 * order) <= 0.002 * 50 * order + 0.4].sum() > 0.999 * power.sum()
    assert power[hertz < 75].sum() > 0.1 * power.sum()
    assert power[hertz > 825].sum() < 1e-6 * power.sum()


@pytest.mark.parametrize(("kind", "slope"), [("pink_hiss", -1.0), ("brown_hiss", -2.0)])
def test_hiss_falls_as_its_colour_says(kind: str, slope: float) -> None:
    marker = np.zeros((1, 20 * RATE), np.float32)
    marker[0, 0] = 1.0
    hiss = getattr(bench("damage"), kind)(marker, np.random.default_rng(5), 0.0) - marker
    hertz, power = welch(hiss[0], RATE, nperseg=8192)
    heard = (hertz > 50) & (hertz < 15000)
    assert np.polyfit(np.log(hertz[heard]), np.log(power[heard]), 1)[0] == pytest.approx(slope, abs=0.05)


def test_clipping_flattens_what_is_beyond_its_level_and_nothing_else(music: Audio) -> None:
    clipped = bench("damage").clipping(music, np.random.default_rng(0), 12.0)
    level = np.abs(clipped).max()
    assert (clipped == np.clip(music, -level, level)).all()
    assert (np.abs(music) > level).any()


def test_mp3_comes_back_in_time(music: Audio) -> None:
    decoded = bench("damage").mp3(music, np.random.default_rng(0), 128.0)
    assert decoded.shape == music.shape
    scores = [bench("figures").si_sdr_db(music, np.roll(decoded, shift, axis=1)) for shift in range(-3, 4)]
    assert np.argmax(scores) == 3
    assert 10 < scores[3] < 60


def test_the_chain_is_that_of_the_command(music: Audio, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "clean.wav", music.T, RATE, subtype="FLOAT")
    chain = Degradation(snr_db=10.0)
    api.degrade(tmp_path / "clean.wav", tmp_path / "degraded.wav", degradation=chain)
    expected = soundfile.read(tmp_path / "degraded.wav", dtype="float32")[0].T
    assert (importlib.import_module("passes").degrade(music, chain) == expected).all()


# Others


def test_what_ffmpeg_delays_comes_back_in_time(music: Audio) -> None:
    foreign = bench("foreign")
    assert (foreign.filtered(music, "adelay=1000S:all=1") == music).all()
    early = foreign.filtered(music, "atrim=start_sample=500,asetpts=PTS-STARTPTS")
    assert (early[:, 500:] == music[:, 500:]).all()
    assert not early[:, :500].any()


@pytest.mark.parametrize("graph", ["afftdn=nr=0.01", "anlmdn=s=0.00001"])
def test_a_filter_that_does_next_to_nothing_gives_back_what_it_heard(music: Audio, graph: str) -> None:
    assert bench("figures").si_sdr_db(music, bench("foreign").filtered(music, graph)) > 40


def test_the_oracle_is_a_wiener_mask(music: Audio) -> None:
    degraded = noisy(music, 0.05)
    window = torch.hann_window(2048, dtype=torch.float64)

    def spectrum(sound: Audio) -> torch.Tensor:
        padded = torch.tensor(np.pad(sound, ((0, 0), (0, 2048))), dtype=torch.float64)
        found: torch.Tensor = torch.stft(padded, 2048, 512, window=window, pad_mode="constant", return_complex=True)
        return found

    signal, both = spectrum(music), spectrum(degraded)
    power = [each.abs().square() for each in (signal, both - signal)]
    expected = torch.istft(both * power[0] / (power[0] + power[1] + 1e-30), 2048, 512, window=window).numpy()
    frames = music.shape[1]
    found: NDArray[np.float32] = bench("denoisers").oracle(music, degraded)
    assert found.shape == music.shape
    assert np.abs(found - expected[:, :frames])[:, : frames - 2048].max() < 1e-6
    assert np.abs(bench("denoisers").oracle(music, music) - music).max() < 1e-6


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Every denoiser with two settings only; needs ffmpeg."""
    bench("foreign").version()
    denoisers: dict[str, Any] = bench("denoisers").DENOISERS
    kept = {
        "afftdn": ((("nr", 12), ("nf", -50)), (("nr", 30), ("nf", -25))),
        "anlmdn": ((("s", 10),), (("s", 100),)),
        "noisereduce": denoisers["noisereduce"].settings[::3],
    }
    for name, settings in kept.items():
        monkeypatch.setitem(denoisers, name, replace(denoisers[name], settings=settings))
    return denoisers


def test_settings_are_the_best_there_are(few: dict[str, Any], music: Audio, tmp_path: Path) -> None:
    """Loud and soft clips want different settings: tuned, each has its own; else all have the better one on average."""
    clips = [bench("clips").Clip(str(gain), "piece", False, np.float32(gain) * music) for gain in (1, 0.1)]
    cases = [bench("peers").Case(clip, 10.0, noisy(clip.sound, 0.03 * float(clip.name))) for clip in clips]
    rivals = {each.name: each for each in bench("peers").Peers(tmp_path).rivals(cases)}
    si_sdr, filtered = bench("figures").si_sdr_db, bench("foreign").filtered
    scores = np.array(
        [[si_sdr(case.clip.sound, filtered(case.degraded, f"afftdn={words}")) for case in cases]
         for words in ("nr=12:nf=-50", "nr=30:nf=-25")]
    )  # fmt: skip
    assert set(scores.argmax(axis=0)) == {0, 1}
    assert rivals["afftdn, tuned"].si_sdr_db == tuple(scores.max(axis=0))
    best = scores[scores.mean(axis=1).argmax()]
    assert rivals["afftdn, one setting"].si_sdr_db == rivals["afftdn, one for each SNR"].si_sdr_db == tuple(best)
    assert set(rivals) >= {"anlmdn, one setting", "noisereduce, one setting", "oracle mask"}


# The table


def test_means_count_every_clip_or_every_piece_once() -> None:
    clips = [bench("clips").Clip(name, name[0], name == "s", np.zeros((1, 1))) for name in ("a1", "a2", "b", "s")]
    found = bench("clips").means(clips, np.array([[1.0], [3.0], [8.0], [100.0]]))
    assert {label: float(mean[0]) for label, mean in found.items()} == {
        "mean, 3 clips of music": 4.0,
        "mean, 2 pieces of music": 5.0,
    }


def test_figures_of_the_table_are_those_of_the_commands(
    few: dict[str, Any],
    music: Audio,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(bench("quality"), "SPEED_SECONDS", 5)
    model, music = one_node(tmp_path / "tanh.onnx", "Tanh", rate=RATE, channels=2, frames=RATE), music[:, RATE:]
    clips = [tmp_path / "piece.wav", tmp_path / "1-2-3.wav"]
    soundfile.write(clips[0], music.T, RATE, subtype="FLOAT")
    soundfile.write(clips[1], 0.5 * music[0], RATE, subtype="FLOAT")
    options = {"name": str(model), "clips": clips, "seconds": None, "json": tmp_path / "found.json"}
    namespace = argparse.Namespace(**options, only=None, work=tmp_path / "work")
    text = bench("quality").measure(namespace, tmp_path)
    assert "afftdn" in capsys.readouterr().err
    tables = json.loads((tmp_path / "found.json").read_text())["tables"]
    title = "Zero-phase chain, 10 dB SNR: SI-SDR, and gains in dB"
    assert title in text
    chain = Degradation(snr_db=10.0)
    api.degrade(clips[0], tmp_path / "degraded.wav", degradation=chain)
    api.restore(tmp_path / "degraded.wav", tmp_path / "restored.wav", model=str(model))
    scores = []
    for name in ("degraded", "restored"):
        distortion = Distortion()
        distortion.update(music, soundfile.read(tmp_path / f"{name}.wav", dtype="float32")[0].T)
        scores.append(distortion.result().si_sdr_db)
    row = "piece, stereo, 44.1 kHz"
    assert tables[title]["degraded"][row] == [pytest.approx(scores[0], abs=1e-6)]
    assert tables[title]["Tanh"][row] == [pytest.approx(scores[1] - scores[0], abs=1e-6)]
    assert len(tables) == 7
    namespace.only = ["noise"]
    bench("quality").measure(namespace, tmp_path)
    assert "afftdn" not in capsys.readouterr().err
