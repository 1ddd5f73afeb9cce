"""Recordings that several processes restore side by side: the same bytes, and a worker may die."""

import csv
import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from cheap import COMMAND, run
from folders import files
from identity import identity
from stopping import children

from stream_restore.batch import Item
from stream_restore.batch.treatment import Restorer, Share
from stream_restore.batch.workers import treated_by_workers
from stream_restore.passes.job import Report
from stream_restore.restoration import Restoration

RATE = 16000
FRAMES = 400_000


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four tapes of different lengths, and a broken one."""
    folder = tmp_path_factory.mktemp("in")
    (folder / "deep").mkdir()
    for number, name in enumerate(("a.wav", "b.flac", "deep/c.wav", "d.wav")):
        sound = np.clip(0.1 * np.random.default_rng(number).standard_normal(FRAMES + 1000 * number), -1, 1)
        soundfile.write(folder / name, sound, RATE, subtype="PCM_24")
    (folder / "broken.wav").write_bytes(b"RIFF and nothing else, or very little of it")
    return folder


@pytest.fixture(scope="module")
def alone(recordings: Path, network: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes of them, with its reports."""
    out = tmp_path_factory.mktemp("alone")
    run("batch", recordings, out / "out", *options(network), "--report", out / "report.jsonl", code=3)
    return out


def options(network: Path) -> list[object]:
    return ["-n", network, "--int16", "--dry", 0.5, "--repair", "clicks,noise"]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def sounds(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in files(folder).items() if name != "batch.journal"}


def test_several_workers_give_the_bytes_of_one_process(
    recordings: Path, alone: Path, network: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.csv"
    words: list[object] = ["batch", recordings, tmp_path / "out", *options(network), "-j", 2, "--progress", "json"]
    told = [json.loads(line) for line in run(*words, "--report", report, code=3).splitlines()]
    assert sounds(tmp_path / "out") == sounds(alone / "out")
    assert len(sounds(alone / "out")) == 4
    assert told[-1] == {"restored": 4, "skipped": 0, "failed": 1}
    done = [each["bytes"] for each in told if "bytes" in each]
    assert done == sorted(done)
    assert done[-1] == sum(path.stat().st_size for path in recordings.rglob("*.*"))
    assert {each["total"] for each in told if "bytes" in each} == {done[-1]}
    with report.open(newline="") as file:
        by_input = {row["input"]: row for row in csv.DictReader(file)}
    for row in rows(alone / "report.jsonl"):
        beside = by_input[row["input"]]
        assert beside["status"] == row["status"]
        assert beside["error"] == (row["error"] or "")
        if row["status"] == "restored":
            assert float(beside["seconds"]) == row["seconds"]
            assert float(beside["peak_dbfs"]) == row["peak_dbfs"]
            assert float(beside["clicks.samples"]) == row["found"]["clicks"]["samples"]


def test_the_report_says_what_is_in_the_files(recordings: Path, alone: Path, network: Path) -> None:
    found = rows(alone / "report.jsonl")
    assert [row["input"] for row in found] == sorted(map(str, recordings.rglob("*.*")))
    assert [row["status"] for row in found].count("failed") == 1
    for row in (row for row in found if row["status"] == "restored"):
        info, sound = soundfile.info(row["output"]), soundfile.read(row["output"])[0]
        assert row["seconds"] == info.frames / info.samplerate
        assert abs(20 * np.log10(np.abs(sound).max()) - row["peak_dbfs"]) < 0.01
        assert (row["attempts"], row["warnings"], row["clipped"], row["error"]) == (1, [], 0, None)
    before = sounds(alone / "out")
    again = alone / "again.jsonl"
    run("batch", recordings, alone / "out", *options(network), "--resume", "--report", again, code=3)
    assert sounds(alone / "out") == before
    for row, first in zip(rows(again), found, strict=True):
        assert row == {**first, "status": "skipped"} or row["status"] == first["status"] == "failed"


def test_a_worker_that_is_killed_is_tried_again(recordings: Path, alone: Path, network: Path, tmp_path: Path) -> None:
    words = [*COMMAND, "batch", recordings, tmp_path / "out", *options(network), "-j", 2]
    words += ["--report", tmp_path / "report.jsonl", "--progress", "json"]
    killed: set[int] = set()
    with subprocess.Popen(list(map(str, words)), stderr=subprocess.PIPE, text=True) as batch:
        while batch.poll() is None and len(killed) < 2:
            busy = sorted((tmp_path / "out").rglob("*.part")) if (tmp_path / "out").exists() else []
            for pid in children(batch.pid) if busy else []:
                if pid not in killed and len(killed) < 2:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            time.sleep(0.005)
        said = batch.stderr.read() if batch.stderr else ""
    assert batch.returncode == 3, said
    assert len(killed) == 2
    assert sounds(tmp_path / "out") == sounds(alone / "out")
    attempts = [row["attempts"] for row in rows(tmp_path / "report.jsonl")]
    assert 1 + len(attempts) <= sum(attempts) <= 2 + len(attempts)
    assert "its worker died (SIGKILL); it was tried again" in said or "(SIGKILL, SIGKILL)" in said


def test_a_recording_that_kills_every_worker_is_reported_and_the_rest_done(
    recordings: Path, alone: Path, network: Path, tmp_path: Path
) -> None:
    words = [
        *COMMAND,
        "batch",
        recordings / "a.wav",
        recordings / "d.wav",
        tmp_path / "out",
        *options(network),
        "-j",
        2,
    ]
    with subprocess.Popen(list(map(str, words)), stderr=subprocess.PIPE, text=True) as batch:
        while batch.poll() is None:
            for pid in children(batch.pid):
                if _writes(pid, tmp_path / "out" / "a.wav.part"):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)
        said = batch.stderr.read() if batch.stderr else ""
    assert batch.returncode == 3, said
    assert "a.wav: its worker died 3 times (SIGKILL, SIGKILL, SIGKILL)" in said
    assert not (tmp_path / "out" / "a.wav").exists()
    assert (tmp_path / "out" / "d.wav").read_bytes() == (alone / "out" / "d.wav").read_bytes()
    run("batch", recordings / "a.wav", recordings / "d.wav", tmp_path / "out", *options(network), "--resume")
    assert (tmp_path / "out" / "a.wav").read_bytes() == (alone / "out" / "a.wav").read_bytes()
    assert set(files(tmp_path / "out")) == {"a.wav", "d.wav", "batch.journal"}


