"""A file has its name only when it is complete; nothing is overwritten unasked; nothing half-written stays."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_helpers import child, noise, read_all, write_all

from stream_restore.audio import open_sink, open_source, refuse_same_file
from stream_restore.audio.formats import CONTAINERS
from stream_restore.errors import ClosedPipeError, ConfigError, SinkError, StreamError
from stream_restore.spec import Spec

STEREO = Spec(48000, 2)
SOUND = noise(2, 30_000)
KINDS = ["wav", "au", "raw", "flac", "ogg", "opus", "mp3", "m4a", "alac", "aac", "aiff", "caf", "w64", "mat5"]
KINDS += ["matroska", "webm", "mov", "wv", "tta"]


@pytest.mark.parametrize("container", KINDS)
def test_the_name_appears_when_all_is_written(container: str, tmp_path: Path) -> None:
    path = tmp_path / "tape"
    sink = open_sink(path, STEREO, container=container)
    sink.write(SOUND)
    assert os.listdir(tmp_path) == ["tape.part"]
    sink.close()
    sink.close()
    assert os.listdir(tmp_path) == ["tape"]
    with pytest.raises(StreamError, match="is closed"):
        sink.write(SOUND)


@pytest.mark.parametrize("container", KINDS)
def test_giving_up_leaves_nothing(container: str, tmp_path: Path) -> None:
    def fail() -> None:
        with open_sink(tmp_path / "tape", STEREO, container=container) as sink:
            sink.write(SOUND)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert os.listdir(tmp_path) == []
    open_sink(tmp_path / "tape", STEREO, container=container).abort()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("container", KINDS)
def test_a_full_disk_leaves_nothing(container: str, tmp_path: Path) -> None:
    # A limit on the size of files fails as a full disk does: in the middle of a write.
    code = """
import sys, resource, numpy as np
from stream_restore.audio import open_sink
from stream_restore.errors import SinkError
from stream_restore.spec import Spec
sound = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 100_000)).astype(np.float32)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    with open_sink(sys.argv[1], Spec(48000, 2), container=sys.argv[2]) as sink:
        for _ in range(5):
            sink.write(sound)
except SinkError as error:
    print(error)
