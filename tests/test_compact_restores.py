"""The embedded network makes degraded recordings better and leaves good ones alone."""

import os
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

import stream_restore
from stream_restore.degradation import Degradation, mean_power
from stream_restore.engine.stage import Stage
from stream_restore.errors import ConfigError
from stream_restore.measure import Distortion
from stream_restore.models import Model, load
from stream_restore.restoration import Restoration
from stream_restore.spec import Audio, Spec

RATE = 44100
FOLDER = os.environ.get("STREAM_RESTORE_AUDIO")
CLIPS = sorted((Path(FOLDER) / "eval").glob("*.ogg")) if FOLDER else []


@pytest.fixture(scope="module")
def model() -> Model:
    return load("compact", threads=2)


def whole(stage: Stage[Any], sound: Audio) -> Audio:
    return np.concatenate([stage.process(sound), stage.flush()], axis=1)


def degrade(clean: Audio, snr_db: float) -> Audio:
    chain, spec = Degradation(snr_db=snr_db), Spec(RATE, len(clean))
    return whole(chain.stage(spec, mean_power([whole(chain.before_noise(spec), clean)])), clean)


def restore(model: Model, sound: Audio, repairs: tuple[str, ...] | None = ("noise",)) -> Audio:
    return whole(Restoration(repairs=repairs).stage(Spec(RATE, len(sound)), model), sound)


def si_sdr(reference: Audio, estimate: Audio) -> float:
    distortion = Distortion()
    distortion.update(reference, estimate)
    return distortion.result().si_sdr_db


@pytest.fixture
def composed(monkeypatch: pytest.MonkeyPatch) -> Audio:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "scripts"))
    sound: Audio = import_module("music").compose(6.0, RATE, seed=1001)
    return sound


def test_it_is_small_and_says_what_it_is(model: Model) -> None:
    manifest = model.manifest
    assert len((resources.files("stream_restore.models") / "compact.onnx").read_bytes()) <= 12_000_000
    assert (manifest.stems, manifest.dry, manifest.gains) == (("artifacts",), 1.0, (-1.0,))
    assert (manifest.sample_rate, manifest.channels, manifest.licence) == (RATE, 1, "MIT")


@pytest.mark.skipif(not CLIPS, reason="STREAM_RESTORE_AUDIO names no folder with recordings in eval/")
@pytest.mark.parametrize("path", CLIPS, ids=lambda path: path.stem[:20])
def test_it_raises_si_sdr_of_recordings_it_never_heard(model: Model, path: Path) -> None:
    """Eight seconds from the middle of each clip, the evaluation's chain at 10 dB."""
    frames, rate = soundfile.read(path, dtype="float32", always_2d=True)
    middle = max(0, len(frames) // 2 - 4 * rate)
    clean = np.ascontiguousarray(soxr.resample(frames[middle : middle + 8 * rate], rate, RATE).T)
    degraded = degrade(clean, snr_db=10.0)
    assert si_sdr(clean, restore(model, degraded)) > si_sdr(clean, degraded) + 1.0


@pytest.mark.parametrize("channels", [1, 2])
def test_it_raises_si_sdr_of_composed_music(model: Model, composed: Audio, channels: int) -> None:
    clean = composed[:channels]
    degraded = degrade(clean, snr_db=10.0)
    assert si_sdr(clean, restore(model, degraded)) > si_sdr(clean, degraded) + 1.0


@pytest.mark.parametrize(("kind", "gain"), [("hum", 3.5), ("crackle", 6.0), ("clipping", 9.0), ("pink_hiss", 1.0)])
def test_by_default_it_takes_away_what_old_recordings_suffer_from(
    model: Model, composed: Audio, kind: str, gain: float
) -> None:
    """At an SDR of 15 dB, which is far from drowning the music."""
    clean = import_module("music").compose(30.0, RATE, seed=1001)
    damaged = getattr(import_module("benchmarks.damage"), kind)(clean, np.random.default_rng(1), 15.0)
    assert si_sdr(clean, restore(model, damaged, None)) > si_sdr(clean, damaged) + gain


def test_by_default_clean_music_comes_back_as_it_was(model: Model, composed: Audio) -> None:
    assert si_sdr(composed, restore(model, composed, None)) > 60


@pytest.mark.parametrize("seconds", [0.5, 1.5])
def test_a_recording_too_short_to_find_a_floor_in_is_not_made_worse(
    model: Model, composed: Audio, seconds: float
) -> None:
    clean = composed[:, RATE : RATE + int(seconds * RATE)]
    noisy = degrade(clean, snr_db=5.0)
    assert si_sdr(clean, restore(model, noisy)) > si_sdr(clean, noisy) - 0.05
    assert si_sdr(clean, restore(model, clean)) > 45


def test_it_leaves_silence_silent(model: Model) -> None:
    assert not restore(model, np.zeros((2, 5 * RATE), np.float32), None).any()


@pytest.mark.parametrize("part", [slice(None, RATE // 20), slice(-RATE // 20, None)], ids=["first", "last"])
def test_noise_goes_from_the_first_frame_to_the_last(model: Model, composed: Audio, part: slice) -> None:
    clean = np.tile(composed[:1], 5)
    noise = np.random.default_rng(0).normal(0, 0.02, clean.shape).astype(np.float32)
    left = restore(model, clean + noise) - clean
    assert np.square(left[:, part]).sum() < 0.2 * np.square(noise[:, part]).sum()


def test_parameters_of_segments_are_named_as_without_effect(model: Model, composed: Audio, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", composed[:, :RATE].T, RATE)
    how = Restoration(repairs=("noise",), shifts=2, overlap=0.5)
    report = stream_restore.restore(tmp_path / "in.wav", tmp_path / "out.wav", model=model, restoration=how)
    assert report.warnings == ["compact has no segments: without effect is overlap, shifts"]
    plain = stream_restore.restore(tmp_path / "in.wav", tmp_path / "plain.wav", model=model)
    assert plain.warnings == []


def test_a_latency_is_kept_and_costs_knowledge_of_the_floor(model: Model, composed: Audio) -> None:
    clean = np.tile(composed[:1], 5)
    noisy = clean + np.random.default_rng(0).normal(0, 0.02, clean.shape).astype(np.float32)
    gains = {}
    for latency in (7.0, 60.0, None):
        stage = Restoration(repairs=("noise",), latency_seconds=latency).stage(Spec(RATE, 1), model)
        assert stage.latency / RATE <= (latency or 40.0)
        gains[latency] = si_sdr(clean, whole(stage, noisy)) - si_sdr(clean, noisy)
    assert 1.0 < gains[7.0] <= gains[60.0] == gains[None]


def test_a_latency_that_cannot_be_kept_is_refused(model: Model) -> None:
    with pytest.raises(
        ConfigError, match=r"noise lag by 6\.6 s at least, more than a latency of 5 s; leave a repair out"
    ):
        Restoration(repairs=("noise",), latency_seconds=5).stage(Spec(RATE, 2), model)
    with pytest.raises(ConfigError, match="clipping, clicks, hum, noise lag by"):
        Restoration(latency_seconds=30).stage(Spec(RATE, 2), model)
    with pytest.raises(ConfigError, match="must be positive"):
        Restoration(latency_seconds=0)
