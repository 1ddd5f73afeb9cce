"""A folder of recordings: paths are mirrored, one failure does not stop the others, and a stopped batch goes on."""

import json
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cheap import EAGER, one_node, run
from folders import files

from stream_restore import api
from stream_restore.audio import open_sink
from stream_restore.batch import Batch
from stream_restore.errors import ConfigError
from stream_restore.models import load
from stream_restore.passes.job import Output
from stream_restore.restoration import Restoration
from stream_restore.spec import Spec
from stream_restore.testing import example_signal

RATE = 16000


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Two tapes in folders, a broken one, and what is no recording."""
    folder = tmp_path / "in"
    (folder / "side a" / "deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    sound = 0.5 * example_signal(1, 30_000)[0]
    soundfile.write(folder / "one.wav", sound, RATE, subtype="PCM_16")
    soundfile.write(folder / "side a" / "deep" / "two.FLAC", sound[::-1], RATE, format="FLAC")
    (folder / "broken.wav").write_bytes(b"RIFF and nothing else, or very little of it")
    (folder / "notes.txt").write_text("side a")
    (folder / ".hidden" / "not.wav").touch()
    return folder


def test_paths_are_mirrored_and_one_failure_stops_nothing(recordings: Path, network: Path, tmp_path: Path) -> None:
    said = run("batch", recordings, tmp_path / "out", "-n", network, code=3)
    assert set(files(tmp_path / "out")) == {"batch.journal", "one.wav", "side a/deep/two.FLAC"}
    for name in ("one.wav", "side a/deep/two.FLAC"):
        assert (soundfile.read(tmp_path / "out" / name)[0] == soundfile.read(recordings / name)[0]).all()
    assert f"{recordings / 'broken.wav'}: " in said
    assert said.endswith(f"2 restored, 0 skipped, 1 failed\nfailed: {recordings / 'broken.wav'}\n")


def test_each_file_is_what_restore_gives(recordings: Path, network: Path, tmp_path: Path) -> None:
    (recordings / "broken.wav").unlink()
    run("batch", recordings, tmp_path / "out", "-n", network, "--dry", 0.5, "-f", "au", "--int24", "--seed", 3)
    run("restore", recordings / "one.wav", "-n", network, "--dry", 0.5, "-f", "au", "--int24", "--seed", 3,
        "-o", tmp_path / "one.au")  # fmt: skip
    assert (tmp_path / "out" / "one.au").read_bytes() == (tmp_path / "one.au").read_bytes()
    assert (tmp_path / "out" / "side a" / "deep" / "two.au").is_file()


def test_finished_files_are_skipped_and_the_others_done(recordings: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("batch", recordings, out, "-n", network, code=3)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.*") if path.suffix != ".journal"}
    shutil.copy(recordings / "one.wav", recordings / "broken.wav")
    shutil.copy(recordings / "one.wav", recordings / "new.wav")
    said = run("batch", recordings, out, "-n", network, "--resume", "--progress", "json")
    assert json.loads(said.splitlines()[-1]) == {"restored": 2, "skipped": 2, "failed": 0}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (out / "new.wav").read_bytes() == (out / "broken.wav").read_bytes() == (out / "one.wav").read_bytes()


def test_what_is_there_is_not_overwritten_unasked(recordings: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "one.wav").write_text("mine")
    said = run("batch", recordings, out, "-n", network, code=3)
    assert "one.wav: exists; --force replaces it" in said
    assert "--resume goes on with it" in run("batch", recordings, out, "-n", network, code=1)
    run("batch", recordings, out, "-n", network, "--resume", code=3)
    assert (out / "one.wav").read_text() == "mine"
    run("batch", recordings, out, "-n", network, "--force", code=3)
    assert soundfile.info(out / "one.wav").frames == 30_000


def test_what_changed_is_named(recordings: Path, network: Path, tmp_path: Path) -> None:
    out, model = tmp_path / "out", load(str(network))
    Batch(recordings, out, model=model).close()
    with pytest.raises(ConfigError, match=r"batch\.journal: cannot go on, since stored\.encoding \(was None, is f32\)"):
        Batch(recordings, out, model=model, stored=Output(encoding="f32"), resume=True)
    other = load(str(one_node(tmp_path / "other.onnx", "Neg")))
    with pytest.raises(ConfigError, match=r"work\.model\.architecture|work\.model\.name"):
        Batch(recordings, out, model=other, resume=True)


def test_an_input_that_changed_is_not_taken_for_finished(recordings: Path, network: Path, tmp_path: Path) -> None:
    run("batch", recordings, tmp_path / "out", "-n", network, code=3)
    time.sleep(0.01)
    soundfile.write(recordings / "one.wav", np.zeros(9), RATE)
    said = run("batch", recordings, tmp_path / "out", "-n", network, "--resume", code=3)
    assert "one.wav: exists; --force replaces it" in said
    assert soundfile.info(tmp_path / "out" / "one.wav").frames == 30_000


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, "wav"), (signal.SIGKILL, "flac")])
def test_a_stopped_batch_goes_on_where_it_was(number: signal.Signals, kind: str, network: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for index in range(3):
        sound = 0.5 * example_signal(1, 700_000)[0]
        soundfile.write(folder / f"{index}.wav", np.roll(sound, index), RATE, subtype="PCM_16")
    words = [*EAGER, "batch", str(folder), str(out), "-n", str(network), "--resume", "-f", kind]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as child:
        while not (out / f"1.{kind}.journal").exists():
            assert child.poll() is None
        child.send_signal(number)
        child.communicate()
    assert child.returncode == (130 if number == signal.SIGTERM else -signal.SIGKILL)
    assert {f"0.{kind}", f"1.{kind}.part", f"1.{kind}.journal", "batch.journal"} <= set(files(out))
    assert not (out / f"1.{kind}").exists()
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr.endswith("2 restored, 1 skipped, 0 failed\n")
    for index in range(3):
        api.restore(
            folder / f"{index}.wav", tmp_path / f"alone.{kind}", model=load(str(network)), stored=Output(force=True)
        )
        assert (out / f"{index}.{kind}").read_bytes() == (tmp_path / f"alone.{kind}").read_bytes()
    assert set(files(out)) == {f"0.{kind}", f"1.{kind}", f"2.{kind}", "batch.journal"}


def test_a_line_that_was_cut_is_forgotten_and_damage_is_named(recordings: Path, network: Path, tmp_path: Path) -> None:
    out, model = tmp_path / "out", load(str(network))
    with Batch(recordings, out, model=model) as batch:
        for item in batch.items[1:]:
            batch.restore(item)
    path = out / "batch.journal"
    whole = path.read_bytes()
    *lines, begun, _ = whole.splitlines(keepends=True)  # the last one begins, and is restored
    path.write_bytes(b"".join(lines) + begun[:-5])
    with Batch(recordings, out, model=model, resume=True) as again:
        assert [item.finished for item in again.items] == [False, True, False]
    assert whole.startswith(path.read_bytes())
    for damage in (b"{}\n", b"[\n", b"3\n", b'{"output": 3}\n' * 2, b"\xff\n", b"[" * 100_000 + b"\n"):
        path.write_bytes(damage)
        with pytest.raises(ConfigError, match=r"batch\.journal: (is damaged|cannot go on)"):
            Batch(recordings, out, model=model, resume=True)
    path.write_bytes(b"")  # it was stopped before it wrote anything
    Batch(recordings, out, model=model, resume=True).close()
    assert path.read_bytes().startswith(b"{")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--segment", "9"], "segment must be above 0"),
        (["--overlap", "1"], "overlap must be at least 0 and below 1"),
        (["--stems", "bass"], "no stem 'bass'"),
        (["-f", "nonsense"], "format 'nonsense' cannot be written"),
        (["-f", "flac", "--float32"], "flac cannot carry 'f32'"),
    ],
)
def test_an_option_that_fits_no_recording_is_refused_once_and_first(
    options: list[str], message: str, recordings: Path, network: Path, tmp_path: Path
) -> None:
    said = run("batch", recordings, tmp_path / "out", "-n", network, *options, code=1)
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_same_in_python(recordings: Path, network: Path, tmp_path: Path) -> None:
    begin = partial(Batch, recordings, tmp_path / "out", model=load(str(network)))
    with pytest.raises(ConfigError, match="segment must be above 0"):
        begin(restoration=Restoration(segment_seconds=9))
    with pytest.raises(ConfigError, match="flac cannot carry 'f32'"):
        begin(stored=Output("flac", "f32"))
    assert not (tmp_path / "out").exists()


def test_a_format_that_fits_some_recordings_is_tried_with_each(recordings: Path, network: Path, tmp_path: Path) -> None:
    with open_sink(recordings / "lossless.m4a", Spec(RATE, 1), container="alac") as sink:
        sink.write(0.5 * example_signal(1, 9000))
    said = run("batch", recordings, tmp_path / "out", "-n", network, "-f", "m4a", "--int16", code=3)
    assert "m4a cannot carry 's16'" in said
    assert set(files(tmp_path / "out")) == {"batch.journal", "lossless.m4a"}


def test_folders_that_clash_are_refused(recordings: Path, network: Path, tmp_path: Path) -> None:
    model = load(str(network))
    for outputs in (recordings, tmp_path, recordings / "side a" / ".."):
        with pytest.raises(ConfigError, match="holds the recordings themselves"):
            Batch(recordings, outputs, model=model)
    shutil.copy(recordings / "one.wav", recordings / "one.aif")
    with pytest.raises(ConfigError, match=r"one\.aif and .*one\.wav would both become .*one\.flac"):
        Batch(recordings, tmp_path / "out", model=model, stored=Output(container="flac"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no recordings"):
        Batch(tmp_path / "empty", tmp_path / "out", model=model)
    assert not (tmp_path / "out").exists()


def test_outputs_inside_the_inputs_are_no_inputs(recordings: Path, network: Path) -> None:
    out = recordings / "restored"
    run("batch", recordings, out, "-n", network, code=3)
    assert "0 restored, 2 skipped" in run("batch", recordings, out, "-n", network, "--resume", code=3)
    assert set(files(out)) == {"batch.journal", "one.wav", "side a/deep/two.FLAC"}