"""
    done = child(code, tmp_path / "tape", container)
    assert done.stdout.decode() == f"{tmp_path / 'tape'}: cannot write: File too large\n"
    assert done.stderr == b""
    assert os.listdir(tmp_path) == []


def test_a_full_device_is_an_error_at_the_end_at_the_latest() -> None:
    with pytest.raises(SinkError, match="/dev/full: cannot write: No space left on device"):
        write_all(open_sink("/dev/full", STEREO), SOUND, 100)


def test_a_device_stays_a_device() -> None:
    write_all(open_sink("/dev/null", STEREO), SOUND, 1000)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_existing_files_need_force(tmp_path: Path) -> None:
    path = tmp_path / "tape.wav"
    path.write_text("precious")
    with pytest.raises(SinkError, match="exists; --force replaces it"):
        open_sink(path, STEREO)
    sink = open_sink(path, STEREO, force=True)
    sink.write(SOUND)
    assert path.read_text() == "precious"
    sink.close()
    assert soundfile.info(path).frames == 30_000


def test_a_file_that_came_to_exist_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "tape.wav"
    sink = open_sink(path, STEREO)
    sink.write(SOUND)
    path.write_text("precious")
    with pytest.raises(SinkError, match="came to exist meanwhile; the finished sound is kept as "):
        sink.close()
    assert path.read_text() == "precious"
    assert soundfile.info(tmp_path / "tape.wav.part").frames == 30_000


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "tape.wav").write_text("old")
    (tmp_path / "link.wav").symlink_to(tmp_path / "store" / "tape.wav")
    write_all(open_sink(tmp_path / "link.wav", STEREO, force=True), SOUND, 5000)
    assert (tmp_path / "link.wav").is_symlink()
    assert soundfile.info(tmp_path / "store" / "tape.wav").frames == 30_000


def test_impossible_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="is a folder; give the name of a file"):
        open_sink(tmp_path, STEREO, container="wav", force=True)
    with pytest.raises(SinkError, match="nowhere does not exist; make it first"):
        open_sink(tmp_path / "nowhere" / "tape.wav", STEREO)
    with pytest.raises(SinkError, match="the folder /dev/null does not exist"):
        open_sink("/dev/null/tape.wav", STEREO)


def test_impossible_formats_are_named_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written; those that can: wav, rf64"):
        open_sink(tmp_path / "tape.xyz", STEREO)
    with pytest.raises(ConfigError, match="flac cannot carry 'f32'; it can carry s16, s24"):
        open_sink(tmp_path / "tape.flac", STEREO, encoding="f32")
    with pytest.raises(ConfigError, match="w64 cannot be written to a pipe; wav, au, raw, flac, ogg"):
        open_sink("/dev/null", STEREO, container="w64")
    with pytest.raises(ConfigError, match="mp3 cannot hold 6 channels"):
        open_sink(tmp_path / "tape.mp3", Spec(44100, 6))
    with pytest.raises(ConfigError, match="libmp3lame goes up to 48000 Hz, got 96000"):
        open_sink(tmp_path / "tape.mp3", Spec(96000, 2))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("container", [name for name, kind in CONTAINERS.items() if kind.limit])
def test_a_length_that_a_container_cannot_hold_is_refused_at_once(container: str, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="bytes; wav, caf, w64 and flac hold more"):
        open_sink(tmp_path / "tape", Spec(8000, 1), container=container, frames=2**32)
    assert os.listdir(tmp_path) == []


def test_input_and_output_must_differ(tmp_path: Path) -> None:
    path = tmp_path / "tape.wav"
    soundfile.write(path, SOUND.T, 48000)
    (tmp_path / "link.wav").symlink_to(path)
    os.link(path, tmp_path / "other.wav")
    for same in (path, str(path), tmp_path / "link.wav", tmp_path / "other.wav"):
        with pytest.raises(ConfigError, match="is the input itself; give the output another name"):
            refuse_same_file(path, same)
    for other in (tmp_path / "new.wav", "-", sys.stdout.buffer):
        refuse_same_file(path, other)
    refuse_same_file("-", "-")


@pytest.mark.parametrize("container", ["wav", "flac", "ogg", "mp3"])
def test_a_reader_that_goes_away_is_a_closed_pipe(container: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    loud = np.random.default_rng(0).uniform(-1, 1, (2, 200_000)).astype(np.float32)
    with os.fdopen(writing, "wb", buffering=0) as pipe, pytest.raises(ClosedPipeError, match="its reader went away"):
        write_all(open_sink(pipe, STEREO, container=container), loud, 10_000)


def test_stdout_ends_quietly_when_its_reader_does() -> None:
    code = """
import sys, numpy as np
from stream_restore.audio import open_sink
from stream_restore.errors import ClosedPipeError
from stream_restore.spec import Spec
try:
    with open_sink("-", Spec(48000, 2)) as sink:
        while True:
            sink.write(np.zeros((2, 10_000), np.float32))
except ClosedPipeError:
    sys.exit(7)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        assert len(writer.stdout.read(1000)) == 1000
        writer.stdout.close()
        assert writer.stderr.read() == b""
    assert writer.returncode == 7


def test_a_killed_run_leaves_only_its_part(tmp_path: Path) -> None:
    code = """
import os, sys, signal
from stream_restore.audio import open_sink
from stream_restore.spec import Spec
import numpy as np
sink = open_sink(sys.argv[1], Spec(48000, 2))
sink.write(np.ones((2, 100_000), np.float32))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert child(code, tmp_path / "tape.wav").returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == ["tape.wav.part"]
    # What reached the disk can be heard: its header says "until the end".
    with open_source(tmp_path / "tape.wav.part") as source:
        assert read_all(source).shape[1] > 90_000
    write_all(open_sink(tmp_path / "tape.wav", STEREO), SOUND, 1000)
    assert os.listdir(tmp_path) == ["tape.wav"]
