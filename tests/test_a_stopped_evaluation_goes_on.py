"""`evaluate` that was killed at any instant goes on inside a clip, and leaves the bytes of one that was not."""

import json
import os
import shutil
import signal
import subprocess
import time
from math import inf
from pathlib import Path
from typing import Any

import pytest
import soundfile
from cheap import EAGER, one_node
from folders import files
from identity import Identity, identity
from stopping import DEAD, StoppedError, dies, interrupt, killed

from stream_restore.audio.lock import Lock
from stream_restore.comparison import Comparison
from stream_restore.degradation import AddNoise, Degradation
from stream_restore.errors import ConfigError, SinkError
from stream_restore.evaluation import Experiment, evaluate
from stream_restore.exact import MeanSquare
from stream_restore.ledger import Ledger
from stream_restore.metrics import Distortion
from stream_restore.models import Model
from stream_restore.picture import _Columns
from stream_restore.report import write_report
from stream_restore.resample import SoxrResampler
from stream_restore.testing import example_signal
from stream_restore.tiles import Tiles

pytestmark = pytest.mark.usefixtures("every_block")

FAST = Experiment(sample_rate=4000, degradation=Degradation(cutoff_hz=800, sample_rate=2000))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(path, 0.5 * example_signal(2, 250_000).T, 8000, subtype="FLOAT")
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return one_node(tmp_path_factory.mktemp("model") / "same.onnx", rate=4000, frames=4000)


def words(clip: Path, network: Path, folder: Path) -> list[str]:
    options = ["--sample-rate", 4000, "--rate", "none", "--cutoff", "none", "--threads", 1, "-q", "--resume"]
    return [*EAGER, "evaluate", *map(str, [clip, "-o", folder, "-n", network, *options])]


