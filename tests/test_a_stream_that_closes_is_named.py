"""A standard stream that closes is named, and nothing is half-written; where nobody hears of it, the work is done."""

import subprocess
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import soundfile
from cheap import COMMAND, NOTHING, run
from folders import names

from stream_restore import api
from stream_restore.errors import SinkError


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


def test_a_stream_of_ones_own_that_fails_is_named(recording: Path) -> None:
    class Broken:
        name = "wire"

        def write(self, data: bytes) -> int:
            raise OSError(5, "Input/output error")

    wire: Any = Broken()
    stream: BinaryIO = wire
    with pytest.raises(SinkError, match="wire: cannot write: Input/output error"):
        api.degrade(recording, stream, power=1.0)
