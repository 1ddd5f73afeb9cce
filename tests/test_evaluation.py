"""`evaluate` does the paper's experiment on any clips, can be resumed, and reports what it measured."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from browser import Browser, chromium
from identity import identity

import stream_restore
from stream_restore.degradation import Degradation
from stream_restore.errors import ConfigError, SourceError
from stream_restore.experiment.evaluation import Experiment, evaluate
from stream_restore.experiment.report import PRINTED, write_report
from stream_restore.models import Model
from stream_restore.spec import Audio
from stream_restore.testing import example_signal

COMMAND = [sys.executable, "-m", "stream_restore.cli", "evaluate"]
HALF, OTHER = "half #1", "other & <more> #2? 50%25"
"""Names that neither HTML nor URLs take as they are."""
FAST = Experiment(sample_rate=4000, degradation=Degradation(cutoff_hz=800, sample_rate=2000))
MODELS = {"same": identity(), HALF: identity(gain=0.5)}


def write(path: Path, sound: Audio, rate: int = 8000) -> Path:
    soundfile.write(path, sound.T, rate, subtype="FLOAT")
    return path


def found(clips: Sequence[Path], folder: Path, models: dict[str, Model] | None = None) -> list[dict[str, Any]]:
    return evaluate(clips, folder, models or MODELS, FAST)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips")
    stereo = write(folder / "Vibe_Ace.hq.wav", example_signal(2, 30_001, seed=1))
    return [stereo, write(folder / f"{OTHER}.wav", example_signal(1, 9000, seed=2))]


@pytest.fixture(scope="module")
def evaluated(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluation")
    write_report(folder, found(clips, folder))
    return folder


def results(folder: Path) -> list[dict[str, Any]]:
    clips: list[dict[str, Any]] = json.loads((folder / "results.json").read_text("utf-8"))["clips"]
    return clips


def test_clips_are_loaded_degraded_and_restored_as_the_other_commands_do(evaluated: Path, tmp_path: Path) -> None:
    folder = evaluated / "Vibe_Ace"
    loaded = soundfile.info(folder / "original.wav")
    assert (loaded.samplerate, loaded.channels, loaded.frames) == (4000, 1, 15_001)
    again = tmp_path / "degraded.wav"
    stream_restore.degrade(folder / "original.wav", again, degradation=FAST.degradation)
    assert (soundfile.read(again)[0] == soundfile.read(folder / "degraded.wav")[0]).all()
    stream_restore.restore(again, tmp_path / "restored.wav", model=MODELS[HALF])
    assert (soundfile.read(tmp_path / "restored.wav")[0] == soundfile.read(folder / f"{HALF}.wav")[0]).all()


def test_figures_are_those_of_the_files(evaluated: Path) -> None:
    for clip in results(evaluated):
        signals = [(row["signal"], row["model"]) for row in clip["rows"]]
        assert signals == [("degraded", ""), ("restored", "same"), ("restored", HALF)]
        for row, name in zip(clip["rows"], ("degraded", "same", HALF), strict=True):
            folder = evaluated / clip["name"]
            found = stream_restore.compare(folder / "original.wav", folder / f"{name}.wav")
            assert (row["sdr_db"], row["si_sdr_db"]) == (found.figures.metrics.sdr_db, found.figures.metrics.si_sdr_db)


def test_slips_have_the_figures_that_the_report_explains(evaluated: Path) -> None:
    misaligned = results(evaluated)[0]["misaligned"]
    row = results(evaluated)[0]["rows"][0]
    assert misaligned["127 times too loud"]["si_sdr_db"] == pytest.approx(row["si_sdr_db"], abs=1e-3)
    assert misaligned["127 times too loud"]["sdr_db"] == pytest.approx(-42, abs=0.5)
    assert misaligned["1 s late"]["sdr_db"] == pytest.approx(-3, abs=1)
    assert misaligned["both"]["si_sdr_db"] < -20


def test_the_csv_has_a_line_for_every_signal(evaluated: Path) -> None:
    with (evaluated / "results.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["clip"], line["model"]) for line in lines][:3] == [("Vibe_Ace", name) for name in ("", "same", HALF)]
    assert float(lines[1]["sdr_db"]) == results(evaluated)[0]["rows"][1]["sdr_db"]
    assert len(lines) == 6


def test_the_report_shows_the_printed_figures_beside_the_clip_of_the_paper_only(evaluated: Path) -> None:
    page = (evaluated / "index.html").read_text("utf-8")
    ours, other = page.split("<section>")[2:4]
    for row in PRINTED.values():
        for value in row.values():
            assert f"&minus;{-value:.2f}" in ours
            assert f"&minus;{-value:.2f}" not in other
    assert "other &amp; &lt;more&gt;" in other
    assert "unrelated" in page


@pytest.mark.skipif(chromium() is None, reason="no chromium is installed: apt-get install chromium")
def test_the_report_and_its_viewers_open_in_a_browser_from_disk(evaluated: Path) -> None:
    labels = ["original", "degraded", "restored by same", f"restored by {HALF}"]
    labels += ["residual of same", f"residual of {HALF}"]
    with Browser() as browser:
        browser.open(evaluated / "index.html")
        browser.until(
            "[...document.images].every((image) => (image.loading = 'eager', image.complete && image.naturalWidth))"
        )
        links = browser.run("[...document.querySelectorAll('section > p > a, section > a')].map((link) => link.href)")
        assert len(links) == 6
        for link in {*links}:
            assert "errorText" not in browser.send("Page.navigate", url=link)
            browser.until(f"document.readyState === 'complete' && location.href === {json.dumps(link)}")
            shown = "[...document.querySelectorAll('#tracks label span')].map((label) => label.lastChild.textContent)"
            assert browser.run(shown) == labels
            assert browser.run("document.getElementById('said').textContent") == "Hearing original"  # its last line
            browser.until("player.elements.every((audio) => audio.readyState > 0)")
            assert browser.run("player.elements.map((audio) => audio.duration)") == pytest.approx(
                [browser.run("seconds")] * 6, abs=0.05
            )
            assert browser.run("data.sdr.map((series) => series.label)") == labels[1:4]
        assert browser.problems == []
        assert all(address.startswith(("file:", "data:", "about:")) for address in browser.requests)


def test_finished_clips_are_kept_and_others_are_done(clips: list[Path], tmp_path: Path) -> None:
    one = {"same": MODELS["same"]}
    (first,) = found(clips[1:], tmp_path, one)
    wav = tmp_path / clips[1].stem / "same.wav"
    wav.write_bytes(b"kept")
    both = evaluate([clips[1], clips[0]], tmp_path, one, FAST, resume=True)
    assert both[0] == first
    assert (wav.read_bytes(), both[1]["name"]) == (b"kept", "Vibe_Ace")
    assert found(clips[1:], tmp_path, one) == [first]  # all again
    assert soundfile.info(wav).samplerate == 4000


@pytest.mark.parametrize("label", ["original", "degraded"])
def test_a_model_called_like_another_file_is_refused(label: str, clips: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{label!r}.*rename"):
        found(clips, tmp_path, {label: MODELS["same"]})


@pytest.mark.parametrize("frames", [2, 20_000])
def test_silence_and_next_to_nothing_have_stated_answers(frames: int, tmp_path: Path) -> None:
    (clip,) = found([write(tmp_path / "in.wav", np.zeros((1, frames), np.float32))], tmp_path, {"same": MODELS["same"]})
    assert clip["rows"][0]["si_sdr_db"] is None
    assert "silent" in clip["rows"][0]["warnings"][0]
    assert "silent" in write_report(tmp_path, [clip]).read_text("utf-8")


def test_clips_of_one_name_and_bad_clips(clips: list[Path], tmp_path: Path) -> None:
    (tmp_path / "twin").mkdir()
    twin = write(tmp_path / "twin" / clips[1].name, example_signal(1, 3000))
    names = [clip["name"] for clip in found([clips[1], twin], tmp_path / "out", {"same": MODELS["same"]})]
    assert names == [OTHER, f"{OTHER}-2"]
    with pytest.raises(SourceError, match="no sound"):
        found([write(tmp_path / "none.wav", np.zeros((1, 0), np.float32))], tmp_path / "none")
    with pytest.raises(ConfigError, match="at least one clip"):
        found([], tmp_path)


def test_each_clip_has_a_folder_of_its_own(tmp_path: Path) -> None:
    """Also where a clip is called like one that was given a number, or only the case of letters tells two apart."""
    (tmp_path / "in/x").mkdir(parents=True)
    clips = [tmp_path / "in" / name for name in ("a.wav", "a-3.wav", "x/a.wav", "A.wav")]
    for frames, clip in enumerate(clips, 1000):
        write(clip, example_signal(1, 2 * frames))
    done = found(clips, tmp_path, {"same": MODELS["same"]})
    assert [clip["name"] for clip in done] == ["a", "a-3", "a-2", "A-4"]
    for frames, each in enumerate(done, 1000):
        assert soundfile.info(tmp_path / each["name"] / "original.wav").frames == frames


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are text there")
def test_a_name_whose_bytes_are_no_text_is_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    clip = write(tmp_path / "cafe.wav", example_signal(1, 9000)).rename(tmp_path / f"{name}.wav")
    write_report(tmp_path, found([clip], tmp_path, {"same": MODELS["same"]}))
    assert b'href="caf%E9/index.html"' in (tmp_path / "index.html").read_bytes()
    assert (tmp_path / name / "index.html").exists()
    assert b"\ncaf\xe9," in (tmp_path / "results.csv").read_bytes()
    assert results(tmp_path)[0]["name"] == name


def run(*arguments: str | Path, code: int = 0, **environment: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, check=False, env=os.environ | environment
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_command(clips: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    options: list[str | Path] = [
        "-o",
        out,
        "--sample-rate",
        "none",
        "--rate",
        "4000",
        "--cutoff",
        "1500",
        "--stereo",
        "--threads",
        "1",
    ]
    done = run(clips[0], *options, "--progress", "json")
    assert done.stdout.strip() == str(out / "index.html")
    told = json.loads(done.stderr.splitlines()[-1])
    assert told["frames"] == told["total"]
    assert (results(out)[0]["sample_rate"], results(out)[0]["channels"]) == (8000, 2)
    refused = run(clips[0], *options, code=1).stderr
    assert "--resume" in refused
    assert "--force" in refused
    before = (out / "Vibe_Ace" / "clip.json").stat().st_mtime_ns
    run(clips[0], *options, "--resume")
    assert (out / "Vibe_Ace" / "clip.json").stat().st_mtime_ns == before
    assert "'compact' twice" in run(clips[0], *options, "--force", "-n", "compact", "-n", "compact", code=1).stderr
    assert "name the clips" in run("-o", tmp_path / "none", code=1).stderr
    assert "cannot be opened" in run(tmp_path / "no.wav", "-o", tmp_path / "none", code=2).stderr


def test_librosa_has_its_recordings_in_its_cache(tmp_path: Path) -> None:
    folder = os.environ.get("STREAM_RESTORE_AUDIO")
    if not folder:
        pytest.skip("STREAM_RESTORE_AUDIO names no folder with librosa's recordings in eval/")
    code = (
        "from stream_restore.examples import librosa_examples; print(*librosa_examples(lambda text: None), sep='\\n')"
    )
    environment = os.environ | {"LIBROSA_DATA_DIR": str(Path(folder) / "eval")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert paths[0].name == "Kevin_MacLeod_-_Vibe_Ace.hq.ogg"
    assert len(paths) == 5
    assert all(path.is_file() for path in paths)
