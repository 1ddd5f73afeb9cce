"""A run that was killed at any instant goes on with --resume, and gives the bytes of one that was not."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from audio_helpers import tape
from cheap import EAGER
from folders import files
from stopping import DEAD, StoppedError, dies, interrupt, killed, restore, stop_after

from stream_restore import api
from stream_restore.degradation import Degradation
from stream_restore.engine.exact_sum import MeanSquare
from stream_restore.engine.loop import BLOCK
from stream_restore.errors import ConfigError, SinkError
from stream_restore.passes.job import Output
from stream_restore.restoration import LevelMeter, Restoration
from stream_restore.spec import Audio

pytestmark = pytest.mark.usefixtures("every_block")

FRAMES = 400_000
LONGEST = 4.0
"""Seconds within which a process is killed: from before it has begun to near its end, or behind it where it is fast."""


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return tape(tmp_path / "in.wav", 2, FRAMES, 1600, "PCM_24")


def degrade(recording: Path, folder: Path, **options: Any) -> None:
    folder.mkdir(exist_ok=True)
    degradation = Degradation(cutoff_hz=300, sample_rate=1000)
    api.degrade(recording, folder / "out.wav", degradation=degradation, stored=Output(encoding="s16"), **options)


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


def test_a_run_goes_on_with_another_interval_between_checkpoints(recording: Path, tmp_path: Path) -> None:
    restore(recording, tmp_path / "whole")
    with pytest.raises(StoppedError):
        restore(recording, tmp_path / "stopped", progress=stop_after(170_000))
    saved = (tmp_path / "stopped" / "out.wav.journal").stat().st_mtime_ns

    def look(done: int, total: int | None) -> None:
        assert (tmp_path / "stopped" / "out.wav.journal").stat().st_mtime_ns == saved

    restore(recording, tmp_path / "stopped", resume=True, progress=look, checkpoint_seconds=3600)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


@pytest.mark.parametrize("work", [degrade, partial(restore, normalise=True)])
def test_a_first_pass_goes_on_too_and_is_not_done_again(
    work: Callable[..., None], recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    for measure in (MeanSquare, LevelMeter):
        monkeypatch.setattr(measure, "add", counted(measure.add, heard))
    work(recording, tmp_path / "whole")
    in_all = sum(heard)
    heard.clear()
    for stop in (FRAMES // 2, FRAMES + FRAMES // 2):
        with pytest.raises(StoppedError):
            work(recording, tmp_path / "stopped", resume=True, progress=stop_after(stop))
        assert (tmp_path / "stopped/out.wav.first.journal").exists()
    work(recording, tmp_path / "stopped", resume=True)
    assert in_all > 0.5 * FRAMES
    assert in_all <= sum(heard) <= in_all + 2 * BLOCK  # but for the block in which it was stopped
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


def test_what_a_first_pass_computed_is_kept_until_the_run_is_complete(recording: Path, tmp_path: Path) -> None:
    degrade(recording, tmp_path / "whole")
    assert list(files(tmp_path / "whole")) == ["out.wav"]
    with pytest.raises(StoppedError):
        degrade(recording, tmp_path / "stopped", progress=stop_after(FRAMES + FRAMES // 2))
    kept = tmp_path / "stopped/out.wav.first.part"
    before = kept.read_bytes()
    with pytest.raises(SinkError, match="--resume goes on"):
        degrade(recording, tmp_path / "stopped")
    assert kept.read_bytes() == before
    for damage in (partial(os.truncate, kept, len(before) // 2), kept.unlink):
        damage()
        with pytest.raises(ConfigError, match=r"first\.part: is gone or cut off; .* --force"):
            degrade(recording, tmp_path / "stopped", resume=True)
    kept.write_bytes(before)
    degrade(recording, tmp_path / "stopped", resume=True)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


def counted(add: Callable[[Any, Audio], None], heard: list[int]) -> Callable[[Any, Audio], None]:
    def adding(this: Any, block: Audio) -> None:
        heard.append(block.shape[1])
        add(this, block)

    return adding


def test_stopped_between_two_names_gives_the_same_bytes(
    recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore(recording, tmp_path / "whole")
    replace, count = os.replace, iter(range(10_000))
    finals = {"out.wav", "residual.wav", "all.wav"}

    def interrupted(source: Any, target: Any) -> None:
        if Path(target).name in finals and next(count) == 1:
            os._exit(DEAD)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        dies(lambda: restore(recording, tmp_path / "stopped"))
    assert finals & {path.name for path in (tmp_path / "stopped").rglob("*.wav")} not in (set(), finals)
    restore(recording, tmp_path / "stopped", resume=True)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


def test_the_number_of_jobs_may_change(recording: Path, tmp_path: Path) -> None:
    restore(recording, tmp_path / "whole")
    with pytest.raises(StoppedError):
        restore(recording, tmp_path / "out", restoration=Restoration(jobs=3), progress=stop_after(100_000))
    restore(recording, tmp_path / "out", restoration=Restoration(jobs=1), resume=True)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.fixture(scope="module")
def whole(long_recording: Path, stereo_network: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed run writes."""
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run(words(long_recording, stereo_network, folder), check=True)
    return files(folder)


def words(recording: Path, stereo_network: Path, folder: Path) -> list[str]:
    """Three outputs of the real command, through resamplers and overlap-add in two threads, with dither."""
    options = ["-n", stereo_network, "-j", 2, "--threads", 1, "--int16", "--seed", 7, "-q", "--resume"]
    outputs = ["-o", folder / "out.wav", "--residual", folder / "residual.wav", "--save-stems", folder / "stems"]
    return [*EAGER, "restore", *map(str, [recording, *options, *outputs])]


def test_a_process_killed_at_random_times_goes_on(
    long_recording: Path, stereo_network: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    """The real command and SIGKILL, as often as STREAM_RESTORE_KILLS says."""
    folder = tmp_path / "killed"
    for _ in killed(words(long_recording, stereo_network, folder), folder / "out.wav", LONGEST):
        assert files(folder) == whole
        shutil.rmtree(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_process_leaves_what_can_go_on(
    number: signal.Signals, long_recording: Path, stereo_network: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "stopped"
    interrupt(words(long_recording, stereo_network, folder), number, folder / "out.wav.journal")
    assert set(files(folder)) == {"out.wav.part", "out.wav.journal", "residual.wav.part", "stems/all.wav.part"}
    subprocess.run(words(long_recording, stereo_network, folder), check=True)
    assert files(folder) == whole
