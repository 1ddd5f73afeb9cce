"""Recordings in buckets and on web servers are restored as those in folders are, and what storage fails, later."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from buckets import Buckets, buckets
from cheap import EAGER, run
from folders import files
from web import web

from stream_restore.audio.storage import retry
from stream_restore.batch import Batch, Item, Summary, find_recordings, rounds
from stream_restore.errors import ConfigError, SinkError
from stream_restore.models import Model, load
from stream_restore.passes.job import Output
from stream_restore.passes.journal import file_facts

RATE = 16000
NAMES = ("a.wav", "side/b.flac", "side/deep/c #1.wav")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Tries are two and follow each other at once, and a user's state is in the test's folder."""
    monkeypatch.setattr(retry, "WAITS", (0.0,))
    monkeypatch.setattr(rounds, "FIRST", 0.0)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(scope="module")
def server() -> Iterator[Buckets]:
    with buckets() as found:
        yield found


@pytest.fixture
def s3(server: Buckets) -> Buckets:
    server.empty()
    return server


@pytest.fixture(scope="module")
def tapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tapes, and what is none."""
    folder = tmp_path_factory.mktemp("tapes")
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        sound = np.clip(0.1 * np.random.default_rng(number).standard_normal(40_000 + 1000 * number), -1, 1)
        soundfile.write(folder / name, sound, RATE, subtype="PCM_16")
    (folder / "side/.hidden.wav").touch()
    (folder / "notes.txt").touch()
    return folder


@pytest.fixture(scope="module")
def model(network: Path) -> Model:
    return load(str(network))


@pytest.fixture(scope="module")
def restored(tapes: Path, model: Model, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What comes of the tapes from folder to folder."""
    out = tmp_path_factory.mktemp("restored") / "out"
    work(tapes, out, model)
    return {name: data for name, data in files(out).items() if name != "batch.journal"}


def put(s3: Buckets, folder: Path, below: str) -> None:
    for name, data in files(folder).items():
        s3.bucket.put_object(Key=f"{below}/{name}", Body=data)


def objects(s3: Buckets, below: str) -> dict[str, bytes]:
    return {name.removeprefix(f"{below}/"): data for name, data in s3.objects().items() if name.startswith(f"{below}/")}


def work(inputs: Any, outputs: Any, model: Model, *, again: Any = None, retries: int = 3, **options: Any) -> Summary:
    with Batch(inputs, outputs, model=model, **options) as batch:
        return batch.run(
            lambda number, item: None, lambda item, outcome: None, retries=retries, again=again or (lambda *about: None)
        )


def left(folder: Path) -> set[str]:
    """Names of what a batch left of its state."""
    return {Path(name).name for name in files(folder)}


@pytest.mark.parametrize(
    "words",
    [
        ["IN"],
        ["IN/a.wav", "IN/side"],
        ["IN/**/*.wav"],
        ["IN/*/*"],
        ["IN/side/deep/c #1.wav"],
        ["IN", "--include", "side/*", "--exclude", "*.wav"],
    ],
)
def test_urls_find_what_paths_find(words: list[str], s3: Buckets, tapes: Path) -> None:
    put(s3, tapes, "deep/in")
    names, chosen = words[: words.index("--include")] if "--include" in words else words, {}
    if "--include" in words:
        chosen = {"include": [words[2]], "exclude": [words[4]]}

    def places(base: str) -> list[str]:
        found = find_recordings([name.replace("IN", base) for name in names], Path("out"), **chosen)
        return sorted(each.place.as_posix() for each in found)

    assert places("s3://tapes/deep/in") == places(str(tapes)) != []


