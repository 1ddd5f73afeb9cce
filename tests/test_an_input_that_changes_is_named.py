"""An input that changes while it is read is named; one that became shorter gives no output."""

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from cheap import NOTHING, run
from folders import names

from stream_restore import api
from stream_restore.audio import parse_raw
from stream_restore.degradation import Degradation
from stream_restore.errors import SourceError
from stream_restore.passes.job import Output

RAW = parse_raw("s16:8000:1")


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
    half = recording.read_bytes()[: 44 + 2 * 300_000]
    said = run("degrade", "-", *NOTHING, "-o", tmp_path / "out.wav", input=half)
    assert "ends at frame 300000 (0:00:18.750), its header says 600000" in said
    assert soundfile.info(tmp_path / "out.wav").frames == 300_000