@pytest.fixture(scope="module")
def whole(clip: Path, network: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """All that the command leaves when nobody disturbs it, and the seconds it takes."""
    folder, began = tmp_path_factory.mktemp("whole") / "out", time.monotonic()
    subprocess.run(words(clip, network, folder), check=True)
    return files(folder), time.monotonic() - began


def run(clip: Path, folder: Path, model: Model | None = None, **options: Any) -> None:
    folder.mkdir(exist_ok=True)
    write_report(folder, evaluate([clip], folder, {"same": model or identity()}, FAST, **options))


def heard(model: Model) -> int:
    """How many segments the network was given."""
    network = model.voices[0].backend
    assert isinstance(network, Identity)
    return len(network.heard)


@pytest.fixture(scope="module")
def undisturbed(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """The same in this process: the folder, and how many segments the network heard."""
    folder, model = tmp_path_factory.mktemp("undisturbed"), identity()
    run(clip, folder, model)
    return folder, heard(model)


def test_a_process_killed_at_random_times_goes_on(
    clip: Path, network: Path, whole: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    """The real command and SIGKILL, as often as STREAM_RESTORE_KILLS says."""
    (expected, longest), folder = whole, tmp_path / "out"
    for _ in killed(words(clip, network, folder), folder / "results.json", longest):
        assert files(folder) == expected
        shutil.rmtree(folder)


MOMENTS = (
    "original.wav.journal", "original.wav", "degraded.wav.first.journal", "degraded.wav", "same.wav.journal",
    "same.wav", "figures of same.journal", "spectrograms-same.png", "1.png", "tiles.json", "track 3.journal",
    "audio.flac", "3/tiles.json", "recording.js", "viewer.js", "spoilt both.journal", "clip.json", "results.json",
)  # fmt: skip
"""Files, in the order in which they get their names."""


COMPLETE = {name: name for name in ("original.wav", "degraded.wav", "same.wav", "clip.json")}
COMPLETE["3/tiles.json"] = "tracks/3/audio.flac"
"""What is not made again, by a moment after which that holds."""


def killed_after(name: str, clip: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a process of its own, which ends, with nothing tidied up, when a file of this name has just appeared."""
    replace = os.replace

    def last(source: Any, target: Any) -> None:
        replace(source, target)
        if str(target).endswith(f"/{name}"):
            os._exit(DEAD)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", last)
        dies(lambda: run(clip, folder, resume=True))


def test_what_has_its_name_is_not_made_again(
    clip: Path, undisturbed: tuple[Path, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {}
    for name in MOMENTS:
        killed_after(name, clip, tmp_path, monkeypatch)
        if name in COMPLETE:
            made[COMPLETE[name]] = (tmp_path / "clip" / COMPLETE[name]).stat()
    run(clip, tmp_path, resume=True)
    assert files(tmp_path) == files(undisturbed[0])
    assert all(os.path.samestat((tmp_path / "clip" / name).stat(), stat) for name, stat in made.items())


def stop(done: int, total: int | None) -> None:
    """In the middle of restoring, which takes from 4/29 to 24/29 of the work."""
    if total and done > total / 2:
        raise StoppedError


def test_a_restoration_under_way_goes_on_where_it_was(
    clip: Path, undisturbed: tuple[Path, int], tmp_path: Path
) -> None:
    with pytest.raises(StoppedError):
        run(clip, tmp_path, progress=stop)
    assert (tmp_path / "clip/same.wav.part").stat().st_size > 0.3 * (tmp_path / "clip/degraded.wav").stat().st_size
    model = identity()
    run(clip, tmp_path, model, resume=True)
    assert files(tmp_path) == files(undisturbed[0])
    assert 0.3 * undisturbed[1] < heard(model) < 0.7 * undisturbed[1]


class Heard:
    """Counts the frames that a method was given; when these are `until`, it stops the run instead of hearing more."""

    def __init__(self, owner: type, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.frames, self.until = 0, inf
        hear = getattr(owner, method)

        def counted(this: Any, *given: Any) -> Any:
            if self.frames >= self.until:
                raise StoppedError
            heard = hear(this, *given)
            self.frames += given[-1].shape[1]
            return heard

        monkeypatch.setattr(owner, method, counted)


STEPS = {
    "original.wav": (SoxrResampler, "advance", 0.5),
    "degraded.wav.first": (MeanSquare, "add", 0.08),
    "degraded.wav": (AddNoise, "advance", 0.5),
    "figures of same": (Comparison, "update", 0.75),
    "picture of same": (_Columns, "update", 0.5),
    "track 2": (Tiles, "update", 0.62),
    "track 3": (Tiles, "update", 0.88),
    "spoilt both": (Distortion, "update", 0.9),
}
"""By name: what hears, and when to stop: a share of all that it hears in the run, in the middle of the step."""


@pytest.fixture(scope="module")
def in_all(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What each of them hears in a whole run."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        heard = {step: Heard(owner, method, monkeypatch) for step, (owner, method, _) in STEPS.items()}
        run(clip, tmp_path_factory.mktemp("counted"))
        return {step: each.frames for step, each in heard.items()}


def stopped_in(step: str, clip: Path, folder: Path, whole: int, monkeypatch: pytest.MonkeyPatch) -> Heard:
    """Stop a run in the middle of a step."""
    owner, method, share = STEPS[step]
    heard = Heard(owner, method, monkeypatch)
    heard.until = share * whole
    with pytest.raises(StoppedError):
        run(clip, folder)
    assert (folder / "clip" / f"{step}.journal").exists()
    heard.until = inf
    return heard


@pytest.mark.parametrize("step", STEPS)
def test_a_step_under_way_goes_on_where_it_was(
    step: str,
    clip: Path,
    undisturbed: tuple[Path, int],
    in_all: dict[str, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = stopped_in(step, clip, tmp_path, in_all[step], monkeypatch)
    run(clip, tmp_path, resume=True)
    assert heard.frames == in_all[step]  # what was heard before is not heard again
    assert files(tmp_path) == files(undisturbed[0])


@pytest.mark.parametrize("step", ["original.wav", "figures of same"])
def test_a_journal_of_an_abandoned_run_is_not_taken(
    step: str,
    clip: Path,
    undisturbed: tuple[Path, int],
    in_all: dict[str, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard = stopped_in(step, clip, tmp_path, in_all[step], monkeypatch)
    heard.frames = 0
    run(clip, tmp_path)
    assert heard.frames == in_all[step]
    assert files(tmp_path) == files(undisturbed[0])


def test_a_damaged_journal_of_a_step_is_named(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Heard(Comparison, "update", monkeypatch).until = 60_000
    with pytest.raises(StoppedError):
        run(clip, tmp_path)
    (journal,) = (tmp_path / "clip").glob("figures*.journal")
    journal.write_bytes(journal.read_bytes()[:-100])
    with pytest.raises(ConfigError, match=r"figures of degraded\.journal: is damaged .*; delete it to start again"):
        run(clip, tmp_path, resume=True)
    assert journal.exists()


def test_without_resume_it_begins_again(clip: Path, undisturbed: tuple[Path, int], tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        run(clip, tmp_path, progress=stop)
    again, kept = identity(), identity()
    run(clip, tmp_path, again)
    assert files(tmp_path) == files(undisturbed[0])
    run(clip, tmp_path, kept, resume=True)
    assert (heard(again), heard(kept)) == (undisturbed[1], 0)


@pytest.mark.parametrize("finished", [False, True])
def test_what_changed_is_named(finished: bool, clip: Path, undisturbed: tuple[Path, int], tmp_path: Path) -> None:
    if finished:
        shutil.copytree(undisturbed[0], tmp_path, dirs_exist_ok=True)
    else:
        with pytest.raises(StoppedError):
            run(clip, tmp_path, progress=stop)
    before = files(tmp_path)
    told = r"clip\.json" if finished else r"clip\.journal"
    with pytest.raises(ConfigError, match=told + r".*models\.same.*--force"):
        run(clip, tmp_path, identity(gain=0.5), resume=True)
    with pytest.raises(ConfigError, match=r"experiment\.degradation\.seed \(was 0, is 1\)"):
        evaluate(
            [clip],
            tmp_path,
            {"same": identity()},
            Experiment(4000, degradation=Degradation(800, 6, "zero", 2000, seed=1)),
            resume=True,
        )
    copy = tmp_path / "clip.wav"
    copy.write_bytes(clip.read_bytes())
    with pytest.raises(ConfigError, match=r"clip\.path"):
        run(copy, tmp_path, resume=True)
    copy.unlink()
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["clip.json", "clip.journal"])
@pytest.mark.parametrize("damage", [b"3\n", b"[]\n", b'{"work": 3}\n{"step"}\n', b"\xff\n"])
def test_a_damaged_ledger_is_named(name: str, damage: bytes, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / name).write_bytes(damage)
    with pytest.raises(ConfigError, match=rf"{name}: (is damaged|cannot go on)"):
        run(clip, tmp_path, resume=True)


def test_a_line_that_was_being_written_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "work.journal"
    with Ledger(path, {}, resume=False) as ledger:
        assert ledger.once("first", lambda: [1, (2.5, None)]) == [1, [2.5, None]]
    with path.open("ab") as file:
        file.write(b'{"step": "second", "ga')
    for _ in range(2):
        with Ledger(path, {}, resume=True) as ledger:
            assert ledger.once("second", lambda: 2) == 2
            assert ledger.once("first", lambda: 3) == [1, [2.5, None]]
    assert len(path.read_bytes().splitlines()) == 3


@pytest.mark.parametrize("resume", [False, True])
def test_two_runs_in_one_folder_are_kept_apart(resume: bool, clip: Path, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        run(clip, tmp_path, progress=stop)
    before = files(tmp_path)
    other = Lock(tmp_path / "clip/clip.journal")
    with pytest.raises(SinkError, match=r"clip\.journal: another run"):
        run(clip, tmp_path, resume=resume)
    other.release()
    assert files(tmp_path) == before


def test_an_interrupted_process_leaves_what_can_go_on(
    clip: Path, network: Path, whole: tuple[dict[str, bytes], float], tmp_path: Path
) -> None:
    interrupt(words(clip, network, tmp_path), signal.SIGINT, tmp_path / "clip/same.wav.journal")
    steps = (tmp_path / "clip/clip.journal").read_text("utf-8").splitlines()[1:]
    assert [json.loads(line)["step"] for line in steps] == ["figures of degraded"]
    subprocess.run(words(clip, network, tmp_path), check=True, stdout=subprocess.DEVNULL)
    assert files(tmp_path) == whole[0]