def test_a_list_holds_urls_and_paths(s3: Buckets, tapes: Path) -> None:
    put(s3, tapes, "deep/in")
    listed = ["s3://tapes/deep/in/side/", "s3://tapes/gone.wav", "https://me:word@host.org/b/x.wav?key=1", "y.wav"]
    found = find_recordings([], "s3://tapes/out", listed=listed)
    assert {each.place.as_posix() for each in found} == {
        *("tapes/deep/in/side/b.flac", "tapes/deep/in/side/deep/c #1.wav", "tapes/gone.wav"),
        *("host.org/b/x.wav", "y.wav"),
    }
    assert "word" not in str([str(each.path) for each in found])


def test_no_result_lies_outside_of_its_folder_or_among_the_recordings(s3: Buckets, tapes: Path, model: Model) -> None:
    put(s3, tapes, "in")
    s3.bucket.put_object(Key="in/../../x.wav", Body=b"")
    with pytest.raises(ConfigError, match=r"would climb out of out by \.\."):
        find_recordings(["s3://tapes/in"], Path("out"))
    with pytest.raises(ConfigError, match=r"would climb out of out by \.\."):
        find_recordings([], Path("out"), listed=["https://host.org/../../x.wav"])
    assert len(find_recordings(["s3://tapes/in"], "s3://tapes/in/side", exclude=["x.wav"])) == 1
    for outputs in ("s3://tapes/in", "s3://tapes/in/", "s3://tapes"):
        with pytest.raises(ConfigError, match="holds the recordings themselves"):
            find_recordings(["s3://tapes/in"], outputs)
    with pytest.raises(ConfigError, match="a web server takes no recordings"):
        Batch(tapes, "https://host.org/out", model=model)
    with pytest.raises(ConfigError, match="keeps its own journal"):
        Batch(tapes, tapes.parent / "out", model=model, state=tapes.parent)


def test_a_list_of_a_folder_says_of_objects_what_they_say_themselves(s3: Buckets, tapes: Path) -> None:
    """So that a batch that goes on need not ask for each."""
    put(s3, tapes, "in")
    found = find_recordings(["s3://tapes/in"], Path("out"))
    s3.requests.clear()
    listed = [file_facts(each.path, fresh=False) for each in found]
    assert not s3.requests
    assert listed == [file_facts(each.path) for each in found]
    assert len(s3.requests) >= len(found)


@pytest.mark.parametrize(("source", "target"), [("s3", "s3"), ("s3", "disk"), ("disk", "s3")])
def test_results_are_the_same_wherever_recordings_and_results_lie(
    source: str, target: str, s3: Buckets, tapes: Path, model: Model, restored: dict[str, bytes], tmp_path: Path
) -> None:
    put(s3, tapes, "in")
    inputs, outputs = "s3://tapes/in/" if source == "s3" else tapes, "s3://tapes/out/"
    summary = work(inputs, outputs if target == "s3" else tmp_path / "out", model)
    assert (len(summary.restored), summary.failed) == (3, {})
    found = objects(s3, "out") if target == "s3" else files(tmp_path / "out")
    assert {name: data for name, data in found.items() if name != "batch.journal"} == restored
    assert not s3.unfinished()
    state = tmp_path / "state"
    assert left(state) == ({"batch.journal"} if target == "s3" else set())
    again = work(inputs, outputs if target == "s3" else tmp_path / "out", model, resume=True)
    assert (len(again.skipped), again.restored, again.failed) == (3, [], {})
    assert [row["seconds"] for row in again.rows] == [row["seconds"] for row in summary.rows]


AT_ONCE = [
    sys.executable,
    "-c",
    "import sys; from stream_restore.batch import rounds; rounds.FIRST = 0.0;"
    " from stream_restore.cli.main import main; sys.exit(main())",
]
"""The command without a pause before a recording is tried again."""


