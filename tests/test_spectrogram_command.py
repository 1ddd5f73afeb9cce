"""`spectrogram` writes a folder that is complete, from files and pipes, and refuses what it cannot show."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from folders import files, names

from stream_restore.cli.main import main
from stream_restore.show.viewer import STATIC
from stream_restore.spec import Audio
from stream_restore.testing import example_signal

RATE = 8000


@dataclass
class Done:
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, in this process."""

    def run(*arguments: str | Path, code: int = 0) -> Done:
        found = main(["spectrogram", *map(str, arguments)])
        done = Done(*capsys.readouterr())
        assert found == code, done.stderr
        return done

    return run


def told(folder: Path) -> dict[str, Any]:
    """What the page is told."""
    text = (folder / "recording.js").read_text("utf-8")
    data: dict[str, Any] = json.loads(text.removeprefix("window.STREAM_RESTORE = ").rstrip(";\n"))
    return data


def write(path: Path, sound: Audio, rate: int = RATE) -> Path:
    soundfile.write(path, sound.T, rate, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("sound") / "clean.wav", example_signal(2, 90_000))


def test_the_folder_holds_all_that_the_page_asks_for(run: Run, clean: Path, tmp_path: Path) -> None:
    quiet = write(tmp_path / "quiet.wav", 0.1 * example_signal(2, 80_000))
    out = tmp_path / "out"
    assert run(clean, quiet, "-o", out).stdout.strip() == str(out / "index.html")
    data = told(out)
    assert [track["label"] for track in data["tracks"]] == ["clean.wav", "quiet.wav"]
    for track in data["tracks"]:
        assert json.loads((out / track["tiles"] / "tiles.json").read_text())["frames"] == track["frames"]
        for number, level in enumerate(track["levels"]):
            tiles = sorted(path.name for path in (out / track["tiles"] / str(number)).iterdir())
            assert tiles == [f"{tile}.png" for tile in range(level["tiles"])]
    page = (out / "index.html").read_text()
    assert all((out / name).is_file() for name in STATIC)
    assert "http" not in page
    assert "//" not in page


def test_what_is_heard_is_the_recording(run: Run, clean: Path, tmp_path: Path) -> None:
    run(clean, "-o", tmp_path / "out")
    copy = tmp_path / "out" / told(tmp_path / "out")["tracks"][0]["audio"]
    assert (soundfile.read(copy, dtype="int16")[0] == soundfile.read(clean, dtype="int16")[0]).all()


def test_loudness_is_matched_by_turning_down(run: Run, clean: Path, tmp_path: Path) -> None:
    quiet = write(tmp_path / "quiet.wav", 0.1 * example_signal(2, 90_000))
    run(clean, quiet, "-o", tmp_path / "out")
    gains = [track["gain_db"] for track in told(tmp_path / "out")["tracks"]]
    assert gains == pytest.approx([-20, 0], abs=0.05)


def test_a_pipe_gives_the_tiles_of_the_file(run: Run, clean: Path, tmp_path: Path) -> None:
    run(clean, "-o", tmp_path / "file")
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "stream_restore.cli",
        "spectrogram",
        "-",
        "-o",
        tmp_path / "pipe",
    ]
    subprocess.run(command, input=clean.read_bytes(), check=True)
    for path in (tmp_path / "file").rglob("*.png"):
        assert (tmp_path / "pipe" / path.relative_to(tmp_path / "file")).read_bytes() == path.read_bytes()


def test_linear_scale_and_range(run: Run, clean: Path, tmp_path: Path) -> None:
    run(clean, "-o", tmp_path / "out", "--scale", "linear", "--rows", "64", "--quietest", "-60", "--loudest", "-10")
    track = told(tmp_path / "out")["tracks"][0]
    assert track["row_edges_hz"] == np.linspace(0, 4000, 65).round(3).tolist()
    assert (track["axes"]["quietest_db"], track["axes"]["loudest_db"]) == (-60, -10)


def test_what_is_there_is_kept_unless_forced(run: Run, clean: Path, tmp_path: Path) -> None:
    run(clean, "-o", tmp_path / "out")
    assert "--force" in run(clean, "-o", tmp_path / "out", code=1).stderr
    run(clean, "-o", tmp_path / "out", "--force")


