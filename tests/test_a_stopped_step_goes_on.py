"""`evaluate` that was stopped in the middle of a step goes on in it, and hears nothing twice."""

from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest
from folders import files
from stopped_evaluations import Evaluation
from stopping import StoppedError

from stream_restore.degradation import AddNoise
from stream_restore.engine.exact_sum import MeanSquare
from stream_restore.engine.resample import SoxrResampler
from stream_restore.errors import ConfigError
from stream_restore.measure import Distortion
from stream_restore.measure.comparison import Comparison
from stream_restore.show.picture import _Columns
from stream_restore.show.tiles import Tiles

pytestmark = pytest.mark.usefixtures("every_block")


class Counted:
    """Counts the frames that a method was given; when these are `until`, it stops the run instead of hearing more."""

    def __init__(self, owner: type, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.frames, self.until = 0, inf
        inner = getattr(owner, method)

        def counting(this: Any, *given: Any) -> Any:
            if self.frames >= self.until:
                raise StoppedError
            result = inner(this, *given)
            self.frames += given[-1].shape[1]
            return result

        monkeypatch.setattr(owner, method, counting)


STEPS = {
    "original.wav": (SoxrResampler, "advance", 0.5),
    "degraded.wav.first": (MeanSquare, "add", 0.08),
    "degraded.wav": (AddNoise, "advance", 0.5),
    "figures of same": (Comparison, "update", 0.75),
    "picture of same": (_Columns, "update", 0.5),
    "track 2": (Tiles, "update", 0.62),
    "track 3": (Tiles, "update", 0.88),
    "misaligned both": (Distortion, "update", 0.9),
}
"""By name: what hears, and when to stop: a share of all that it hears in the run, in the middle of the step."""


@pytest.fixture(scope="module")
def in_all(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What each of them hears in a whole run."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        counted = {step: Counted(owner, method, monkeypatch) for step, (owner, method, _) in STEPS.items()}
        evaluation.run(tmp_path_factory.mktemp("counted"))
        return {step: each.frames for step, each in counted.items()}


@pytest.fixture
def stopped_in(
    evaluation: Evaluation, in_all: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Counted]:
    """Stops a run in the middle of a step; gives what counts what is counted of it."""

    def stopped(step: str) -> Counted:
        owner, method, share = STEPS[step]
        counted = Counted(owner, method, monkeypatch)
        counted.until = share * in_all[step]
        with pytest.raises(StoppedError):
            evaluation.run(tmp_path)
        assert (tmp_path / "clip" / f"{step}.journal").exists()
        counted.until = inf
        return counted

    return stopped


@pytest.mark.parametrize("step", STEPS)
def test_a_step_under_way_goes_on_where_it_was(
    step: str, stopped_in: Callable[[str], Counted], evaluation: Evaluation, in_all: dict[str, int], tmp_path: Path
) -> None:
    counted = stopped_in(step)
    evaluation.run(tmp_path, resume=True)
    assert counted.frames == in_all[step]  # what was counted before is not counted again
    assert files(tmp_path) == evaluation.files


@pytest.mark.parametrize("step", ["original.wav", "figures of same"])
def test_a_journal_of_an_abandoned_run_is_not_taken(
    step: str, stopped_in: Callable[[str], Counted], evaluation: Evaluation, in_all: dict[str, int], tmp_path: Path
) -> None:
    counted = stopped_in(step)
    counted.frames = 0
    evaluation.run(tmp_path)
    assert counted.frames == in_all[step]
    assert files(tmp_path) == evaluation.files


def test_a_damaged_journal_of_a_step_is_named(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Counted(Comparison, "update", monkeypatch).until = 60_000
    with pytest.raises(StoppedError):
        evaluation.run(tmp_path)
    (journal,) = (tmp_path / "clip").glob("figures*.journal")
    journal.write_bytes(journal.read_bytes()[:-100])
    with pytest.raises(ConfigError, match=r"figures of degraded\.journal: is damaged .*; delete it to start again"):
        evaluation.run(tmp_path, resume=True)
    assert journal.exists()