def test_the_command_restores_a_list_of_urls_with_several_workers_and_tries_again(
    s3: Buckets, tapes: Path, network: Path, restored: dict[str, bytes], tmp_path: Path
) -> None:
    put(s3, tapes, "in")
    s3.busy = "/in/side/b.flac"
    (tmp_path / "web").mkdir()
    shutil.copy(tapes / "a.wav", tmp_path / "web")
    with web(tmp_path / "web") as server:
        lines = [f"{server.url}/a.wav?signature=1", "s3://tapes/in/side/", "s3://tapes/in/gone.wav"]
        (tmp_path / "list").write_text("\n".join(lines))
        words = ["batch", "--list", tmp_path / "list", "s3://tapes/out", "-n", network, "-j", 2, "--progress", "json"]
        words += ["--output-name", "{stem}.restored.{ext}", "--state", tmp_path / "own", "--retries", 1]
        words += ["--report", tmp_path / "report.jsonl"]
        said = []
        with subprocess.Popen([*AT_ONCE, *map(str, words)], stderr=subprocess.PIPE, text=True) as child:
            for line in child.stderr or ():
                said.append(json.loads(line))
                if "again_in_seconds" in said[-1]:
                    s3.busy = None
        host = server.url.removeprefix("http://")
    assert child.returncode == 3
    assert said[-1] == {"restored": 3, "skipped": 0, "failed": 1}
    assert [each["input"] for each in said if "again_in_seconds" in each] == ["s3://tapes/in/side/b.flac"]
    assert "signature" not in str(said)
    where = {f"{host}/a": "a.wav", "tapes/in/side/b": "side/b.flac", "tapes/in/side/deep/c #1": "side/deep/c #1.wav"}
    expected = {f"{place}.restored{Path(name).suffix}": restored[name] for place, name in where.items()}
    assert objects(s3, "out") == expected
    assert left(tmp_path / "own") == {"batch.journal"}
    rows = {row["input"]: row for row in map(json.loads, (tmp_path / "report.jsonl").read_text().splitlines())}
    assert {Path(name).name: (row["status"], row["attempts"]) for name, row in rows.items()} == {
        "a.wav": ("restored", 1),
        "b.flac": ("restored", 2),
        "c #1.wav": ("restored", 1),
        "gone.wav": ("failed", 1),
    }
    assert "its storage failed" in rows["s3://tapes/in/side/b.flac"]["warnings"][-1]


def test_a_batch_in_a_bucket_that_was_killed_goes_on_in_the_middle(s3: Buckets, network: Path, tmp_path: Path) -> None:
    folder, state = tmp_path / "in", tmp_path / "state"
    folder.mkdir()
    for number in range(3):
        sound = np.clip(0.1 * np.random.default_rng(number).standard_normal(700_000), -1, 1)
        soundfile.write(folder / f"{number}.wav", sound, RATE, subtype="PCM_16")
    put(s3, folder, "in")
    words = [*EAGER, "batch", "s3://tapes/in", "s3://tapes/out", "-n", str(network), "--resume"]
    with subprocess.Popen(words, stderr=subprocess.PIPE) as child:
        while not any("1.wav.journal" in names for _, _, names in os.walk(state)):
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert set(objects(s3, "out")) == {"0.wav"}
    stored = s3.bucket.Object("out/0.wav").last_modified
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr.endswith("2 restored, 1 skipped, 0 failed\n")
    assert s3.bucket.Object("out/0.wav").last_modified == stored
    run("batch", folder, tmp_path / "out", "-n", network)
    assert objects(s3, "out") == {f"{number}.wav": (tmp_path / f"out/{number}.wav").read_bytes() for number in range(3)}
    assert left(state) == {"batch.journal"}