def test_a_killed_process_leaves_whole_files_only(
    run: Run, clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, kills, at = random.randrange(2**32), 0, ("audio.wav", "1.png", "tiles.json", "recording.js", "viewer.js")
    print(f"{seed=}")
    moments = random.Random(seed)
    run(clean, "-o", tmp_path / "whole")
    whole = files(tmp_path / "whole")
    for name in at:
        child = os.fork()
        if not child:
            kill_after(name, moments.choice([False, True]), monkeypatch)
            os._exit(main(["spectrogram", str(clean), "-o", str(tmp_path / "out"), "--force"]))
        kills += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        found = files(tmp_path / "out")
        assert not (tmp_path / "out" / "index.html").exists()
        assert all(found[path] == whole[path] for path in found if not path.endswith(".part"))
    assert kills == len(at)
    assert "--force" in run(clean, "-o", tmp_path / "out", code=1).stderr
    run(clean, "-o", tmp_path / "out", "--force")
    assert files(tmp_path / "out") == whole


def kill_after(name: str, before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill this process when a file gets this name, or just before it does."""
    replace = os.replace

    def last(source: Any, target: Any) -> None:
        if Path(target).name != name:
            replace(source, target)
            return
        if not before:
            replace(source, target)
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(os, "replace", last)


@pytest.mark.parametrize("frames", [1, 2])
def test_next_to_nothing_is_shown(run: Run, frames: int, tmp_path: Path) -> None:
    run(write(tmp_path / "in.wav", np.zeros((1, frames), np.float32)), "-o", tmp_path / "out")
    track = told(tmp_path / "out")["tracks"][0]
    assert (track["frames"], track["gain_db"], track["rms_db"]) == (frames, 0, None)


def test_nothing_is_refused(run: Run, tmp_path: Path) -> None:
    nothing = write(tmp_path / "in.wav", np.zeros((1, 0), np.float32))
    assert "no sound" in run(nothing, "-o", tmp_path / "out", code=2).stderr
    assert not (tmp_path / "out" / "index.html").exists()


@pytest.fixture
def nan(tmp_path: Path) -> Path:
    """A recording that can be read for a while."""
    sound = example_signal(1, 90_000)[0].copy()
    sound[80_000] = np.nan
    soundfile.write(tmp_path / "nan.wav", sound, RATE, subtype="FLOAT")
    return tmp_path / "nan.wav"


def test_a_run_that_fails_takes_what_it_made_with_it(run: Run, clean: Path, nan: Path, tmp_path: Path) -> None:
    for out in (tmp_path / "out", tmp_path / "deep" / "er" / "out"):
        for _ in range(2):
            assert "nan at frame 80000" in run(clean, nan, "-o", out, code=2).stderr
    assert names(tmp_path) == {"nan.wav"}


def test_a_run_that_fails_leaves_what_was_there(run: Run, nan: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    run(nan, "-o", out, code=2)
    assert files(out) == {}
    (out / "notes.txt").write_text("mine")
    assert "is not empty" in run(nan, "-o", out, code=1).stderr
    run(nan, "-o", out, "--force", code=2)
    assert names(out) == {"notes.txt"}


def test_an_interrupted_run_takes_what_it_made_with_it(clean: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "stream_restore.cli", "spectrogram", "-", "-o", str(tmp_path / "out")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None
        child.stdin.write(clean.read_bytes()[:200_000])
        child.stdin.flush()
        while not (tmp_path / "out" / "tracks").exists():
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        child.wait()
    assert child.returncode == 130
    assert names(tmp_path) == set()


def test_stdin_is_given_once_and_stdout_is_no_folder(
    run: Run, clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "stdin can be given once" in run("-", clean, "-", "-o", "x", code=1).stderr
    assert "'-' is stdout" in run(clean, "-o", "-", code=1).stderr
    assert names(tmp_path) == set()


def test_progress_counts_all_recordings(run: Run, clean: Path, tmp_path: Path) -> None:
    lines = run(clean, clean, "-o", tmp_path / "out", "--progress", "json").stderr.splitlines()
    assert json.loads(lines[-1])["frames"] == json.loads(lines[-1])["total"] == 180_000
