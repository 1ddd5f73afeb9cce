"""Recordings in a bucket or on a web server come back as files do, and appear there when they are complete."""

import errno
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_helpers import ffmpeg, read_all, tape
from buckets import buckets
from fsspec import register_implementation
from fsspec.implementations.memory import MemoryFileSystem
from stopping import StoppedError, stop_after
from web import Web, web

from stream_restore import api
from stream_restore.audio import open_source
from stream_restore.audio.storage import Remote, retry
from stream_restore.degradation import Degradation
from stream_restore.errors import ClosedPipeError, ConfigError, SinkError, SourceError
from stream_restore.passes.job import Output

COMMAND = [sys.executable, "-m", "stream_restore"]
KINDS = ["wav", "flac", "mp3", "m4a", "ogg"]
PLAIN = Degradation(cutoff_hz=None, snr_db=None, bits=None, sample_rate=None)
NOTHING = ["--cutoff", "none", "--rate", "none", "--bits", "none", "--snr", "none"]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(retry, "WAITS", (0.0,) * len(retry.WAITS))


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    """A bucket of a real S3 server on loopback, s3://tapes, which child processes find, too."""
    with buckets() as found:
        yield found.bucket


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of sound in each kind of file."""
    folder = tmp_path_factory.mktemp("files")
    tape(folder / "in.wav", 2, 44100, 44100)
    for kind in KINDS[1:]:
        ffmpeg("-i", str(folder / "in.wav"), str(folder / f"in.{kind}"))
    return folder


@pytest.fixture
def server(files: Path) -> Iterator[Web]:
    with web(files) as found:
        yield found


def sound(target: str | Path) -> np.ndarray[Any, Any]:
    with open_source(target) as source:
        return read_all(source)


def keys(bucket: Any) -> set[str]:
    return {each.key for each in bucket.objects.all()}


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_of_a_bucket_is_heard_as_the_file(kind: str, bucket: Any, files: Path) -> None:
    bucket.upload_file(str(files / f"in.{kind}"), f"deep/in.{kind}")
    assert (sound(f"s3://tapes/deep/in.{kind}") == sound(files / f"in.{kind}")).all()


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_web_servers_file_is_heard_as_the_file(kind: str, ranges: bool, server: Web) -> None:
    server.ranges = ranges
    with open_source(f"{server.url}/in.{kind}") as source:
        assert source.rereadable == ranges
        assert (read_all(source) == sound(server.folder / f"in.{kind}")).all()


def test_only_what_is_needed_is_fetched(server: Web, tmp_path: Path) -> None:
    long = tape(server.folder / "long.wav", 2, 6_000_000, 44100)
    with open_source(f"{server.url}/long.wav") as source:
        assert source.frames == 6_000_000
        source.read(44100)
    assert server.sent < long.stat().st_size / 2
    long.unlink()


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("kind", ["wav", "m4a"])
def test_a_server_that_is_busy_or_cuts_off_is_asked_again(kind: str, ranges: bool, server: Web) -> None:
    server.ranges, server.busy, server.cuts = ranges, 2, 2
    assert (sound(f"{server.url}/in.{kind}") == sound(server.folder / f"in.{kind}")).all()
    assert server.busy == server.cuts == 0


def test_a_server_that_stays_busy_is_named_without_its_secrets(server: Web) -> None:
    server.busy = 1000
    url = f"http://me:hidden@{server.url.removeprefix('http://')}/in.wav?signature=hidden"
    with pytest.raises(SourceError, match=r"/in\.wav: .*503") as caught:
        sound(url)
    assert "hidden" not in str(caught.value)
    assert len(server.paths) < 30


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["flac", "mp3", "caf"])
def test_a_server_that_fails_at_any_request_makes_no_output_that_lacks_something(
    kind: str, server: Web, tmp_path: Path
) -> None:
    """Libraries take an error for the end of a file, as libsndfile, to which it cannot be told; or leave tags out."""
    given, codec = server.folder / f"tagged.{kind}", ["-c:a", "alac"] if kind == "caf" else []
    ffmpeg("-i", str(server.folder / "in.wav"), "-metadata", "title=Side A", *codec, str(given))
    api.degrade(given, tmp_path / "whole.flac", degradation=PLAIN)
    for good in range(100):
        server.good, out = good, tmp_path / f"{good}.flac"
        server.bad = 2 * (1 + len(retry.WAITS))  # each try asks twice
        with suppress(SourceError):
            api.degrade(f"{server.url}/{given.name}", out, degradation=PLAIN)
        if out.exists():
            assert out.read_bytes() == (tmp_path / "whole.flac").read_bytes()
        if server.good >= 0:  # it was asked less often
            break
    assert 2 < good < 99
    assert out.exists()


def test_what_is_not_there_is_said_at_once(bucket: Any, server: Web) -> None:
    with pytest.raises(SourceError, match=r"s3://tapes/none\.wav: cannot be opened: "):
        sound("s3://tapes/none.wav")
    with pytest.raises(SourceError, match=r"/none\.wav: cannot be opened: "):
        sound(f"{server.url}/none.wav")
    assert server.paths.count("/none.wav") <= 2


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_an_output_in_a_bucket_has_the_bytes_of_a_file(kind: str, bucket: Any, files: Path, tmp_path: Path) -> None:
    bucket.upload_file(str(files / "in.wav"), "in.wav")
    out = f"out-{kind}.{kind}"
    api.degrade("s3://tapes/in.wav", f"s3://tapes/{out}", degradation=PLAIN)
    api.degrade(files / "in.wav", tmp_path / out, degradation=PLAIN)
    assert bucket.Object(out).get()["Body"].read() == (tmp_path / out).read_bytes()


def test_an_output_larger_than_one_part_appears_when_it_is_complete(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    tape(tmp_path / "in.wav", 2, 14_000_000, 44100, "FLOAT")  # in parts from 100 MiB on
    command = [*COMMAND, "degrade", str(tmp_path / "in.wav"), "-o", "s3://tapes/long.wav", *NOTHING]
    with subprocess.Popen(command) as child:
        while not list(tmp_path.glob("stream-restore-*/long.wav.part")):
            assert child.poll() is None
        assert "long.wav" not in keys(bucket)
        child.send_signal(signal.SIGKILL)
    assert "long.wav" not in keys(bucket)
    assert subprocess.run(command, check=False).returncode == 0
    assert bucket.Object("long.wav").content_length > 8 * 14_000_000


def test_a_failure_leaves_nothing(bucket: Any, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = keys(bucket)
    with pytest.raises(StoppedError):
        api.degrade(files / "in.wav", "s3://tapes/out.wav", degradation=PLAIN, progress=stop_after(0))
    assert keys(bucket) == before
    assert not list(tmp_path.iterdir())


def test_what_exists_is_replaced_only_by_force(bucket: Any, files: Path) -> None:
    bucket.put_object(Key="precious.wav", Body=b"mine")
    with pytest.raises(SinkError, match=r"s3://tapes/precious\.wav: exists; --force replaces it"):
        api.degrade(files / "in.wav", "s3://tapes/precious.wav", degradation=PLAIN)
    assert bucket.Object("precious.wav").get()["Body"].read() == b"mine"
    api.degrade(files / "in.wav", "s3://tapes/precious.wav", degradation=PLAIN, stored=Output(force=True))
    assert (sound("s3://tapes/precious.wav") == sound(files / "in.wav")).all()


def test_what_cannot_be_stored_is_kept(
    bucket: Any, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(done: int, total: int | None) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(
        SinkError, match=r"s3://lost/out\.wav: cannot write: .*the finished sound is kept as "
    ) as caught:
        api.degrade(files / "in.wav", "s3://lost/out.wav", degradation=PLAIN, stored=Output(force=True))
    kept = Path(str(caught.value).rpartition("kept as ")[2])
    api.degrade(files / "in.wav", tmp_path / "out.wav", degradation=PLAIN)
    assert kept.read_bytes() == (tmp_path / "out.wav").read_bytes()


class Resetting(MemoryFileSystem):  # type: ignore[misc]
    """Storage that takes nothing."""

    protocol = "resetting"

    def put_file(self, *about: object, **more: object) -> None:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")


def test_a_connection_that_breaks_is_no_reader_that_went_away(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of whom would be no error."""
    register_implementation("resetting", Resetting, clobber=True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(SinkError, match="Connection reset by peer; the finished sound is kept as") as caught:
        api.degrade(files / "in.wav", "resetting://tapes/out.wav", degradation=PLAIN)
    assert not isinstance(caught.value, ClosedPipeError)
    assert Path(str(caught.value).rpartition("kept as ")[2]).is_file()


def test_a_stopped_run_from_a_url_goes_on(server: Web, tmp_path: Path) -> None:
    tape(server.folder / "long.wav", 2, 400_000, 8000)
    work: dict[str, Any] = {"degradation": PLAIN, "stored": Output()}
    with pytest.raises(StoppedError):
        api.degrade(f"{server.url}/long.wav", tmp_path / "a.wav", progress=stop_after(200_000), **work)
    assert not (tmp_path / "a.wav").exists()
    api.degrade(f"{server.url}/long.wav", tmp_path / "a.wav", resume=True, **work)
    api.degrade(server.folder / "long.wav", tmp_path / "b.wav", **work)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_an_object_is_not_its_own_output(bucket: Any, files: Path) -> None:
    bucket.upload_file(str(files / "in.wav"), "same.wav")
    with pytest.raises(ConfigError, match="is the input itself"):
        api.degrade("s3://tapes/same.wav", "s3://tapes/same.wav", degradation=PLAIN, stored=Output(force=True))


@pytest.mark.parametrize(
    ("url", "cure"),
    [
        ("abfs://tapes/in.wav", r"pip install 'stream_restore\[storage\]' adlfs"),
        ("nothing://tapes/in.wav", "s3, gs, sftp, https and others"),
        ("file:///tapes/in.wav", "give the path itself"),
        ("sftp://host:port/in.wav", "port"),
    ],
)
def test_storage_that_is_not_known_is_named_with_the_cure(url: str, cure: str) -> None:
    with pytest.raises(ConfigError, match=cure):
        open_source(url)


def test_a_web_server_takes_no_recordings(server: Web) -> None:
    with pytest.raises(ConfigError, match="takes no recordings"):
        api.degrade(server.folder / "in.wav", f"{server.url}/out.wav", degradation=PLAIN)


def test_a_folder_of_a_bucket_is_no_output(files: Path) -> None:
    with pytest.raises(ConfigError, match="give the name of an object"):
        api.degrade(files / "in.wav", "s3://tapes/", degradation=PLAIN)


def test_the_command_line_takes_urls_and_writes_here_by_default(server: Web, tmp_path: Path) -> None:
    command = [*COMMAND, "degrade", f"{server.url}/in.wav?signature=1", *NOTHING]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.degraded.wav"]


def test_an_upload_elsewhere_is_moved_when_it_is_complete(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_restore.audio.storage.remote._ATOMIC", frozenset())
    api.degrade(files / "in.wav", "memory://tapes/out.wav", degradation=PLAIN)
    assert (sound("memory://tapes/out.wav") == sound(files / "in.wav")).all()
    assert not Remote("memory://tapes/out.wav.part").exists()
    api.degrade(files / "in.wav", "memory://tapes/out.wav", degradation=PLAIN, stored=Output(force=True))
    assert (sound("memory://tapes/out.wav") == sound(files / "in.wav")).all()
