"""A run that was killed at any instant goes on with --resume, and gives the bytes of one that was not."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import networks
import numpy as np
import onnxruntime
import pytest
import soundfile
from cheap import EAGER, one_node
from identity import identity

from stream_restore import api, journal
from stream_restore.degradation import Degradation
from stream_restore.errors import ConfigError, SinkError, SourceError
from stream_restore.job import Output
from stream_restore.models import Model, load
from stream_restore.models.torch_backend import from_torch
from stream_restore.restoration import Restoration
from stream_restore.testing import example_signal

FRAMES = 400_000
KILLS = int(os.environ.get("STREAM_RESTORE_KILLS", "4"))
"""How often a process is killed; the promise was shown with 100."""
LONGEST = 4.0
"""Seconds within which it is killed: from before it has begun to near its end, or behind it on a fast machine."""


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints after every block, so that a short recording has many."""
    monkeypatch.setattr(journal, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(journal, "SHARE", 0)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "in.wav", 0.8 * example_signal(2, FRAMES).T, 1600, subtype="PCM_24")
    return tmp_path / "in.wav"


class StoppedError(Exception):
    """What a test stops a run with."""


def stop_after(frames: int) -> Callable[[int, int | None], None]:
    def progress(done: int, total: int | None) -> None:
        if done > frames:
            raise StoppedError

    return progress


def restore(recording: Path, folder: Path, **options: Any) -> None:
    """Three outputs, through a resampler, overlap-add and back, with dither."""
    folder.mkdir(exist_ok=True)
    api.restore(
        recording,
        folder / "out.wav",
        model=identity(),
        residual=folder / "residual.wav",
        save_stems=folder / "stems",
        stored=Output(encoding="s16", seed=5, force=options.pop("force", False)),
        **options,
    )


def degrade(recording: Path, folder: Path, **options: Any) -> None:
    folder.mkdir(exist_ok=True)
    degradation = Degradation(cutoff_hz=300, sample_rate=1000)
    stored = Output(encoding="s16", force=options.pop("force", False))
    api.degrade(recording, folder / "out.wav", degradation=degradation, stored=stored, **options)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("work", [restore, degrade])
def test_stopped_many_times_gives_the_same_bytes(work: Callable[..., None], recording: Path, tmp_path: Path) -> None:
    work(recording, tmp_path / "whole")
    first_pass = FRAMES if work is degrade else 0
    for stop in (40_000, 170_000, 171_000, 390_000):
        with pytest.raises(StoppedError):
            work(recording, tmp_path / "stopped", resume=True, progress=stop_after(first_pass + stop))
        assert not (tmp_path / "stopped" / "out.wav").exists()
    work(recording, tmp_path / "stopped", resume=True)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


