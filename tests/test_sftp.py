"""Recordings on a server that is reached by SFTP: read, written, and what is wrong is said."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cheap import run
from folders import files
from ssh import Ssh, ssh

from stream_restore import Restoration, api
from stream_restore.audio.storage import retry
from stream_restore.errors import SourceError

HUM = Restoration(repairs=("hum",))


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries are two and follow each other at once."""
    monkeypatch.setattr(retry, "WAITS", (0.0,))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Ssh]:
    folder = tmp_path / "served"
    (folder / "in" / "side a").mkdir(parents=True)
    for number, name in enumerate(("a.wav", "side a/b.flac")):
        sound = 0.2 * np.random.default_rng(number).standard_normal(600_000)
        soundfile.write(folder / "in" / name, sound.clip(-1, 1), 16000, subtype="PCM_16")
    with ssh(folder) as found:
        yield found


def test_a_recording_is_read_and_written(server: Ssh, tmp_path: Path) -> None:
    api.restore(server.folder / "in" / "a.wav", tmp_path / "alone.wav", restoration=HUM)
    run("restore", f"{server.url}/in/a.wav", "-o", f"{server.url}/new/out.wav", "--repair", "hum")
    assert files(server.folder / "new") == {"out.wav": (tmp_path / "alone.wav").read_bytes()}
    said = run("restore", f"{server.url}/in/a.wav", "-o", f"{server.url}/new/out.wav", code=1)
    assert said.endswith("/new/out.wav: exists; --force replaces it\n")
    assert "secret" not in said
    run("restore", f"{server.url}/in/a.wav", "-o", f"{server.url}/new/out.wav", "--repair", "clicks", "--force")
    api.restore(server.folder / "in" / "a.wav", tmp_path / "other.wav", restoration=Restoration(repairs=("clicks",)))
    assert files(server.folder / "new") == {"out.wav": (tmp_path / "other.wav").read_bytes()}


def test_a_batch_goes_from_folder_to_folder(server: Ssh, tmp_path: Path) -> None:
    how = ["--degrade", "--cutoff", 3000, "--snr", 10]
    words = ["batch", f"{server.url}/in/", f"{server.url}/out/", *how, "--state", tmp_path / "state", "-j", 2]
    assert "2 degraded, 0 skipped, 0 failed" in run(*words)
    run("batch", server.folder / "in", tmp_path / "out", *how)
    assert {**files(server.folder / "out"), "batch.journal": b""} == {**files(tmp_path / "out"), "batch.journal": b""}
    assert "0 degraded, 2 skipped, 0 failed" in run(*words, "--resume")


def test_a_connection_that_breaks_is_made_again(server: Ssh, tmp_path: Path) -> None:
    api.restore(server.folder / "in" / "a.wav", tmp_path / "alone.wav", restoration=HUM)
    server.cuts = 1
    api.restore(f"{server.url}/in/a.wav", tmp_path / "out.wav", restoration=HUM)
    assert (server.cuts, server.connections) == (0, 2)
    assert (tmp_path / "out.wav").read_bytes() == (tmp_path / "alone.wav").read_bytes()


def test_who_may_not_come_in_asks_once(server: Ssh, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"in/a\.wav: cannot be opened: .*Authentication failed"):
        api.restore(f"{server.url.replace('secret', 'guess')}/in/a.wav", tmp_path / "out.wav", restoration=HUM)
    assert server.connections == 1
    with pytest.raises(SourceError, match="cannot be opened: No such file"):
        api.restore(f"{server.url}/in/gone.wav", tmp_path / "out.wav", restoration=HUM)
    server.url = "sftp://me:secret@127.0.0.1:9"
    with pytest.raises(SourceError, match=r"cannot be opened: .*Unable to connect"):
        api.restore(f"{server.url}/in/a.wav", tmp_path / "out.wav", restoration=HUM)


def test_without_its_library_the_error_says_what_to_install(server: Ssh) -> None:
    without = "import sys; sys.modules['paramiko'] = None; from stream_restore.cli.main import main; sys.exit(main())"
    said = run("restore", f"{server.url}/in/a.wav", code=1, command=[sys.executable, "-c", without])
    assert "pip install 'stream_restore[storage]'" in said
    assert said.count("\n") == 1