def test_what_changed_is_restored_again_and_what_is_there_replaced_only_by_force(
    s3: Buckets, tapes: Path, model: Model, restored: dict[str, bytes]
) -> None:
    put(s3, tapes, "in")
    s3.bucket.put_object(Key="out/a.wav", Body=b"mine")
    summary = work("s3://tapes/in", "s3://tapes/out", model)
    assert [str(path) for path in summary.failed] == ["s3://tapes/in/a.wav"]
    assert "exists; --force replaces it" in str(summary.failed)
    assert objects(s3, "out")["a.wav"] == b"mine"
    with pytest.raises(ConfigError, match="--resume goes on with it"):
        Batch("s3://tapes/in", "s3://tapes/out", model=model)
    again = work("s3://tapes/in", "s3://tapes/out", model, resume=True, stored=Output(force=True))
    assert (len(again.restored), len(again.skipped)) == (1, 2)
    assert objects(s3, "out") == restored
    s3.bucket.put_object(Key="in/a.wav", Body=(tapes / "side/deep/c #1.wav").read_bytes())
    changed = work("s3://tapes/in", "s3://tapes/out", model, resume=True, stored=Output(force=True))
    assert ([str(path) for path in changed.restored], len(changed.skipped)) == (["s3://tapes/in/a.wav"], 2)
    assert objects(s3, "out") == {**restored, "a.wav": restored["side/deep/c #1.wav"]}


def test_one_batch_at_a_time_has_a_state(s3: Buckets, tapes: Path, model: Model, tmp_path: Path) -> None:
    with Batch(tapes, "s3://tapes/out", model=model), pytest.raises(SinkError, match="another run is writing it"):
        Batch(tapes, "s3://tapes/out/", model=model, resume=True)
    (journal,) = (tmp_path / "state").rglob("batch.journal")
    with pytest.raises(ConfigError, match=r"outputs \(was s3://tapes/out, is s3://tapes/other\)"):
        Batch(tapes, "s3://tapes/other", model=model, resume=True, state=journal.parent)


def test_what_storage_fails_is_tried_again_after_the_others(
    s3: Buckets, tapes: Path, model: Model, restored: dict[str, bytes]
) -> None:
    put(s3, tapes, "in")
    s3.bucket.put_object(Key="in/broken.wav", Body=b"RIFF and nothing else, or very little of it")
    s3.busy = "/in/a.wav"
    said: list[tuple[str, str, float]] = []

    def again(item: Item, error: str, seconds: float) -> None:
        said.append((str(item.source), error, seconds))
        s3.busy = "/out/side/b.flac" if len(said) == 1 else None

    summary = work("s3://tapes/in", "s3://tapes/out", model, again=again)
    assert [source for source, _, _ in said] == ["s3://tapes/in/a.wav", "s3://tapes/in/side/b.flac"]
    assert "Service Unavailable" in said[0][1]
    assert objects(s3, "out") == restored
    rows = {row["input"].removeprefix("s3://tapes/in/"): row for row in summary.rows}
    assert {name: row["attempts"] for name, row in rows.items()} == dict(
        zip([*NAMES, "broken.wav"], (2, 2, 1, 1), strict=True)
    )
    assert "its storage failed" in rows["a.wav"]["warnings"][-1]
    assert rows["side/deep/c #1.wav"]["warnings"] == []
    assert rows["broken.wav"]["status"] == "failed"


def test_tries_have_an_end(s3: Buckets, tapes: Path, model: Model, restored: dict[str, bytes], tmp_path: Path) -> None:
    put(s3, tapes, "in")
    s3.busy = "GET /tapes/in/a.wav"
    summary = work("s3://tapes/in", tmp_path / "out", model, retries=2)
    (error,) = summary.failed.values()
    assert "tried 3 times, --resume tries again" in error
    assert summary.rows[0]["attempts"] == 3
    assert not (tmp_path / "out" / "a.wav").exists()
    s3.busy = None
    assert len(work("s3://tapes/in", tmp_path / "out", model, resume=True).restored) == 1
    assert (tmp_path / "out" / "a.wav").read_bytes() == restored["a.wav"]
    with pytest.raises(ConfigError, match="is tried again 0 to 100 times, got -1"):
        work("s3://tapes/in", tmp_path / "none", model, retries=-1)


