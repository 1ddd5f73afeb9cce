"""A range of a recording is what the whole run has there: ranges, joined, are the whole, bit for bit."""

import struct
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from audio_helpers import drip
from cheap import run
from identity import Identity, identity
from stopping import StoppedError, stop_after
from test_any_partition import STAGES

import stream_restore
from stream_restore import Chain, Range, Restoration, Spec
from stream_restore.audio import open_source
from stream_restore.cli.network_options import restoration
from stream_restore.degradation import CausalLowPass, Degradation
from stream_restore.errors import ConfigError, SourceError
from stream_restore.models import load
from stream_restore.passes.job import Output
from stream_restore.restoration import Separate
from stream_restore.spec import Audio
from stream_restore.testing import example_signal

RATE = 32000
SECONDS = 90


def damaged() -> Audio:
    """Noise, hum, a click a second, and peaks that are clipped in the middle: every repair acts."""
    rng = np.random.default_rng(0)
    time = np.arange(SECONDS * RATE) / RATE
    sound = np.sin(2 * np.pi * 0.37 * time) ** 2 * sum(np.sin(2 * np.pi * hz * time) / 9 for hz in (313, 457, 1201))
    sound += 0.003 * rng.standard_normal(time.size)
    sound += sum(0.02 / k * np.sin(2 * np.pi * 50.02 * k * time + k) for k in range(1, 15))
    sound[rng.integers(0, time.size, SECONDS)] += 0.3
    middle = slice(39 * RATE, 41 * RATE)
    sound[middle] = sound[middle].clip(-0.25, 0.25)
    return sound[None].astype(np.float32)


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tape") / "in.wav"
    soundfile.write(path, damaged().T, RATE, subtype="FLOAT")
    return path


def test_ranges_of_every_repair_joined_are_the_whole(tape: Path) -> None:
    model = load("compact")

    def restored(part: Range | None) -> bytes:
        out = BytesIO()
        stream_restore.restore(tape, out, model=model, stored=Output("raw", "s16"), range=part)
        return out.getvalue()

    whole = restored(None)
    assert len(whole) == 2 * SECONDS * RATE
    assert np.abs(np.frombuffer(whole, "<i2") / 32768 - soundfile.read(tape)[0]).max() > 0.1
    assert restored(Range.parse(":1:20.1")) + restored(Range.parse("80.1:")) == whole


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of stereo at a rate that is not the network's."""
    path = tmp_path_factory.mktemp("short") / "in.wav"
    soundfile.write(path, 0.9 * example_signal(2, 6001).T, 2000, subtype="FLOAT")
    return path


RESTORATIONS: dict[str, dict[str, Any]] = {
    "network": {},
    "normalised": {"normalise": True},
    "two jobs on moved grids": {"restoration": Restoration(jobs=2, shifts=2, overlap=0.6, context_seconds=0.01)},
    "repairs": {"restoration": Restoration(repairs=("clicks", "hum", "noise"), strengths={"noise": 0.5})},
    "headroom": {"restoration": Restoration(headroom_db=3)},
}


@pytest.mark.parametrize("edges", ["silence", "mirror"])
@pytest.mark.parametrize("name", RESTORATIONS)
def test_every_output_of_a_range_is_that_of_the_whole(name: str, edges: Any, short: Path, tmp_path: Path) -> None:
    model = identity(dry=0.5, gain=0.4, edges=edges)
    marks = [0, 1, 2222, 2223, 4000, 6001]

    def outputs(folder: Path, part: Range | None) -> list[Audio]:
        folder.mkdir()
        stored = Output(encoding="s16", seed=3)
        options: dict[str, Any] = {
            "model": model,
            "residual": folder / "residual.wav",
            "save_stems": folder,
            "range": part,
        }
        report = stream_restore.restore(short, folder / "out.wav", stored=stored, **options, **RESTORATIONS[name])
        sounds = [soundfile.read(folder / f"{each}.wav", dtype="int16")[0] for each in ("out", "residual", "all")]
        assert {len(sound) for sound in sounds} == {report.frames}
        return sounds

    whole = outputs(tmp_path / "whole", None)
    parts = [outputs(tmp_path / str(start), Range(start, stop)) for start, stop in pairwise(marks)]
    for number, sound in enumerate(whole):
        assert (np.concatenate([part[number] for part in parts]) == sound).all()


