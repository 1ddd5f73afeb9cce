"""`stream-restore`, `python -m stream_restore` and Tab in a shell: three ways to one command line."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from cheap import NOTHING

import stream_restore

ROOT = Path(__file__).parents[1]
SCRIPT = [str(Path(sys.executable).with_name("stream-restore"))]
MODULE = [sys.executable, "-m", "stream_restore"]


def run(command: list[str], *words: str, data: bytes = b"", **environment: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [*command, *words], input=data, capture_output=True, env=os.environ | environment, timeout=60, check=False
    )


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["restore", "--help"], ["restore", "."], ["nonsense"]])
def test_the_module_and_the_command_say_the_same(words: list[str]) -> None:
    module, script = run(MODULE, *words), run(SCRIPT, *words)
    assert module.args != script.args
    assert (module.returncode, module.stdout, module.stderr) == (script.returncode, script.stdout, script.stderr)
    assert b"Traceback" not in module.stderr


def test_the_module_is_the_version_it_is_imported_as() -> None:
    assert run(MODULE, "--version").stdout.decode() == f"stream-restore {stream_restore.__version__}\n"


@pytest.mark.parametrize(("chosen", "used"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "2"}, "2")])
def test_blas_has_one_thread_unless_something_else_is_asked_for(chosen: dict[str, str], used: str) -> None:
    """On busy cores, threads of small products wait for each other ten times as long as the work takes."""
    script = """
import os, sys
from stream_restore.cli.__main__ import main
assert "numpy" not in sys.modules
sys.argv = ["stream-restore", "--version"]
try:
    main()
finally:
    print(os.environ["OPENBLAS_NUM_THREADS"])
"""
    environment = {key: value for key, value in os.environ.items() if key != "OPENBLAS_NUM_THREADS"} | chosen
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split()[-1] == used


def test_the_module_works_on_files_and_in_pipes(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    assert run(MODULE, "degrade", str(recording), "-o", str(out), *NOTHING).returncode == 0
    piped = run(MODULE, "degrade", "-", *NOTHING, data=recording.read_bytes())
    assert out.read_bytes()[-1_200_000:] == piped.stdout[-1_200_000:] == recording.read_bytes()[-1_200_000:]


# Completion


def completed(line: str) -> list[str]:
    """What a shell is told about the last word of a line, by the protocol of typer's script for bash."""
    word = str(len(line.split(" ")) - 1)
    done = run(SCRIPT, _STREAM_RESTORE_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=word)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().split()


def test_commands_options_and_their_words_are_completed() -> None:
    assert completed("stream-restore re") == ["restore"]
    assert completed("stream-restore restore --save") == ["--save-stems"]
    assert completed("stream-restore restore --clip-mode ta") == ["tanh"]
    assert completed("stream-restore mushra an") == ["analyse"]


def test_a_shell_completes_names_of_files_where_the_command_knows_none(tmp_path: Path) -> None:
    """In a real bash: what typer's script gives, and else files, as `complete -o default` says."""
    bash = shutil.which("bash")
    assert bash
    shown = run(SCRIPT, _STREAM_RESTORE_COMPLETE="source_bash").stdout.decode()
    assert re.search(r"complete -o default -F \w+ stream-restore", shown)
    ask = "COMP_WORDS=(stream-restore degr); COMP_CWORD=1; _stream_restore_completion stream-restore; echo $COMPREPLY"
    path = f"{Path(SCRIPT[0]).parent}:{os.environ['PATH']}"
    assert run([bash, "-c", f"{shown}\n{ask}"], PATH=path).stdout == b"degrade\n"


def test_the_readme_names_options_for_completion_that_exist() -> None:
    said = (ROOT / "README.md").read_text("utf-8")
    shown = run(SCRIPT, "--help").stdout.decode()
    for option in ("--install-completion", "--show-completion"):
        assert option in said
        assert option in shown


# Pythons


def test_the_classifiers_name_the_pythons_from_the_oldest_supported_on() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = re.findall(r"Programming Language :: Python :: 3\.(\d+)", "\n".join(project["classifiers"]))
    assert project["requires-python"] == f">=3.{named[0]}"
    assert list(map(int, named)) == list(range(int(named[0]), int(named[-1]) + 1))
    looked_for = re.search(r"type -aP .*", (ROOT / "scripts/environment").read_text("utf-8"))
    assert looked_for
    assert all(f"python3.{minor} " in looked_for[0] for minor in named)
