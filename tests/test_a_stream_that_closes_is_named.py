"""A standard stream that closes is named, and nothing is half-written; where nobody hears of it, the work is done."""

import os
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


PRINTING = [["metrics", "{in}", "{in}"], ["models", "list"], ["models", "info", "compact"], ["--help"], ["--version"]]
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
"""Else nothing is left that could fail once more when the process ends."""


@pytest.mark.parametrize("words", PRINTING, ids=lambda words: " ".join(words[:2]))
@pytest.mark.parametrize(
    ("stdout", "message"),
    [
        (">&-", "stdout is closed; send it to a file or a pipe"),
        (">/dev/full", "stdout: cannot write: No space left on device"),
    ],
)
def test_what_cannot_be_printed_is_named(stdout: str, message: str, words: list[str], recording: Path) -> None:
    command = ["bash", "-c", f'exec "$@" {stdout}', "-", *COMMAND]
    words = [word.format(**{"in": recording}) for word in words]
    assert run(*words, code=1, command=command, env=BUFFERED) == f"stream-restore: {message}\n"


def test_a_reader_of_text_that_goes_away_ends_it_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    assert run("models", "list", stdout=writing, env=BUFFERED) == ""
    os.close(writing)


@pytest.mark.parametrize("words", [["degrade", *NOTHING], ["spectrogram"]], ids=lambda words: words[0])
def test_what_goes_to_the_disk_needs_no_stdout(words: list[str], recording: Path, tmp_path: Path) -> None:
    command = ["bash", "-c", 'exec "$@" >&-', "-", *COMMAND]
    assert run(*words, recording, "-o", tmp_path / "out.wav", command=command) == ""
    assert names(tmp_path) == {"out.wav"}


def test_a_stream_of_ones_own_that_fails_is_named(recording: Path) -> None:
    class Broken:
        name = "wire"

        def write(self, data: bytes) -> int:
            raise OSError(5, "Input/output error")

    wire: Any = Broken()
    stream: BinaryIO = wire
    with pytest.raises(SinkError, match="wire: cannot write: Input/output error"):
        api.degrade(recording, stream, power=1.0)
