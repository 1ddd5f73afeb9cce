"""Many recordings that are degraded: the bytes that the command `degrade` gives of each, whatever is stopped."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from cheap import COMMAND, EAGER, run
from folders import files
from identity import identity
from stopping import children

from stream_restore import Degradation
from stream_restore.batch import Batch
from stream_restore.errors import ConfigError

RATE = 32000
NAMES = ("a.wav", "b.flac", "deep/c.wav")
CHAIN: list[object] = ["--cutoff", 6000, "--snr", 10, "--seed", 3, "--int16"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tapes, and a broken one."""
    folder = tmp_path_factory.mktemp("in")
    (folder / "deep").mkdir()
    for number, name in enumerate(NAMES):
        sound = 0.1 * np.random.default_rng(number).standard_normal((300_000 + 1000 * number, 2))
        soundfile.write(folder / name, sound.clip(-1, 1), RATE, subtype="PCM_16")
    (folder / "broken.wav").write_bytes(b"RIFF and nothing else, or very little of it")
    return folder


@pytest.fixture(scope="module")
def alone(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the command makes of each."""
    out = tmp_path_factory.mktemp("alone")
    (out / "deep").mkdir()
    for name in NAMES:
        run("degrade", recordings / name, "-o", out / name, *CHAIN)
    return files(out)


def sounds(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in files(folder).items() if name != "batch.journal"}


def test_workers_degrade_as_the_command_does_though_one_is_killed(
    recordings: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    words = ["batch", recordings, tmp_path / "out", "--degrade", *CHAIN, "-j", 2, "--report", tmp_path / "report.jsonl"]
    killed = 0
    with subprocess.Popen([*COMMAND, *map(str, words)], stderr=subprocess.PIPE, text=True) as batch:
        while batch.poll() is None and not killed:
            for pid in children(batch.pid) if [*(tmp_path / "out").rglob("*.part")] else []:
                killed = killed or pid
                os.kill(killed, signal.SIGKILL)
            time.sleep(0.002)
        said = batch.stderr.read() if batch.stderr else ""
    assert batch.returncode == 3, said
    assert killed
    assert said.splitlines()[-2] == "3 degraded, 0 skipped, 1 failed"
    assert sounds(tmp_path / "out") == alone
    rows = {Path(row["input"]).name: row for row in map(json.loads, (tmp_path / "report.jsonl").open())}
    assert rows.pop("broken.wav")["status"] == "failed"
    assert {row["status"] for row in rows.values()} == {"degraded"}
    sound, _ = soundfile.read(tmp_path / "out" / "a.wav")
    assert abs(20 * np.log10(np.abs(sound).max()) - rows["a.wav"]["peak_dbfs"]) < 0.01
    assert rows["a.wav"]["seconds"] == 300_000 / RATE


@pytest.mark.parametrize("when", ["b.flac.first.journal", "b.flac.journal"])
def test_a_stopped_batch_goes_on_in_either_pass(
    when: str, recordings: Path, alone: dict[str, bytes], tmp_path: Path
) -> None:
    words = [*EAGER, "batch", recordings, tmp_path / "out", "--degrade", *CHAIN, "--exclude", "broken.wav", "--resume"]
    with subprocess.Popen(list(map(str, words)), stderr=subprocess.DEVNULL) as child:
        while not (tmp_path / "out" / when).exists():
            assert child.poll() is None
        child.kill()
    assert {"a.wav", "b.flac.first.part"} <= set(files(tmp_path / "out"))
    (tmp_path / "out" / "a.wav.first.part").touch()  # of one that is complete, if it was killed right then
    done = subprocess.run(list(map(str, words)), stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr.endswith("2 degraded, 1 skipped, 0 failed\n")
    assert sounds(tmp_path / "out") == alone


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--degrade", "--repair", "hum"], "--repair is about restoring; leave it out with --degrade"),
        (["--degrade", "--context", "2"], "--context is about restoring; leave it out with --degrade"),
        (["--snr", "10"], "--snr is about degrading; add --degrade"),
        (["--degrade", "--cutoff", "-3"], "cutoff must lie between 0 and 24000 Hz"),
        (["--degrade", "--bits", "40"], "bits must be 2 to 24, got 40"),
        (["--degrade", "--power", "nan"], "--power takes -300 to 300 dB"),
    ],
)
def test_an_option_without_effect_or_sense_is_refused_first(
    words: list[str], message: str, recordings: Path, tmp_path: Path
) -> None:
    said = run("batch", recordings, tmp_path / "out", *words, code=1)
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_batch_in_python_does_one_of_the_two(recordings: Path, tmp_path: Path) -> None:
    both: list[dict[str, Any]] = [{}, {"model": identity(), "degradation": Degradation()}]
    for given in both:
        with pytest.raises(ConfigError, match="restores by a model, or degrades by a degradation"):
            Batch(recordings, tmp_path / "out", **given)
    with Batch(recordings, tmp_path / "out", degradation=Degradation(snr_db=10.0)):
        pass
    with pytest.raises(ConfigError, match=r"work\.degradation\.snr_db \(was 10\.0, is 20\.0\)"):
        Batch(recordings, tmp_path / "out", degradation=Degradation(), resume=True)
