"""No clock changes a byte of an output."""

import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from folders import names

from stream_restore import api


@pytest.mark.parametrize("step", [-1e9, 1e9])
def test_no_clock_changes_a_byte(step: float, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def degrade(out: str, progress: Any = None) -> bytes:
        api.degrade(recording, tmp_path / out, progress=progress)
        return (tmp_path / out).read_bytes()

    expected = degrade("whole.wav")
    ticks = count()
    for clock in ("time", "monotonic", "perf_counter"):
        monkeypatch.setattr(time, clock, lambda: 1e6 + step * next(ticks))
    from stream_restore.cli.progress import progress

    with progress("json", quiet=False) as meter:
        assert degrade("out.wav", meter) == expected
    assert names(tmp_path) == {"out.wav", "whole.wav"}
