"""An evaluation that cannot go on as it began is refused, and the message says what changed or was damaged."""

from dataclasses import replace
from pathlib import Path

import pytest
from folders import files
from identity import identity
from stopped_evaluations import FAST, Evaluation, in_the_middle
from stopping import StoppedError

from stream_restore.audio.outputs.lock import Lock
from stream_restore.errors import ConfigError, SinkError, SpecError
from stream_restore.experiment.evaluation import evaluate
from stream_restore.passes.step_log import StepLog

pytestmark = pytest.mark.usefixtures("every_block")


@pytest.mark.parametrize("finished", [False, True])
def test_what_changed_is_named(finished: bool, evaluation: Evaluation, tmp_path: Path) -> None:
    if finished:
        evaluation.run(tmp_path)
    else:
        with pytest.raises(StoppedError):
            evaluation.run(tmp_path, progress=in_the_middle)
    before = files(tmp_path)
    told = r"clip\.json" if finished else r"clip\.journal"
    with pytest.raises(ConfigError, match=told + r".*models\.same.*--force"):
        evaluation.run(tmp_path, identity(gain=0.5), resume=True)
    with pytest.raises(ConfigError, match=r"experiment\.degradation\.seed \(was 0, is 1\)"):
        evaluate(
            [evaluation.clip],
            tmp_path,
            {"same": identity()},
            replace(FAST, degradation=replace(FAST.degradation, seed=1)),
            resume=True,
        )
    copy = tmp_path / "clip.wav"
    copy.write_bytes(evaluation.clip.read_bytes())
    with pytest.raises(ConfigError, match=r"clip\.path"):
        evaluation.run(tmp_path, clip=copy, resume=True)
    copy.unlink()
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["clip.json", "clip.journal"])
@pytest.mark.parametrize("damage", [b"3\n", b"[]\n", b'{"work": 3}\n{"step"}\n', b"\xff\n"])
def test_a_damaged_log_is_named(name: str, damage: bytes, evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / name).write_bytes(damage)
    with pytest.raises(ConfigError, match=rf"{name}: (is damaged|cannot go on)"):
        evaluation.run(tmp_path, resume=True)


def test_a_line_that_was_being_written_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "work.journal"
    with StepLog(path, {}, resume=False) as log:
        assert log.once("first", lambda: [1, (2.5, None)]) == [1, [2.5, None]]
    with path.open("ab") as file:
        file.write(b'{"step": "second", "ga')
    for _ in range(2):
        with StepLog(path, {}, resume=True) as log:
            assert log.once("second", lambda: 2) == 2
            assert log.once("first", lambda: 3) == [1, [2.5, None]]
    assert len(path.read_bytes().splitlines()) == 3


@pytest.mark.parametrize("resume", [False, True])
def test_two_runs_in_one_folder_are_kept_apart(resume: bool, evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        evaluation.run(tmp_path, progress=in_the_middle)
    before = files(tmp_path)
    other = Lock(tmp_path / "clip/clip.journal")
    with pytest.raises(SinkError, match=r"clip\.journal: another run"):
        evaluation.run(tmp_path, resume=resume)
    other.release()
    assert files(tmp_path) == before


def test_a_rate_of_zero_is_not_none(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="at least 1 Hz, got 0"):
        evaluate([evaluation.clip], tmp_path, {"same": identity()}, replace(FAST, sample_rate=0))
