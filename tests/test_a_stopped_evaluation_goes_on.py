"""`evaluate` that was killed at any instant goes on inside a clip, and leaves the bytes of one that was not."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from cheap import EAGER, one_node
from folders import files
from identity import identity
from stopped_evaluations import Evaluation, in_the_middle, segments_in
from stopping import DEAD, StoppedError, dies, interrupt, killed

pytestmark = pytest.mark.usefixtures("every_block")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return one_node(tmp_path_factory.mktemp("model") / "same.onnx", rate=4000, frames=4000)


def words(evaluation: Evaluation, network: Path, folder: Path) -> list[str]:
    options = ["--sample-rate", 4000, "--rate", "none", "--cutoff", "none", "--threads", 1, "-q", "--resume"]
    return [*EAGER, "evaluate", *map(str, [evaluation.clip, "-o", folder, "-n", network, *options])]


@pytest.fixture(scope="module")
def whole(
    evaluation: Evaluation, network: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, bytes], float]:
    """All that the command leaves when nobody disturbs it, and the seconds it takes."""
    folder, began = tmp_path_factory.mktemp("whole") / "out", time.monotonic()
    subprocess.run(words(evaluation, network, folder), check=True)
    return files(folder), time.monotonic() - began


def test_a_process_killed_at_random_times_goes_on(
    evaluation: Evaluation, network: Path, whole: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    """The real command and SIGKILL, as often as STREAM_RESTORE_KILLS says."""
    (expected, longest), folder = whole, tmp_path / "out"
    for _ in killed(words(evaluation, network, folder), folder / "index.html", longest):
        assert files(folder) == expected
        shutil.rmtree(folder)


MOMENTS = (
    "original.wav.journal", "original.wav", "degraded.wav.first.journal", "degraded.wav", "same.wav.journal",
    "same.wav", "figures of same.journal", "spectrograms-same.png", "1.png", "tiles.json", "track 3.journal",
    "audio.flac", "3/tiles.json", "recording.js", "viewer.js", "misaligned both.journal", "clip.json", "results.json",
    "results.csv",
)  # fmt: skip
"""Files, in the order in which they get their names."""


COMPLETE = {name: name for name in ("original.wav", "degraded.wav", "same.wav", "clip.json")}
COMPLETE["3/tiles.json"] = "tracks/3/audio.flac"
"""What is not made again, by a moment after which that holds."""


def killed_after(name: str, evaluation: Evaluation, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a process of its own, which ends, with nothing tidied up, when a file of this name has just appeared."""
    replace = os.replace

    def last(source: Any, target: Any) -> None:
        replace(source, target)
        if str(target).endswith(f"/{name}"):
            os._exit(DEAD)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", last)
        dies(lambda: evaluation.run(folder, resume=True))


def test_what_has_its_name_is_not_made_again(
    evaluation: Evaluation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {}
    for name in MOMENTS:
        killed_after(name, evaluation, tmp_path, monkeypatch)
        if name in COMPLETE:
            made[COMPLETE[name]] = (tmp_path / "clip" / COMPLETE[name]).stat()
    evaluation.run(tmp_path, resume=True)
    assert files(tmp_path) == evaluation.files
    assert all(os.path.samestat((tmp_path / "clip" / name).stat(), stat) for name, stat in made.items())


def test_a_restoration_under_way_goes_on_where_it_was(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        evaluation.run(tmp_path, progress=in_the_middle)
    assert (tmp_path / "clip/same.wav.part").stat().st_size > 0.3 * (tmp_path / "clip/degraded.wav").stat().st_size
    model = identity()
    evaluation.run(tmp_path, model, resume=True)
    assert files(tmp_path) == evaluation.files
    assert 0.3 * evaluation.segments < segments_in(model) < 0.7 * evaluation.segments


def test_without_resume_it_begins_again(evaluation: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        evaluation.run(tmp_path, progress=in_the_middle)
    again, kept = identity(), identity()
    evaluation.run(tmp_path, again)
    assert files(tmp_path) == evaluation.files
    evaluation.run(tmp_path, kept, resume=True)
    assert (segments_in(again), segments_in(kept)) == (evaluation.segments, 0)


def test_an_interrupted_process_leaves_what_can_go_on(
    evaluation: Evaluation, network: Path, whole: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    interrupt(words(evaluation, network, tmp_path), signal.SIGINT, tmp_path / "clip/same.wav.journal")
    steps = (tmp_path / "clip/clip.journal").read_text("utf-8").splitlines()[1:]
    assert [json.loads(line)["step"] for line in steps] == ["clearing", "figures of degraded"]
    subprocess.run(words(evaluation, network, tmp_path), check=True, stdout=subprocess.DEVNULL)
    assert files(tmp_path) == whole[0]
