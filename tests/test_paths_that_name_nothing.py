"""A path without a name ends in one clear line and exit code 1, whatever the command and whichever the option."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import soundfile
import typer
from cheap import COMMAND, NOTHING, run

from stream_restore.cli import paths
from stream_restore.cli.main import app, main
from stream_restore.testing import example_signal

RATE = 16000
NAMELESS = (".", "..", "/", "", "folder/..")
FILES = [
    "restore {}",
    "restore in.wav -o {}",
    "restore in.wav -o out.wav --residual {}",
    "restore - -o {}",
    "restore - --residual {}",
    "degrade {}",
    "degrade in.wav -o {}",
    "degrade - -o {}",
    "metrics {} in.wav",
    "metrics in.wav {}",
    "metrics - {}",
    "spectrogram {} -o out",
    "spectrogram in.wav {} -o out",
    "evaluate {} -o out",
    "evaluate in.wav {} -o out",
    "export htdemucs -o {}",
    "batch folder out --list {}",
    "batch folder out --report {}",
    "mushra analyse ratings.csv -o out --key {}",
]
FOLDERS = [
    "restore in.wav -o out.wav --save-stems {}",
    "restore in.wav -o out.wav --repo {}",
    "batch {} out",
    "batch folder {}",
    "spectrogram in.wav -o {}",
    "evaluate in.wav -o {}",
    "evaluate in.wav -o out --repo {}",
    "export htdemucs -o out.onnx --repo {}",
    "mushra build {} -o out",
    "mushra build folder -o {}",
    "mushra serve {}",
    "mushra analyse {} -o out",
    "mushra analyse ratings.csv -o {}",
]


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recording in the current folder, beside an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    soundfile.write("in.wav", example_signal(1, 800)[0], RATE, subtype="PCM_16")
    return Path("in.wav")


def refused(command: str, path: str, capsys: pytest.CaptureFixture[str], code: int = 1) -> str:
    """What a command says of a path, in this process: there are many."""
    assert main([path if word == "{}" else word for word in shlex.split(command)]) == code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said.splitlines()[-1]


@pytest.mark.parametrize("command", FILES)
def test_a_file_needs_a_name(command: str, recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path.cwd().iterdir())
    for path in NAMELESS:
        said = refused(command, path, capsys)
        assert said.startswith("Error: Invalid value for '")
        assert said.endswith(
            "name of a file or folder" if not path else f"{path!r} is a folder; give the name of a file"
        )
    assert sorted(Path.cwd().iterdir()) == before


@pytest.mark.parametrize("command", FOLDERS)
def test_a_folder_needs_a_word(command: str, recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(Path.cwd().iterdir())
    assert "a path is empty" in refused(command, "", capsys)
    assert sorted(Path.cwd().iterdir()) == before


def test_a_process_and_a_pipe_say_the_same(recording: Path) -> None:
    for words in (["restore", "."], ["degrade", ""], ["restore", "-", "-o", "."], ["degrade", "-", "-o", ""]):
        said = run(*words, code=1, stdin=recording.open("rb"), stdout=subprocess.DEVNULL)
        assert said.splitlines()[-1].startswith("Error: Invalid value for '")


def test_the_folder_one_is_in_is_a_folder_like_others(
    recording: Path, tmp_path: Path, network: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("restore", recording, "-o", "out.wav", "-n", network, "--save-stems", ".")
    assert Path("all.wav").exists()
    os.chdir("folder")
    run("batch", "..", ".", "-n", network)
    assert {path.name for path in Path().iterdir()} >= {"in.wav", "out.wav", "all.wav"}


def test_a_name_with_dots_is_a_name(recording: Path) -> None:
    for name in ("...", "..wav", "folder/../in.wav"):
        Path(name).write_bytes(recording.read_bytes())
        run("degrade", name, "-o", "folder/out.wav", "--force", *NOTHING)
        assert Path("folder/out.wav").read_bytes()[-1600:] == recording.read_bytes()[-1600:]


def parameters(commands: typer.Typer) -> Iterator[Any]:
    """What typer is told of all arguments and options."""
    for group in commands.registered_groups:
        assert group.typer_instance is not None
        yield from parameters(group.typer_instance)
    for command in commands.registered_commands:
        for hint in get_type_hints(command.callback, include_extras=True).values():
            yield from getattr(hint, "__metadata__", ())


def test_every_argument_and_option_that_is_a_path_is_checked() -> None:
    """Those whose word for their value is that of a path; a new one must be checked, too."""
    words = {"IN", "OUT", "FILE", "DIR", "[IN...] OUT_DIR", "REFERENCE", "ESTIMATE", "TEST", "MODEL.onnx"}
    words |= {"IN...", "[CLIP]...", "REPORT_OR_CLIPS...", "RATINGS..."}
    found = [each for each in parameters(app) if each.metavar in words]
    assert {each.metavar for each in found} == words
    checks = [getattr(paths, name) for name in paths.__all__]
    assert not [each.help for each in found if each.parser not in checks]


def test_an_empty_variable_of_a_shell_is_named(recording: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f'{shlex.join(COMMAND)} degrade "$UNSET"'], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.splitlines()[-1][:35]) == (1, "Error: Invalid value for 'IN': a pa")
