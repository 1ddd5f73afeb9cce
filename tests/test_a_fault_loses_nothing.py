"""A full disk, or a network that dies, is named; what was kept stays, and goes on when the cause is gone."""

import os
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from audio_helpers import child, tape
from cheap import EAGER, NOTHING, limited, one_node, run
from folders import names
from identity import Identity, identity
from numpy.typing import NDArray

from stream_restore import api
from stream_restore.errors import ModelError
from stream_restore.models.model import Member, Model
from stream_restore.restoration import Restoration
from stream_restore.spec import Audio


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
    long = one_node(tmp_path / "long.onnx", frames=240_000)
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


# A network that dies


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
@pytest.mark.usefixtures("every_block")
def test_a_worker_that_dies_leaves_what_can_go_on(error: Exception, jobs: int, tmp_path: Path) -> None:
    tape(tmp_path / "in.wav", 2, 300_000, 1000)
    manifest = identity().manifest

    def restore(out: str, backend: Identity, resume: bool = False) -> None:
        model, restoration = Model(manifest, (Member(backend, (1.0,)),)), Restoration(jobs=jobs)
        api.restore(tmp_path / "in.wav", tmp_path / out, model=model, restoration=restoration, resume=resume)

    with pytest.raises(type(error), match=str(error)):
        restore("out.wav", Failing(3000, error))
    assert names(tmp_path) == {"in.wav", "out.wav.part", "out.wav.journal"}
    restore("out.wav", Identity(), resume=True)
    restore("whole.wav", Identity())
    assert (tmp_path / "out.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()
    assert names(tmp_path) == {"in.wav", "out.wav", "whole.wav"}