def test_a_range_costs_its_own_length_and_not_what_lies_before() -> None:
    """Neither is the network run on what lies before, nor are its samples read."""
    sound = example_signal(2, 500_000)
    model, done = identity(), []
    network = model.members[0].backend
    assert isinstance(network, Identity)
    part = Range(480_000, 480_500)
    options: dict[str, Any] = {"sample_rate": 1000, "model": model, "range": part}
    out = stream_restore.restore(sound, progress=lambda frames, total: done.append(frames), **options)
    assert out.shape == (2, 500)
    assert len(network.inputs) < 15
    assert done[-1] < 1500


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_plain_samples_are_passed_over_unread(subtype: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", 0.5 * example_signal(2, 90_000).T, 8000, subtype=subtype)
    with open_source(tmp_path / "in.wav") as read, open_source(tmp_path / "in.wav") as passed_over:
        before = read.read(70_001)
        assert before.shape[1] == passed_over.skip(70_001)
        assert (read.read(30_000) == passed_over.read(30_000)).all()
        assert passed_over.skip(5) == 0
        passed_over.rewind()
        assert (passed_over.read(70_001) == before).all()
    with open_source(drip((tmp_path / "in.wav").read_bytes(), 999)) as pipe:
        assert pipe.skip(89_000) == 89_000
        assert pipe.read(9000).shape[1] == 1000


def test_what_forgets_nothing_runs_from_the_start_and_the_network_does_not() -> None:
    spec, model = Spec(1000, 2), identity()
    chain = Chain(CausalLowPass(spec, 100), Separate(spec, model))
    assert chain.lookback is None
    sound = example_signal(2, 20_000)
    whole = np.concatenate([chain.process(sound), chain.flush()], axis=1)
    network = model.members[0].backend
    assert isinstance(network, Identity)
    network.inputs.clear()
    begun = chain.start_at(19_000)
    assert begun.input == 0
    late = np.concatenate([chain.advance(begun.state, sound), chain.drain(begun.state)], axis=1)
    assert (late[:, 19_000 - begun.output :] == whole[:, 19_000:]).all()
    assert len(network.inputs) < 20


def test_all_that_restores_has_a_bound_of_what_it_looks_back_at() -> None:
    unbounded = {name for name, (factory, _, _) in STAGES.items() if factory().lookback is None}
    known = ("LowPass", "Chain", "WithInput", "RangeStage", "begun late")  # the last two begin late by themselves
    assert all(any(each in name for each in known) for name in unbounded)
    spec = Spec(48000, 2)
    lookback = Restoration().stage(spec, load("compact")).lookback
    assert lookback is not None
    assert 30 < lookback / spec.sample_rate < 90


@pytest.mark.parametrize("power", [None, 0.03])
@pytest.mark.parametrize("phase", ["zero", "causal"])
@pytest.mark.parametrize("rate", [16000, 1500, None])
def test_ranges_of_degradation_joined_are_the_whole(
    power: float | None, phase: Any, rate: int | None, tmp_path: Path
) -> None:
    sound, chain = 0.5 * example_signal(2, 60_000, seed=4), Degradation(700, phase=phase, sample_rate=rate, seed=3)
    soundfile.write(tmp_path / "in.wav", sound.T, 4000, subtype="FLOAT")

    def degraded(part: Range | None) -> bytes:
        out = BytesIO()
        report = stream_restore.degrade(
            tmp_path / "in.wav", out, degradation=chain, power=power, range=part, stored=Output("raw", "s16")
        )
        assert 4 * report.frames == len(out.getvalue())
        return out.getvalue()

    whole = degraded(None)
    marks = [0, 1, 20_000, 20_001, 59_000, None]
    assert b"".join(degraded(Range(start or 0, stop)) for start, stop in pairwise(marks)) == whole
    part = Range(10_000, 20_000)
    array = stream_restore.degrade(sound, sample_rate=4000, degradation=chain, power=power, range=part)
    assert (
        array == stream_restore.degrade(sound, sample_rate=4000, degradation=chain, power=power)[:, 10_000:20_000]
    ).all()


def test_the_command_degrades_a_range(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", 0.5 * example_signal(1, 30_000).T, 4000, subtype="PCM_16")
    for name, words in (("whole", []), ("part", ["--range", "2:3.5"])):
        run("degrade", tmp_path / "in.wav", "-o", tmp_path / f"{name}.wav", "--cutoff", 700, "--rate", 1500, *words)
    whole, part = (soundfile.read(tmp_path / f"{name}.wav", dtype="int16")[0] for name in ("whole", "part"))
    assert (part == whole[8000:14_000]).all()


@pytest.mark.parametrize("kind", ["flac", "mp3", "ogg", "a pipe"])
def test_encoded_inputs_and_pipes_give_the_same_ranges(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"in.{'wav' if kind == 'a pipe' else kind}"
    soundfile.write(path, 0.5 * example_signal(2, 100_000).T, 16000)

    def sound(part: Range | None) -> bytes:
        given, out = drip(path.read_bytes(), 5000) if kind == "a pipe" else path, BytesIO()
        options: dict[str, Any] = {"model": identity(gain=0.7), "range": part, "stored": Output("raw", "s16")}
        stream_restore.restore(given, out, **options)
        return out.getvalue()

    assert sound(None) == sound(Range(0, 50_001)) + sound(Range(50_001, 90_000)) + sound(Range(90_000))


@pytest.mark.parametrize("container", ["wav", "flac"])
def test_a_stopped_range_goes_on(container: str, tmp_path: Path, every_block: None) -> None:
    soundfile.write(tmp_path / "in.wav", 0.9 * example_signal(1, 400_000).T, 1000, subtype="FLOAT")
    model, part = identity(), Range(100_001, 400_000)
    options: dict[str, Any] = {"model": model, "range": part, "stored": Output(encoding="s16")}
    stream_restore.restore(tmp_path / "in.wav", tmp_path / f"whole.{container}", **options)
    with pytest.raises(StoppedError):
        stream_restore.restore(
            tmp_path / "in.wav", tmp_path / f"out.{container}", progress=stop_after(99_000), **options
        )
    assert not (tmp_path / f"out.{container}").exists()
    with pytest.raises(ConfigError, match=r"work\.range"):
        stream_restore.restore(
            tmp_path / "in.wav", tmp_path / f"out.{container}", resume=True, **{**options, "range": Range(9)}
        )
    report = stream_restore.restore(tmp_path / "in.wav", tmp_path / f"out.{container}", resume=True, **options)
    assert report.frames == 299_999
    assert (tmp_path / f"out.{container}").read_bytes() == (tmp_path / f"whole.{container}").read_bytes()


def test_arrays_and_generators_have_ranges(short: Path) -> None:
    sound = np.asarray(soundfile.read(short, dtype="float32")[0].T)
    whole = stream_restore.restore(sound, sample_rate=2000, model=identity())
    part = Range(0.75, 2, "seconds")
    expected = whole[:, 1500:4000]
    assert (stream_restore.restore(sound, sample_rate=2000, model=identity(), range=part) == expected).all()
    blocks = (sound[:, at : at + 77] for at in range(0, 6001, 77))
    got = list(stream_restore.restore(blocks, sample_rate=2000, model=identity(), range=part))
    assert (np.concatenate(got, axis=1) == expected).all()


def test_marks_that_would_lie_elsewhere_are_left_out_and_said(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", 0.5 * example_signal(1, 9000)[0], 8000, subtype="PCM_16")
    mark = struct.pack("<4sIIIIIIII", b"cue ", 28, 1, 1, 4000, 0x61746164, 0, 0, 4000)
    comment = b"_PMX" + struct.pack("<I", 4) + b"text"
    data = (tmp_path / "in.wav").read_bytes() + mark + comment
    (tmp_path / "in.wav").write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    nothing = Restoration(repairs=())
    stream_restore.restore(tmp_path / "in.wav", tmp_path / "whole.wav", restoration=nothing)
    assert mark in (tmp_path / "whole.wav").read_bytes()
    report = stream_restore.restore(
        tmp_path / "in.wav", tmp_path / "part.wav", restoration=nothing, range=Range(2000, 5000)
    )
    part = (tmp_path / "part.wav").read_bytes()
    assert b"cue " not in part
    assert comment in part
    assert any("its chunks count frames of the whole, and are left out: cue" in each for each in report.warnings)


def test_what_lies_beyond_the_end_is_said(short: Path, network: Path, tmp_path: Path) -> None:
    words = ("restore", short, "-n", network, "-o", tmp_path / "out.wav")
    said = run(*words, "--range", "3.5:4", code=2)
    assert said.endswith("in.wav: ends at 0:00:03.000, before the range begins\n")
    assert not (tmp_path / "out.wav").exists()
    assert (
        run(*words, "--range", "2:1", code=1)
        == "stream-restore: a range begins at 0 or later and ends after that, got 2:1 seconds\n"
    )
    assert "in.wav: ends at 0:00:03.000, before the range does" in run(*words, "--range", "2.5:4")
    assert soundfile.info(tmp_path / "out.wav").frames == 1001
    with pytest.raises(SourceError, match="before the range begins"):
        stream_restore.restore(np.zeros(50), sample_rate=1000, restoration=Restoration(repairs=()), range=Range(50))


READ: dict[str, tuple[int | Fraction, int | Fraction | None]] = {
    "0:20": (0, 20),
    "1:30:2:15": (90, 135),
    "0:01:30:0:02:15.5": (90, Fraction(271, 2)),
    "90.25:2:15": (Fraction(361, 4), 135),
    "90s:135s": (90, 135),
    "1:30:": (90, None),
    ":1:30": (0, 90),
    "0:1:30": (0, 90),
    "0s:10:30": (0, 630),
    "0:10:30s": (10, 30),
}


@pytest.mark.parametrize("text", READ)
def test_times_are_read_as_they_are_written(text: str) -> None:
    assert Range.parse(text) == Range(*READ[text], "seconds")


def test_frames_are_read_and_times_become_the_nearest() -> None:
    assert Range.parse("44100f:88200f") == Range(44100, 88200)
    assert Range.parse(":5f").frames(8000) == (0, 5)
    assert Range.parse("0.1:0.2").frames(11025) == (1103, 2205)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0:10:30", "may be read in two ways"),
        ("2:1", "ends after that, got 2:1 seconds"),
        ("5f:5f", "ends after that"),
        ("90", "is no range"),
        (":", "is no range"),
        ("-1:2", "is no range"),
        ("nan:2", "is no range"),
        ("5f:2s", "is no range"),
        ("0:0.00001", "no frame lies within"),
    ],
)
def test_what_is_no_range_is_named(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Range.parse(text).frames(8000)


def test_a_noise_profile_is_written_as_a_range_is() -> None:
    for text in ("90:92.5", "1:30:1:32.5", "0:01:30:92.5s"):
        assert restoration(noise_profile=text).noise_profile == (90.0, 92.5)
    for text, words in (("3:2", "got 3:2 seconds"), ("3:", "without an end"), ("0:10:30", "in two ways")):
        with pytest.raises(ConfigError, match=words):
            restoration(noise_profile=text)