def test_what_is_forbidden_is_tried_once(s3: Buckets, tapes: Path, model: Model, tmp_path: Path) -> None:
    put(s3, tapes, "in")
    s3.forbidden = "/in/a.wav"
    summary = work("s3://tapes/in", "s3://tapes/out", model)
    assert [row["attempts"] for row in summary.rows] == [1, 1, 1]
    assert [str(path) for path in summary.failed] == ["s3://tapes/in/a.wav"]
    s3.forbidden = "PUT /tapes/out"
    summary = work("s3://tapes/in", "s3://tapes/out", model, resume=True)
    assert (len(summary.skipped), len(summary.failed), summary.rows[0]["attempts"]) == (2, 1, 1)
    assert "told to be bad; the finished sound is kept as" in str(summary.failed)


PARTS = "import s3fs.core; s3fs.core.calculate_chunksize = lambda size, **about: 5 << 20;"
"""Uploads in parts from 10 MiB on, where s3fs begins at 100 MiB."""


@pytest.fixture
def long_tape(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    sound = np.clip(0.1 * np.random.default_rng(0).standard_normal(3_000_000), -1, 1)
    soundfile.write(tmp_path / "in" / "a.wav", sound, RATE, subtype="FLOAT")
    return tmp_path / "in"


def test_an_upload_that_fails_leaves_nothing_there_and_is_made_good(
    s3: Buckets, long_tape: Path, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3fs.core.calculate_chunksize", lambda size, **about: 5 << 20)
    s3.busy = "partNumber=2"
    summary = work(long_tape, "s3://tapes/out", model, retries=1)
    (error,) = summary.failed.values()
    assert "the finished sound is kept as" in error
    assert (objects(s3, "out"), s3.unfinished()) == ({}, [])
    assert left(tmp_path / "state") == {"batch.journal", "a.wav", "a.wav.report"}
    (made,) = (tmp_path / "state").rglob("a.wav")
    work(long_tape, tmp_path / "out", model)
    assert made.read_bytes() == (tmp_path / "out" / "a.wav").read_bytes()
    made.write_bytes(b"as it was kept")
    s3.busy = None
    again = work(long_tape, "s3://tapes/out", model, resume=True)
    assert again.rows[0]["seconds"] == 3_000_000 / RATE
    assert objects(s3, "out")["a.wav"] == b"as it was kept"
    assert left(tmp_path / "state") == {"batch.journal"}


def test_an_upload_that_is_killed_is_ended_by_the_next(
    s3: Buckets, long_tape: Path, network: Path, tmp_path: Path
) -> None:
    s3.held = "partNumber=2"
    code = f"{PARTS} import sys; from stream_restore.cli.main import main; sys.exit(main())"
    words = [sys.executable, "-c", code, "batch", str(long_tape), "s3://tapes/out", "-n", str(network), "--resume"]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as child:
        while not any("partNumber=2" in request for request in s3.requests):
            assert child.poll() is None
            time.sleep(0.01)
        child.kill()
    s3.held = None
    s3.released.set()
    assert len(s3.unfinished()) == 1
    assert objects(s3, "out") == {}
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr.endswith("1 restored, 0 skipped, 0 failed\n")
    assert (set(objects(s3, "out")), s3.unfinished()) == ({"a.wav"}, [])


@pytest.mark.parametrize("ranges", [True, False])
def test_a_recording_of_a_web_server_that_cuts_off_is_whole(
    ranges: bool, tapes: Path, model: Model, restored: dict[str, bytes], tmp_path: Path
) -> None:
    with web(tapes) as server:
        server.ranges, server.busy = ranges, 1000

        def cure(item: Item, error: str, seconds: float) -> None:
            server.busy, server.cuts = 0, 1

        found = find_recordings([f"{server.url}/a.wav", f"{server.url}/side/b.flac"], tmp_path / "out")
        summary = work(found, tmp_path / "out", model, again=cure, resume=True)
    assert summary.failed == {}
    assert sorted(row["attempts"] for row in summary.rows) == [1, 2]
    assert (tmp_path / "out/a.wav").read_bytes() == restored["a.wav"]
    assert (tmp_path / "out/b.flac").read_bytes() == restored["side/b.flac"]
