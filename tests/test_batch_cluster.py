"""A batch on Ray, with long recordings in pieces: a real cluster on this machine gives the bytes of one process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cheap import COMMAND, run
from folders import files

RATE = 16000
CUT = 0.25
"""Minutes of a piece."""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of three and a bit pieces, one of two, a short one, one that was cut off, and a broken one."""
    folder = tmp_path_factory.mktemp("in")
    for number, (name, seconds) in enumerate((("long.wav", 50.3), ("long.flac", 29.0), ("deep/short.wav", 4.0))):
        sound = 0.1 * np.random.default_rng(number).standard_normal((int(seconds * RATE), 1))
        (folder / name).parent.mkdir(exist_ok=True)
        soundfile.write(folder / name, sound.clip(-1, 1), RATE, subtype="PCM_24")
    soundfile.write(folder / "cut.flac", 0.1 * np.random.default_rng(9).standard_normal(47 * RATE), RATE)
    data = (folder / "cut.flac").read_bytes()
    (folder / "cut.flac").write_bytes(data[: len(data) // 2])  # its header still says 47 s
    (folder / "broken.wav").write_bytes(b"RIFF and nothing else, or very little of it")
    return folder


def sounds(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in files(folder).items() if name != "batch.journal"}


def test_a_cluster_gives_the_bytes_of_one_process_though_an_actor_dies(
    recordings: Path, network: Path, tmp_path: Path
) -> None:
    options: list[object] = ["-n", network, "--int16", "--dry", 0.5, "--repair", "clicks,noise"]
    run("batch", recordings, tmp_path / "alone", *options, code=3)
    words = ["batch", recordings, tmp_path / "out", *options, "--cluster", "local", "-j", 2, "--cut", CUT]
    words += ["--report", tmp_path / "report.jsonl"]
    killed = None
    with subprocess.Popen(
        [*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as batch:
        while batch.poll() is None:
            parts = [*(tmp_path / "out").rglob("*.raw.part")]
            killed = killed or next((pid for part in parts for pid in writers(part, batch.pid)), None)
            if killed and Path(f"/proc/{killed}").exists():
                os.kill(killed, signal.SIGKILL)
                break
            time.sleep(0.005)
        out, said = batch.communicate()
    assert batch.returncode == 3, said
    assert out == ""
    assert killed
    assert sounds(tmp_path / "out") == sounds(tmp_path / "alone")
    assert len(sounds(tmp_path / "out")) == 4
    rows = {Path(row["input"]).name: row for row in map(json.loads, (tmp_path / "report.jsonl").open())}
    assert rows["broken.wav"]["status"] == "failed"
    assert sum(row["attempts"] for row in rows.values()) == 6
    for name, seconds in (("long.wav", 50.3), ("long.flac", 29.0), ("short.wav", 4.0)):
        assert rows[name]["seconds"] == seconds
        assert rows[name]["peak_dbfs"] < 0


def writers(path: Path, ancestor: int) -> list[int]:
    """Processes that have a file open."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(link.resolve() == path for link in (folder / "fd").iterdir()):
                found.append(int(folder.name))
        except OSError:  # it has ended, or belongs to another
            continue
    return [pid for pid in found if pid != ancestor]


def test_without_ray_the_error_says_what_to_install(recordings: Path, network: Path, tmp_path: Path) -> None:
    without = "import sys; sys.modules['ray'] = None; from stream_restore.cli.main import main; sys.exit(main())"
    words = ["batch", recordings, tmp_path / "out", "-n", network, "--cluster", "local"]
    said = run(*words, code=1, command=[sys.executable, "-c", without])
    assert "pip install 'stream_restore[cluster]'" in said
    assert said.count("\n") == 1
    assert "pieces last longer than 0 s" in run(*words, "--cut", 0, code=1)