def _writes(pid: int, path: Path) -> bool:
    try:
        return any(link.resolve() == path for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False


class DiesLate(Restorer):
    """Dies when its output is complete, before it can say so."""

    def __call__(self, item: Item, resume: bool, share: Share | None = None) -> Report:
        super().__call__(item, resume, share)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_what_is_complete_when_its_worker_dies_is_not_written_again(recordings: Path, tmp_path: Path) -> None:
    new, old = (Item(recordings / "a.wav", tmp_path / name, finished=False) for name in ("new.wav", "old.wav"))
    old.local.write_bytes(b"mine")
    how = DiesLate(identity(), Restoration(repairs=("clicks", "noise")))
    outcomes = treated_by_workers(how, [new, old], 1, False, lambda number, item: None, lambda item, share: None)
    (_, report, attempts), (_, error, _) = outcomes
    assert isinstance(report, Report)
    assert (report.frames, attempts) == (FRAMES, 2)
    assert report.warnings[0] == f"{new.source}: its worker died when it was complete, and what it had found was lost"
    Restorer(identity(), how.restoration)(replace(new, target=tmp_path / "alone.wav"), resume=False)
    assert new.local.read_bytes() == (tmp_path / "alone.wav").read_bytes()
    assert "exists" in str(error)
    assert old.local.read_bytes() == b"mine"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_batch_which_goes_on(
    number: signal.Signals, recordings: Path, alone: Path, network: Path, tmp_path: Path
) -> None:
    words = [*COMMAND, "batch", recordings, tmp_path / "out", *options(network), "-j", 2, "--resume"]
    with subprocess.Popen(list(map(str, words)), stderr=subprocess.DEVNULL) as batch:
        while not list((tmp_path / "out").rglob("*.part")):
            assert batch.poll() is None
        workers = children(batch.pid)
        assert workers
        batch.send_signal(number)
        batch.wait()
    assert batch.returncode == (130 if number == signal.SIGTERM else -signal.SIGKILL)
    while any(Path(f"/proc/{pid}/fd").exists() and _alive(pid) for pid in workers):
        time.sleep(0.01)
    run("batch", recordings, tmp_path / "out", *options(network), "-j", 2, "--resume", code=3)
    assert sounds(tmp_path / "out") == sounds(alone / "out")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
