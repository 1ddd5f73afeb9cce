"""A batch takes folders, files, patterns and lists; results are called as the template says."""

import json
from pathlib import Path
from typing import Any

import pytest
import soundfile
from cheap import run
from folders import files

from stream_restore.batch import find_recordings
from stream_restore.batch.recordings import output_name
from stream_restore.errors import ConfigError, SourceError
from stream_restore.testing import example_signal


@pytest.fixture(autouse=True)
def tapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree of recordings in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("tapes/a.wav", "tapes/b.mp3", "tapes/side/c.flac", "tapes/side/a.wav", "more/d.wav", "out/old.wav"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    for name in ("tapes/notes.txt", "tapes/.hidden.wav", "more/[x].wav", "more/x.wav"):
        Path(name).touch()


def places(*words: str, **options: Any) -> set[str]:
    return {each.place.as_posix() for each in find_recordings(words, Path("out"), **options)}


def test_folders_files_and_patterns_keep_what_lies_below_them() -> None:
    assert places("tapes") == {"a.wav", "b.mp3", "side/c.flac", "side/a.wav"}
    assert places("tapes/side/c.flac", "more/d.wav", "tapes/notes.txt") == {"c.flac", "d.wav", "notes.txt"}
    assert places("tapes/**/*.wav") == {"a.wav", "side/a.wav"}
    assert places("*/side/*") == {"tapes/side/c.flac", "tapes/side/a.wav"}
    assert places("more/[x].wav") == {"[x].wav"}
    assert places("*/old.wav", "more/d.wav") == {"d.wav"}


def test_a_list_keeps_whole_paths(tmp_path: Path) -> None:
    assert places(listed=["tapes/side", "more/d.wav"]) == {"tapes/side/c.flac", "tapes/side/a.wav", "more/d.wav"}
    absolute = tmp_path / "more" / "d.wav"
    assert places(listed=[str(absolute), "gone.wav"]) == {absolute.as_posix()[1:], "gone.wav"}
    with pytest.raises(ConfigError, match=r"goes down only"):
        places(listed=["../x.wav"])


def test_patterns_choose_by_name_and_by_place() -> None:
    assert places("tapes", include=["*.wav"]) == {"a.wav", "side/a.wav"}
    assert places("tapes", include=["*.wav", "b.*"], exclude=["side/*"]) == {"a.wav", "b.mp3"}
    with pytest.raises(ConfigError, match="leave no recording"):
        places("tapes", exclude=["*"])
    with pytest.raises(ConfigError, match="holds no recordings"):
        places("*.aiff")
    with pytest.raises(SourceError, match=r"gone\.wav: does not exist"):
        places("gone.wav")


def test_the_command_takes_them_all_and_names_results(network: Path, tmp_path: Path) -> None:
    soundfile.write("more/d.wav", 0.5 * example_signal(1, 9000)[0], 16000)
    soundfile.write("tapes/side/c.flac", 0.5 * example_signal(1, 9000)[0], 16000)
    options = ("-n", network, "-q", "--output-name", "{stem}.restored.{ext}")
    run("batch", "more/d.wav", "tapes", "new", "--include", "*.flac", "--include", "d.wav", *options)
    assert set(files(Path("new"))) == {"batch.journal", "d.restored.wav", "side/c.restored.flac"}
    for name, data in (("lines", b"more/d.wav\ntapes/side\n"), ("zeros", b"more/d.wav\0tapes/side\0")):
        Path(name).write_bytes(data)
        with open(name, "rb") as stdin:
            run(
                "batch",
                "--list",
                "-" if name == "zeros" else name,
                f"by {name}",
                "--exclude",
                "a.wav",
                *options,
                stdin=stdin,
            )
        expected = {"batch.journal", "more/d.restored.wav", "tapes/side/c.restored.flac"}
        assert set(files(Path(f"by {name}"))) == expected


def test_a_listed_recording_that_is_missing_stops_no_other(network: Path) -> None:
    soundfile.write("more/d.wav", 0.5 * example_signal(1, 9000)[0], 16000)
    Path("list").write_text("gone.wav\nmore/d.wav\n")
    words = ["batch", "--list", "list", "new", "-n", network, "-j", 2, "--report", "report.jsonl"]
    said = run(*words, code=3)
    assert "stream-restore: gone.wav: cannot be opened: No such file or directory\n" in said
    assert said.endswith("1 restored, 0 skipped, 1 failed\nfailed: gone.wav\n")
    gone, there = map(json.loads, Path("report.jsonl").read_text().splitlines())
    assert gone["error"] == "gone.wav: cannot be opened: No such file or directory"
    assert there["seconds"] == 9000 / 16000
    assert set(files(Path("new"))) == {"batch.journal", "more/d.wav"}


@pytest.mark.parametrize("template", ["x", "{stem}/{ext}", "{stem.__class__}", "{0}", "{stem", "{stem!r}", "{other}"])
def test_a_template_that_names_nothing_is_refused(template: str) -> None:
    with pytest.raises(ConfigError, match="results are named by a template"):
        output_name(template, "a", "wav")
    assert output_name("{ext}-{stem}", "{ext}", "wav") == "wav-{ext}"


def test_what_lacks_a_place_is_said(network: Path) -> None:
    assert "and then the folder that gets the results" in run("batch", "out", code=1)
    assert "a report is called .jsonl" in run("batch", "tapes", "new", "--report", "r.txt", code=1)
    assert "nowhere: cannot be read: No such file" in run("batch", "--list", "nowhere", "new", code=2)
    assert "results are named by" in run("batch", "tapes", "new", "-n", network, "--output-name", "x", code=1)
    assert not Path("new").exists()
