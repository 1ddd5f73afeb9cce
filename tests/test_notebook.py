"""The notebook runs from its first cell to its last, and says what it promises."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from stream_restore.testing import example_signal

NOTEBOOK = Path(__file__).parents[1] / "scripts" / "experiment.ipynb"


def cells(kind: str) -> list[str]:
    found = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in found if cell["cell_type"] == kind]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What all cells print, run one after the other where the notebook lies, for a short clip."""
    folder = tmp_path_factory.mktemp("notebook")
    soundfile.write(folder / "clip.wav", example_signal(2, 3 * 44100).T, 44100)
    environment = os.environ | {"CLIP": str(folder / "clip.wav"), "TMPDIR": str(folder), "MPLBACKEND": "Agg"}
    done = subprocess.run(
        [sys.executable, "-c", "\n\n".join(cells("code"))],
        capture_output=True,
        text=True,
        check=False,
        cwd=NOTEBOOK.parent,
        env=environment | {"PYTHONPATH": os.pathsep.join(["", str(NOTEBOOK.parent)])},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_runs_and_finds_the_slip_that_it_made(said: str) -> None:
    # What is lost above the cut-off lowers the factor that fits best.
    assert re.search(r"found: 16000 frames early, times 1[12]\d\.", said)
    assert "BSS-eval SDR" in said


def test_its_viewer_is_complete(said: str) -> None:
    page = Path(said.splitlines()[-1])
    assert page.is_file()
    assert (page.parent / "recording.js").is_file()
    assert (page.parents[1] / "figures.png").is_file()


def test_it_is_kept_without_output() -> None:
    found = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert all(not cell["outputs"] for cell in found if cell["cell_type"] == "code")
    assert len(cells("markdown")) >= 6