def test_stopped_between_two_names_gives_the_same_bytes(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore(recording, tmp_path / "whole")
    replace, count = os.replace, iter(range(10_000))
    finals = {"out.wav", "residual.wav", "all.wav"}

    def interrupted(source: Any, target: Any) -> None:
        if Path(target).name in finals and next(count) == 1:
            os._exit(9)
        replace(source, target)

    child = os.fork()
    if not child:
        monkeypatch.setattr(os, "replace", interrupted)
        restore(recording, tmp_path / "stopped")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert finals & {path.name for path in (tmp_path / "stopped").rglob("*.wav")} not in (set(), finals)
    restore(recording, tmp_path / "stopped", resume=True)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return one_node(tmp_path_factory.mktemp("model") / "identity.onnx", channels=2)


@pytest.fixture(scope="module")
def long_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "in.wav"
    soundfile.write(path, 0.8 * example_signal(2, 1_000_000).T, 44100, subtype="PCM_24")
    return path


@pytest.fixture(scope="module")
def whole(long_recording: Path, network: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed run writes."""
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run(words(long_recording, network, folder), check=True)
    return files(folder)


def words(recording: Path, network: Path, folder: Path) -> list[str]:
    """Three outputs of the real command, through resamplers and overlap-add in two threads, with dither."""
    options = ["-n", network, "-j", 2, "--threads", 1, "--int16", "--seed", 7, "-q", "--resume"]
    outputs = ["-o", folder / "out.wav", "--residual", folder / "residual.wav", "--save-stems", folder / "stems"]
    return [*EAGER, "restore", *map(str, [recording, *options, *outputs])]


def test_a_process_killed_at_random_times_goes_on(
    long_recording: Path, network: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    """The real command and SIGKILL, as often as STREAM_RESTORE_KILLS says, over as many runs as that takes."""
    kills, runs, delays, folder = 0, 0, random.Random(4), tmp_path / "killed"
    while kills < KILLS or not (folder / "out.wav").exists():
        if (folder / "out.wav").exists():
            assert files(folder) == whole
            shutil.rmtree(folder)
            runs += 1
        with subprocess.Popen(words(long_recording, network, folder)) as child:
            try:
                assert child.wait(LONGEST * delays.random() if kills < KILLS else None) == 0
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                kills += 1
    assert files(folder) == whole
    print(f"{kills} kills over {runs + 1} runs")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_process_leaves_what_can_go_on(
    number: signal.Signals, long_recording: Path, network: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "stopped"
    with subprocess.Popen(words(long_recording, network, folder), stderr=subprocess.PIPE) as child:
        while not (folder / "out.wav.journal").exists():
            assert child.poll() is None
        child.send_signal(number)
        assert child.stderr is not None
        assert child.stderr.read() == b"stream-restore: interrupted\n"
    assert child.returncode == 130
    left = set(files(folder))
    assert left == {"out.wav.part", "out.wav.journal", "residual.wav.part", "stems/all.wav.part"}
    subprocess.run(words(long_recording, network, folder), check=True)
    assert files(folder) == whole


def stopped(recording: Path, folder: Path) -> None:
    with pytest.raises(StoppedError):
        restore(recording, folder, progress=stop_after(100_000))


def test_what_changed_is_named(recording: Path, tmp_path: Path) -> None:
    stopped(recording, tmp_path / "out")
    before = files(tmp_path / "out")
    other = identity(gain=0.5)
    options: dict[str, Any] = {"residual": tmp_path / "out/residual.wav", "save_stems": tmp_path / "out/stems"}
    with pytest.raises(ConfigError, match=r"work\.model\.gains"):
        api.restore(
            recording, tmp_path / "out/out.wav", model=other, resume=True,
            stored=Output(encoding="s16", seed=5), **options,
        )  # fmt: skip
    with pytest.raises(ConfigError, match=r"stored\.encoding \(was s16, is f32\)"):
        api.restore(
            recording, tmp_path / "out/out.wav", model=identity(), resume=True,
            stored=Output(encoding="f32", seed=5), **options,
        )  # fmt: skip
    time.sleep(0.01)
    recording.touch()
    with pytest.raises(ConfigError, match=r"input\.modified"):
        restore(recording, tmp_path / "out", resume=True)
    assert files(tmp_path / "out") == before


def stopped_with(model: Model, recording: Path, out: Path) -> Callable[[Model], None]:
    """A run of one model that was stopped, and how to go on with it."""
    with pytest.raises(StoppedError):
        api.restore(recording, out, model=model, progress=stop_after(200_000))
    return lambda other: void(api.restore(recording, out, model=other, resume=True))


def void(report: api.Report) -> None:
    """A report that nobody reads."""


def test_other_threads_and_another_provider_are_named(network: Path, long_recording: Path, tmp_path: Path) -> None:
    go_on = stopped_with(load(str(network), threads=1), long_recording, tmp_path / "out.wav")
    with pytest.raises(ConfigError, match=r"since work\.runtime\.threads \(was 1, is 2\) changed"):
        go_on(load(str(network), threads=2))
    with pytest.raises(
        ConfigError, match=r"since work\.runtime\.threads \(was 1, is one per core of \d+ CPUs\) changed"
    ):
        go_on(load(str(network)))
    others = set(onnxruntime.get_available_providers()) - {"CPUExecutionProvider"}
    for other in others & {"AzureExecutionProvider"}:  # it is in every build, and computes on the CPU
        with pytest.raises(ConfigError, match=rf"work\.runtime\.provider \(was CPUExecutionProvider, is {other}\)"):
            go_on(load(str(network), threads=1, provider=other))
    go_on(load(str(network), threads=1))
    api.restore(long_recording, tmp_path / "whole.wav", model=load(str(network), threads=1))
    assert (tmp_path / "out.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()


def test_another_backend_and_other_threads_of_it_are_named(
    small_model: Path, long_recording: Path, tmp_path: Path
) -> None:
    torch = partial(from_torch, networks.restorer(), name="small")
    go_on = stopped_with(torch(threads=1), long_recording, tmp_path / "out.wav")
    with pytest.raises(ConfigError, match=r"since work\.runtime\.threads \(was 1, is 2\) changed"):
        go_on(torch(threads=2))
    with pytest.raises(ConfigError, match=r"work\.runtime\.onnxruntime \(was None, is .*work\.runtime\.torch \(was \d"):
        go_on(load(str(small_model), threads=1))
    assert torch(device="cpu").runtime["device"] == "cpu"


@pytest.mark.parametrize("package", ["stream_restore", "numpy", "scipy", "soxr", "soundfile", "av"])
def test_another_version_of_a_library_is_named(package: str, recording: Path, tmp_path: Path) -> None:
    """The journal of a run that was stopped before the library was replaced."""
    stopped(recording, tmp_path / "out")
    path = tmp_path / "out/out.wav.journal"
    with np.load(path) as archive:
        arrays = dict(archive)
    about = json.loads(str(arrays["about"]))
    now, about["facts"]["versions"][package] = about["facts"]["versions"][package], "0.0.1"
    with path.open("wb") as file:
        np.savez(file, **arrays | {"about": np.array(json.dumps(about))})
    with pytest.raises(ConfigError, match=rf"since versions\.{package} \(was 0\.0\.1, is {re.escape(now)}\) changed"):
        restore(recording, tmp_path / "out", resume=True)


def test_the_number_of_jobs_may_change(recording: Path, tmp_path: Path) -> None:
    restore(recording, tmp_path / "whole")
    with pytest.raises(StoppedError):
        restore(recording, tmp_path / "out", restoration=Restoration(jobs=3), progress=stop_after(100_000))
    restore(recording, tmp_path / "out", restoration=Restoration(jobs=1), resume=True)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_the_remains_of_a_run_are_not_overwritten_unasked(recording: Path, tmp_path: Path) -> None:
    stopped(recording, tmp_path / "out")
    with pytest.raises(SinkError, match="--resume"):
        restore(recording, tmp_path / "out")
    restore(recording, tmp_path / "out", force=True)
    restore(recording, tmp_path / "whole")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_damaged_journal_is_named(damage: bytes | None, recording: Path, tmp_path: Path) -> None:
    stopped(recording, tmp_path / "out")
    path = tmp_path / "out/out.wav.journal"
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    with pytest.raises(ConfigError, match=r"out\.wav\.journal: is damaged"):
        restore(recording, tmp_path / "out", resume=True)


def test_a_journal_cannot_carry_code(recording: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "executed"),)

    stopped(recording, tmp_path / "out")
    with (tmp_path / "out/out.wav.journal").open("wb") as file:
        np.savez(file, about=np.array(Evil(), dtype=object))
    with pytest.raises(ConfigError, match="damaged"):
        restore(recording, tmp_path / "out", resume=True)
    assert not (tmp_path / "executed").exists()


def test_an_output_shorter_than_its_journal_says_is_refused(recording: Path, tmp_path: Path) -> None:
    stopped(recording, tmp_path / "out")
    os.truncate(tmp_path / "out/out.wav.part", 1000)
    with pytest.raises(SinkError, match="shorter"):
        restore(recording, tmp_path / "out", resume=True)


def test_an_input_that_became_shorter_is_refused(recording: Path, tmp_path: Path) -> None:
    stopped(recording, tmp_path / "out")
    found = recording.stat()
    soundfile.write(recording, np.zeros((10, 2)), 1600, subtype="PCM_24")
    os.truncate(recording, found.st_size)
    os.utime(recording, ns=(found.st_atime_ns, found.st_mtime_ns))
    with pytest.raises(SourceError, match="an earlier run read"):
        restore(recording, tmp_path / "out", resume=True)


def test_a_pipe_cannot_be_continued(recording: Path, tmp_path: Path) -> None:
    with recording.open("rb") as pipe, pytest.raises(ConfigError, match="pipe"):
        api.degrade(pipe, tmp_path / "o.wav", power=1.0, degradation=Degradation(cutoff_hz=None), resume=True)
    assert not list(tmp_path.glob("o.*"))


def test_two_outputs_of_one_name_are_refused(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one file"):
        api.restore(recording, tmp_path / "o.wav", model=identity(), residual=tmp_path / "o.wav")
