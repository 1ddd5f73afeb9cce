"""What one run is writing no other touches; the right to it ends with the process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cheap import COMMAND, EAGER, run
from folders import files
from stopping import under_way

from stream_restore.audio import open_sink
from stream_restore.audio.outputs.lock import Lock, refuse_busy
from stream_restore.errors import SinkError
from stream_restore.spec import Spec
from stream_restore.testing import example_signal

if sys.platform == "win32":
    pytest.skip("there are no such locks", allow_module_level=True)

import fcntl

RATE, FRAMES = 16000, 700_000
BUSY = ": another run is writing it; wait for its end, or give another name\n"
STEPS = ["--cutoff", "none", "--rate", "none", "--snr", "none"]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "tape.wav"
    soundfile.write(path, 0.5 * example_signal(1, FRAMES)[0], RATE, subtype="PCM_16")
    return path


@contextmanager
def halted(words: list[object], sign: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that stands still since `sign` appeared, and then ends well."""
    with under_way([*EAGER, *map(str, words)], sign) as child:
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        try:
            yield child
        finally:
            child.send_signal(signal.SIGCONT)
    assert child.returncode == 0


@pytest.mark.parametrize("name", ["out.wav", "out.flac"])
def test_a_second_run_is_refused_and_touches_nothing(name: str, recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / name
    out.parent.mkdir()
    words: list[object] = ["degrade", recording, *STEPS, "-o"]
    with halted([*words, out], out.with_name(name + ".journal")):
        before = files(out.parent)
        for more in ([], ["--resume"], ["--force"]):
            said = run(*words, out, *more, code=1)
            assert said == f"stream-restore: {out}.part{BUSY}"
            assert files(out.parent) == before
    run(*words, tmp_path / name)
    assert files(out.parent) == {name: (tmp_path / name).read_bytes()}


def test_a_second_run_is_refused_while_the_first_measures(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "out.wav"
    out.parent.mkdir()
    words: list[object] = ["degrade", recording, "--cutoff", "none", "--rate", "none", "-o"]
    with halted([*words, out], out.with_name("out.wav.first.journal")):
        before = files(out.parent)
        for more in ([], ["--resume"], ["--force"]):
            assert run(*words, out, *more, code=1) == f"stream-restore: {out}.part{BUSY}"
            assert files(out.parent) == before
    run(*words, tmp_path / "out.wav")
    assert files(out.parent) == {"out.wav": (tmp_path / "out.wav").read_bytes()}


def test_any_output_in_common_is_refused(recording: Path, network: Path, tmp_path: Path) -> None:
    out, residual = tmp_path / "out", tmp_path / "out" / "residual.wav"
    out.mkdir()
    words: list[object] = ["restore", recording, "-n", network, "--residual", residual, "-o"]
    with halted([*words, out / "one.wav"], out / "one.wav.journal"):
        before = files(out)
        assert run(*words, out / "other.wav", "--force", code=1).endswith(f"{residual}.part{BUSY}")
        assert files(out) == before
    assert set(files(out)) == {"one.wav", "residual.wav"}


def test_a_run_from_a_pipe_is_not_disturbed(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    words = [*COMMAND, *map(str, ["degrade", "-", *STEPS, "-o", out])]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        data = recording.read_bytes()
        child.stdin.write(data[: len(data) // 2])
        while not (tmp_path / "out.wav.part").exists():
            assert child.poll() is None
        assert run("degrade", recording, *STEPS, "-o", out, "--force", code=1).endswith(BUSY)
        child.stdin.write(data[len(data) // 2 :])
    assert child.returncode == 0
    run("degrade", recording, *STEPS, "-o", tmp_path / "whole.wav")
    assert out.read_bytes() == (tmp_path / "whole.wav").read_bytes()


def test_a_killed_run_locks_nothing(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    words: list[object] = ["degrade", recording, *STEPS, "-o", out]
    with subprocess.Popen([*EAGER, *map(str, words)]) as child:
        while not (tmp_path / "out.wav.journal").exists():
            assert child.poll() is None
        child.kill()
    run(*words, "--resume")
    assert out.exists()


def test_a_second_batch_is_refused_and_touches_nothing(recording: Path, network: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words: list[object] = ["batch", recording.parent, out, "-n", network]
    with halted(words, out / "tape.wav.journal"):
        before = files(out)
        for more in ([], ["--resume"], ["--force"]):
            assert run(*words, *more, code=1).endswith(f"{out / 'batch.journal'}{BUSY}")
            assert files(out) == before
    assert set(files(out)) == {"batch.journal", "tape.wav"}


def test_one_process_has_one_sink_for_a_file(tmp_path: Path) -> None:
    sink = open_sink(tmp_path / "tape.wav", Spec(RATE, 1))
    sink.write(np.ones((1, 1000), np.float32))
    with pytest.raises(SinkError, match="another run is writing it"):
        open_sink(tmp_path / "tape.wav", Spec(RATE, 1), force=True)
    sink.close()
    assert soundfile.info(tmp_path / "tape.wav").frames == 1000
    open_sink(tmp_path / "tape.wav", Spec(RATE, 1), force=True).abort()


def test_a_lock_is_free_when_it_is_released(tmp_path: Path) -> None:
    refuse_busy(tmp_path / "file")
    assert not (tmp_path / "file").exists()
    lock = Lock(tmp_path / "file")
    with pytest.raises(SinkError):
        refuse_busy(tmp_path / "file")
    lock.release()
    lock.release()
    refuse_busy(tmp_path / "file")
    Lock(tmp_path / "file").release()
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "none", create=False)


def test_a_file_that_got_its_name_before_it_was_locked_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between opening NAME.part and locking it, the run that has it may finish and rename it to NAME."""
    part, flock = tmp_path / "tape.wav.part", fcntl.flock
    part.write_text("finished")

    def late(file: int, operation: int) -> None:
        if part.exists() and part.read_text():
            part.rename(tmp_path / "tape.wav")
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    sink = open_sink(part.with_suffix(""), Spec(RATE, 1), force=True)
    assert (tmp_path / "tape.wav").read_text() == "finished"
    sink.abort()
    assert files(tmp_path) == {"tape.wav": b"finished"}
