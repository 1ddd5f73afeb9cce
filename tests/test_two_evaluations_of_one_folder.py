"""Of two evaluations of one folder, one at a time has it; what another left there is never taken for its own."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from folders import files
from identity import identity
from stopped_evaluations import Evaluation, segments_in
from stopping import StoppedError

from stream_restore.audio.outputs.lock import Lock
from stream_restore.errors import SinkError
from stream_restore.passes.step_log import StepLog

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def killed_at_its_end(evaluation: Evaluation, folder: Path) -> Path:
    """Leave all that an evaluation does, and its log, which it would have deleted; its path."""
    for name, data in evaluation.files.items():
        put(folder / name, data)
    path = folder / "clip/clip.journal"
    with StepLog(path, json.loads(evaluation.files["clip/clip.json"])["work"], resume=False) as log:
        log.note("clearing", None)
    return path


@needs_locks
@pytest.mark.parametrize("resume", [False, True])
def test_of_two_that_begin_together_one_touches_nothing(
    resume: bool, evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other has taken the log just before this one does."""
    killed_at_its_end(evaluation, tmp_path)
    before, begin, others = files(tmp_path), StepLog.__init__, []

    def late(log: StepLog, path: Path, *work: Any, **options: Any) -> None:
        others.append(Lock(path))
        begin(log, path, *work, **options)

    monkeypatch.setattr(StepLog, "__init__", late)
    with pytest.raises(SinkError, match=r"clip\.journal: another run"):
        evaluation.run(tmp_path, resume=resume)
    others.pop().release()
    assert files(tmp_path) == before


@pytest.mark.parametrize("resume", [False, True])
def test_one_that_begins_when_another_ends_keeps_its_log(
    resume: bool, evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, close = killed_at_its_end(evaluation, tmp_path), StepLog.close
    others: list[StepLog] = []

    def followed(log: StepLog) -> None:
        close(log)
        if not others:
            others.append(StepLog(path, {"of": "the next"}, resume=False))

    with monkeypatch.context() as patch:
        patch.setattr(StepLog, "close", followed)
        evaluation.run(tmp_path, resume=resume)
    others[0].note("step", 1)
    others[0].close()
    with StepLog(path, {"of": "the next"}, resume=True) as log:
        assert log.done == {"step": 1}


def test_the_log_of_a_run_that_was_killed_at_its_end_is_deleted(evaluation: Evaluation, tmp_path: Path) -> None:
    killed_at_its_end(evaluation, tmp_path)
    model = identity()
    evaluation.run(tmp_path, model, resume=True)
    assert files(tmp_path) == evaluation.files
    assert segments_in(model) == 0


@pytest.mark.parametrize("deleted", [0, 1, 3])
def test_nothing_of_an_earlier_run_is_kept_when_a_new_one_is_stopped_at_once(
    deleted: int, evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the log, and has deleted only so many files of the run before."""
    for name in evaluation.files:
        put(tmp_path / name, b"of an earlier run")
    unlink, left = Path.unlink, iter(range(deleted))

    def stopped(path: Path, missing_ok: bool = False) -> None:
        if next(left, None) is None:
            raise StoppedError
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", stopped)
        with pytest.raises(StoppedError):
            evaluation.run(tmp_path)
    evaluation.run(tmp_path, resume=True)
    assert files(tmp_path) == evaluation.files
