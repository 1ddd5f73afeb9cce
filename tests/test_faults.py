"""Whatever goes wrong is said clearly, nothing is lost that was kept, and no output is half-named.

The faults are real: small disks, closed pipes, files that change, networks that fail.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import soundfile
from audio_helpers import child
from cheap import COMMAND, EAGER, one_node, run
from identity import Identity, identity
from numpy.typing import NDArray

from stream_restore import api, journal
from stream_restore.audio import parse_raw
from stream_restore.degradation import Degradation
from stream_restore.errors import ModelError, SinkError, SourceError
from stream_restore.job import Output
from stream_restore.models.model import Model, Voice
from stream_restore.restoration import Restoration
from stream_restore.spec import Audio
from stream_restore.testing import example_signal

RATE, FRAMES = 16000, 600_000
NOTHING = ["--cutoff", "none", "--rate", "none", "--bits", "none", "--snr", "none"]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return one_node(tmp_path_factory.mktemp("model") / "identity.onnx")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than a megabyte of sound."""
    path = tmp_path_factory.mktemp("recordings") / "in.wav"
    soundfile.write(path, 0.5 * example_signal(1, FRAMES)[0], RATE, subtype="PCM_16")
    return path


def mount(folder: Path, options: str) -> None:
    """A disk in memory, or another size of one."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk needs the right to mount: {done.stderr.decode().strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount(folder, "size=1m")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def limited(command: list[str], kilobytes: int) -> list[str]:
    """A command that can write no file beyond this size: what a full disk is where nothing can be mounted."""
    return ["bash", "-c", f'ulimit -f {kilobytes}; exec "$@"', "-", *command]


# A disk that is full


def test_a_full_disk_leaves_what_can_go_on_when_there_is_room(disk: Path, recording: Path, network: Path) -> None:
    words = ["restore", recording, "-n", network, "--resume", "-o"]
    assert "cannot write: No space left on device" in run(*words, disk / "out.wav", code=1, command=EAGER)
    assert names(disk) == {"out.wav.part", "out.wav.journal"}
    assert "No space left" in run(*words, disk / "out.wav", code=1, command=EAGER)
    assert names(disk) == {"out.wav.part", "out.wav.journal"}
    mount(disk, "size=16m,remount")
    run(*words, disk / "out.wav", command=EAGER)
    api.restore(recording, disk / "whole.wav", model=str(network))
    assert (disk / "out.wav").read_bytes() == (disk / "whole.wav").read_bytes()
    assert names(disk) == {"out.wav", "whole.wav"}


def test_a_size_that_is_forbidden_leaves_what_can_go_on(tmp_path: Path, recording: Path, network: Path) -> None:
    words = ["restore", recording, "-n", network, "--resume", "-o"]
    out = tmp_path / "out.wav"
    assert "out.wav: cannot write: File too large" in run(*words, out, code=1, command=limited(EAGER, 600))
    assert names(tmp_path) == {"out.wav.part", "out.wav.journal"}
    run(*words, out, command=EAGER)
    api.restore(recording, tmp_path / "whole.wav", model=str(network))
    assert out.read_bytes() == (tmp_path / "whole.wav").read_bytes()


def test_a_full_disk_without_a_checkpoint_leaves_nothing(disk: Path, recording: Path) -> None:
    assert "No space left" in run("degrade", recording, *NOTHING, "-o", disk / "out.wav", code=1)
    assert names(disk) == set()


def test_a_journal_that_has_no_room_is_named(disk: Path, recording: Path, tmp_path: Path) -> None:
    long = one_node(tmp_path / "long.onnx", frames=15 * RATE)
    said = run("restore", recording, "-n", long, "-o", disk / "out.wav", code=1, command=EAGER)
    assert "out.wav.journal: cannot write: No space left on device" in said
    assert names(disk) == set()


def test_a_full_folder_for_temporary_files_is_named_with_its_cure(disk: Path, recording: Path, tmp_path: Path) -> None:
    with recording.open("rb") as pipe:
        environment = os.environ | {"TMPDIR": str(disk)}
        said = run("degrade", "-", "-o", tmp_path / "out.wav", code=1, input=pipe.read(), env=environment)
    assert f"cannot be kept in {disk}: No space left on device; set TMPDIR" in said
    assert names(disk) == set()
    assert not list(tmp_path.glob("out*"))


def test_a_full_device_is_named(recording: Path) -> None:
    assert "/dev/full: cannot write: No space" in run("degrade", recording, *NOTHING, "-o", "/dev/full", code=1)
    with open("/dev/full", "wb") as full:
        assert "stdout: cannot write: No space" in run("degrade", recording, *NOTHING, "-o", "-", code=1, stdout=full)


def test_a_target_that_is_read_only_is_named(disk: Path, recording: Path) -> None:
    mount(disk, "ro,remount")
    for words in (["-o", disk / "out.wav"], ["-o", disk / "out.wav", "--resume"]):
        assert "out.wav: cannot be created: Read-only file system" in run("degrade", recording, *words, code=1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every folder")
def test_a_folder_that_is_forbidden_is_named(tmp_path: Path, recording: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    said = run("degrade", recording, "-o", tmp_path / "closed" / "out.wav", code=1)
    assert "out.wav: cannot be created: Permission denied" in said


# An input that changes


def degrade_and(act: Callable[[], object], path: Path, **options: Any) -> api.Report:
    """Degrade a file, and do something to it after its first block."""
    blocks = count()

    def progress(done: int, total: int | None) -> None:
        if next(blocks) == 0:
            act()

    degradation = Degradation(cutoff_hz=None, sample_rate=None, bits=None, snr_db=None)
    return api.degrade(path, path.with_name("out.wav"), degradation=degradation, progress=progress, **options)


@pytest.fixture
def growing(tmp_path: Path) -> Path:
    """Headerless samples: nothing says how many there are."""
    path = tmp_path / "in.raw"
    path.write_bytes(np.arange(200_000, dtype="<i2").tobytes())
    return path


RAW = parse_raw("s16:8000:1")


def test_an_input_that_grows_is_read_to_its_end_and_named(growing: Path) -> None:
    def grow() -> None:
        with growing.open("ab") as file:
            file.write(bytes(20_000))

    report = degrade_and(grow, growing, raw=RAW, stored=Output(container="raw"))
    assert report.frames == 210_000
    assert (growing.parent / "out.wav").read_bytes() == growing.read_bytes()
    assert "changed while it was read, from 400000 to 420000 bytes" in report.warnings[0]


def test_an_input_that_is_cut_while_it_is_read_gives_no_output(growing: Path) -> None:
    with pytest.raises(SourceError, match="changed while it was read, from 400000 to 100000 bytes"):
        degrade_and(lambda: os.truncate(growing, 100_000), growing, raw=RAW)
    assert names(growing.parent) == {"in.raw"}


def test_an_input_that_is_rewritten_is_named(growing: Path) -> None:
    report = degrade_and(lambda: growing.write_bytes(bytes(400_000)), growing, raw=RAW)
    assert "changed while it was read" in report.warnings[0]


def test_an_input_that_is_deleted_is_read_to_its_end(growing: Path) -> None:
    whole = growing.read_bytes()
    report = degrade_and(growing.unlink, growing, raw=RAW, stored=Output(container="raw"))
    assert (growing.parent / "out.wav").read_bytes() == whole
    assert report.warnings == []


def test_a_pipe_that_ends_early_is_named(recording: Path, tmp_path: Path) -> None:
    half = recording.read_bytes()[: 44 + FRAMES]
    said = run("degrade", "-", *NOTHING, "-o", tmp_path / "out.wav", input=half)
    assert f"ends at frame {FRAMES // 2} (0:00:18.750), its header says {FRAMES}" in said
    assert soundfile.info(tmp_path / "out.wav").frames == FRAMES // 2


# A pipe that closes


def test_files_beside_a_closed_pipe_are_named_and_not_written(recording: Path, network: Path, tmp_path: Path) -> None:
    words = ["restore", recording, "-n", network, "-o", "-", "--residual", tmp_path / "residual.wav"]
    with subprocess.Popen([*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(100)
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 1
    assert said.endswith("stdout: its reader went away; not written: " + str(tmp_path / "residual.wav") + "\n")
    assert names(tmp_path) == set()


@pytest.mark.parametrize("deaf", ["2>&-", "2>/dev/full", "2> >(head -c 1 >/dev/null)"])
def test_the_work_is_done_though_nobody_hears_of_it(deaf: str, recording: Path, tmp_path: Path) -> None:
    words = ["degrade", recording, *NOTHING, "-o", tmp_path / "out.wav", "--progress", "json"]
    done = subprocess.run(
        ["bash", "-c", f'"$@" {deaf}', "-", *COMMAND, *map(str, words)], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"")
    assert (soundfile.read(tmp_path / "out.wav")[0] == soundfile.read(recording)[0]).all()


@pytest.mark.parametrize(
    ("closed", "words", "code", "message"),
    [
        (">&-", ["{in}", "-o", "-"], 1, "stdout is closed; name a file with -o"),
        ("<&-", ["-", "-o", "{out}"], 2, "stdin is closed; give the name of a file"),
    ],
)
def test_a_standard_stream_that_is_closed_is_named(
    closed: str, words: list[str], code: int, message: str, recording: Path, tmp_path: Path
) -> None:
    words = [word.format(**{"in": recording, "out": tmp_path / "out.wav"}) for word in words]
    command = ["bash", "-c", f'exec "$@" {closed}', "-", *COMMAND]
    assert message in run("degrade", *NOTHING, *words, code=code, command=command)
    assert names(tmp_path) == set()


# A network that fails


class Failing(Identity):
    """Fails once it has worked `good` times."""

    def __init__(self, good: int, error: Exception) -> None:
        super().__init__()
        self._calls, self._good, self._error = count(), good, error

    def separate(self, segment: Audio) -> NDArray[np.float32]:
        if next(self._calls) >= self._good:
            raise self._error
        return super().separate(segment)


@pytest.mark.parametrize("error", [ModelError("the device went away"), MemoryError("no room"), RuntimeError("other")])
@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_a_worker_that_dies_leaves_what_can_go_on(
    error: Exception, jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "EVERY_SECONDS", 0)
    monkeypatch.setattr(journal, "SHARE", 0)
    soundfile.write(tmp_path / "in.wav", 0.5 * example_signal(2, 300_000).T, 1000)
    manifest = identity().manifest

    def restore(out: str, backend: Identity, resume: bool = False) -> None:
        model, restoration = Model(manifest, (Voice(backend, (1.0,)),)), Restoration(jobs=jobs)
        api.restore(tmp_path / "in.wav", tmp_path / out, model=model, restoration=restoration, resume=resume)

    with pytest.raises(type(error), match=str(error)):
        restore("out.wav", Failing(3000, error))
    assert names(tmp_path) == {"in.wav", "out.wav.part", "out.wav.journal"}
    restore("out.wav", Identity(), resume=True)
    restore("whole.wav", Identity())
    assert (tmp_path / "out.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()
    assert names(tmp_path) == {"in.wav", "out.wav", "whole.wav"}


@pytest.mark.parametrize(("sample", "jobs"), [(-1.0, 1), (-1.0, 3), (0.0, 1)])
def test_what_a_network_gives_that_is_no_number_is_named_with_its_time(
    sample: float, jobs: int, tmp_path: Path
) -> None:
    """A logarithm is NaN below 0 and infinite at 0."""
    logarithm = one_node(tmp_path / "log.onnx", "Log")
    sound = np.full(100_000, 0.5, np.float32)
    sound[[55_555, 77_777]] = sample
    soundfile.write(tmp_path / "in.wav", sound, RATE, subtype="FLOAT")
    said = run("restore", tmp_path / "in.wav", "-n", logarithm, "-j", jobs, "-o", tmp_path / "out.wav", code=1)
    assert "model Log gave a sample that is not finite at frame 55555 (3.472 s)" in said
    assert names(tmp_path) == {"in.wav", "log.onnx"}


def test_what_becomes_no_number_after_the_network_is_never_written(tmp_path: Path) -> None:
    sound = np.zeros((1000, 2), np.float32)
    sound[700, 1] = 1e37
    soundfile.write(tmp_path / "in.wav", sound, 1000, subtype="FLOAT")
    with np.errstate(over="ignore"), pytest.raises(SinkError, match=r"inf at frame 700 \(0:00:00.700\), channel 2"):
        api.restore(tmp_path / "in.wav", tmp_path / "out.wav", model=identity(gain=100.0))
    assert names(tmp_path) == {"in.wav"}


def test_denormal_samples_pass_a_network_untouched(network: Path, tmp_path: Path) -> None:
    smallest = np.float32(1.4e-45)
    sound = np.arange(1, 50_001, dtype=np.float32) * smallest
    soundfile.write(tmp_path / "in.wav", sound, RATE, subtype="FLOAT")
    run("restore", tmp_path / "in.wav", "-n", network, "-o", tmp_path / "out.wav")
    heard = soundfile.read(tmp_path / "out.wav", dtype="float32")[0]
    assert np.abs(heard - sound).max() <= smallest  # the last digit of a weighted mean
    assert heard[0] > 0


def test_denormal_samples_pass_every_step_of_the_chain(tmp_path: Path) -> None:
    sound = np.full((20_000, 1), 1e-42, np.float32)
    soundfile.write(tmp_path / "in.wav", sound, 32000, subtype="FLOAT")
    api.degrade(tmp_path / "in.wav", tmp_path / "out.wav")
    assert np.abs(soundfile.read(tmp_path / "out.wav")[0]).max() <= 1.0


# A clock that jumps


@pytest.mark.parametrize("step", [-1e9, 1e9])
def test_no_clock_changes_a_byte(step: float, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def degrade(out: str, progress: Any = None) -> bytes:
        api.degrade(recording, tmp_path / out, progress=progress)
        return (tmp_path / out).read_bytes()

    expected = degrade("whole.wav")
    ticks = count()
    for clock in ("time", "monotonic", "perf_counter"):
        monkeypatch.setattr(time, clock, lambda: 1e6 + step * next(ticks))
    from stream_restore.cli.progress import progress

    with progress("json", quiet=False) as meter:
        assert degrade("out.wav", meter) == expected
    assert names(tmp_path) == {"out.wav", "whole.wav"}


def test_a_stream_of_ones_own_that_fails_is_named(recording: Path) -> None:
    class Broken:
        name = "wire"

        def write(self, data: bytes) -> int:
            raise OSError(5, "Input/output error")

    wire: Any = Broken()
    stream: BinaryIO = wire
    with pytest.raises(SinkError, match="wire: cannot write: Input/output error"):
        api.degrade(recording, stream, power=1.0)


def test_what_is_kept_survives_a_disk_that_is_full_at_the_very_end(tmp_path: Path) -> None:
    """An odd number of bytes in a WAV is followed by one more: the one for which there is no room."""
    code = """
import os, resource, sys
import numpy as np
from stream_restore.audio import open_sink
from stream_restore.errors import SinkError
from stream_restore.spec import Spec
sinks = [open_sink(name, Spec(8000, 1), encoding="u8") for name in ("kept.wav", "other.wav")]
sinks[0].keep()
for sink in sinks:
    sink.write(np.zeros((1, 1001), np.float32))
resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize("kept.wav.part"),) * 2)
for sink in sinks:
    try:
        sink.close()
    except SinkError as error:
        print(error)
"""
    done = child(code, cwd=tmp_path)
    assert done.stdout.decode().count("cannot write: File too large") == 2, done.stderr.decode()
    assert names(tmp_path) == {"kept.wav.part"}
