"""Encoded outputs go on where they were stopped, at any instant, and have the bytes of undisturbed ones."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_helpers import noise, rate_of, tape
from cheap import EAGER, limited, run
from folders import names
from stopping import DEAD, KILLS, StoppedError, dies, interrupt, killed, stop_after

from stream_restore import api
from stream_restore.audio import Position, Sink, open_sink
from stream_restore.audio.formats import CODECS, CONTAINERS, WORDS
from stream_restore.degradation import Degradation
from stream_restore.errors import ConfigError, SinkError
from stream_restore.passes.job import Output
from stream_restore.spec import Audio, Spec

RATE, FRAMES = 44100, 600_000
KINDS = ["flac", "mp3", "ogg", "m4a", "caf"]
ENCODED = [
    (name, word)
    for name, kind in CONTAINERS.items()
    for word in kind.encodings
    if kind.writer != "pcm" or word in CODECS
]
LONGEST = 1.0
"""Seconds of work within which it is killed."""
STEREO = Spec(RATE, 2)
SOUND = 3 * noise(1, 30_000)


def written(sink: Sink, sound: Audio, cuts: list[int]) -> Sink:
    """Write sound block by block."""
    for block in np.split(sound, cuts, axis=1):
        sink.write(block)
    return sink


# Sinks


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[bytes, int]]:
    """What each encoder makes of all of it, and how much it clips; in an earlier second by the clock than the tests."""
    found, path = {}, tmp_path_factory.mktemp("whole") / "tape"
    for container, word in ENCODED:
        spec = Spec(rate_of(container, word), 1)
        sink = written(open_sink(path, spec, container=container, encoding=word, seed=3, force=True), SOUND, [9000])
        sink.close()
        found[container, word] = path.read_bytes(), sink.clipped
    time.sleep(1 - time.time() % 1)
    return found


@pytest.mark.parametrize(("container", "word"), ENCODED)
def test_any_encoder_goes_on_at_any_position(
    container: str, word: str, undisturbed: Mapping[tuple[str, str], tuple[bytes, int]], tmp_path: Path
) -> None:
    """Four sinks one after the other against one: dithered, clipped, a rate that Opus has to convert."""
    how: dict[str, Any] = {"container": container, "encoding": word, "seed": 3}
    spec = Spec(rate_of(container, word), 1)
    sink = open_sink(tmp_path / "tape", spec, **how, continuable=True)
    for start, stop in ((0, 7001), (7001, 7002), (7002, 7002)):
        written(sink, SOUND[:, start:stop], [1, 5000])
        sink.sync()
        sink.keep()
        position = sink.position
        sink.write(SOUND[:, :500])  # what comes behind the last checkpoint is lost
        sink.abort()
        assert names(tmp_path) == {"tape.part"}
        sink = open_sink(tmp_path / "tape", spec, **how, resume=position)
    written(sink, SOUND[:, 7002:], [3]).close()
    assert names(tmp_path) == {"tape"}
    assert ((tmp_path / "tape").read_bytes(), sink.clipped) == undisturbed[container, word]
    assert (sink.clipped > 0) == (word in CODECS or (word in WORDS and WORDS[word].kind != "float"))


def test_a_pipe_is_encoded_directly_and_cannot_be_continued(tmp_path: Path) -> None:
    with (tmp_path / "pipe").open("wb") as pipe:
        written(open_sink(pipe, STEREO, container="flac", continuable=True), noise(2, 9000), []).close()
    assert names(tmp_path) == {"pipe"}
    for container in ("flac", "wav"):
        with (tmp_path / "pipe").open("wb") as pipe, pytest.raises(ConfigError, match="cannot be continued"):
            open_sink(pipe, STEREO, container=container, resume=Position(0, 0))


def test_what_cannot_be_encoded_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mp3 cannot hold 6 channels"):
        open_sink(tmp_path / "tape.mp3", Spec(RATE, 6), continuable=True)
    with pytest.raises(ConfigError, match="goes up to 48000 Hz, got 96000"):
        open_sink(tmp_path / "tape.mp3", Spec(96000, 2), continuable=True)
    assert names(tmp_path) == set()


# Runs


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tape(tmp_path_factory.mktemp("recordings") / "in.wav", 2, FRAMES, RATE, "PCM_24")


CHAIN = Degradation(cutoff_hz=None, sample_rate=None, snr_db=None)
STEPS = ["--cutoff", "none", "--rate", "none", "--snr", "none"]


def words(recording: Path, out: Path) -> list[str]:
    """The real command with a checkpoint after every block."""
    return [*EAGER, *map(str, ["degrade", recording, "-o", out, *STEPS, "--resume", "-q"])]


def degrade(recording: Path, out: Path, **options: Any) -> bytes:
    out.parent.mkdir(exist_ok=True)
    api.degrade(recording, out, degradation=CHAIN, stored=Output(force=options.pop("force", False)), **options)
    return out.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_killed_at_random_times_goes_on(kind: str, recording: Path, tmp_path: Path) -> None:
    """SIGKILL within the first second of work, which is all of it on a fast machine."""
    whole = degrade(recording, tmp_path / f"whole.{kind}")
    out, begun, kills = tmp_path / f"out.{kind}", tmp_path / f"out.{kind}.part", max(2, KILLS // len(KINDS))
    for _ in killed(words(recording, out), out, LONGEST, kills=kills, begun=begun):
        assert out.read_bytes() == whole
        assert names(tmp_path) == {f"whole.{kind}", f"out.{kind}"}
        out.unlink()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_process_leaves_what_can_go_on(number: signal.Signals, recording: Path, tmp_path: Path) -> None:
    whole, out = degrade(recording, tmp_path / "whole" / "out.flac"), tmp_path / "out" / "out.flac"
    out.parent.mkdir()
    interrupt(words(recording, out), number, out.parent / "out.flac.journal")
    assert names(out.parent) == {"out.flac.part", "out.flac.journal"}
    subprocess.run(words(recording, out), check=True)
    assert out.read_bytes() == whole
    assert names(out.parent) == {"out.flac"}


def die_at(moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on this process dies beside the step that gives out.flac its name, or the next."""
    replace, unlink = os.replace, Path.unlink

    def replaced(source: Any, target: Any) -> None:
        if moment == "before the name" and Path(target).name == "out.flac":
            os._exit(DEAD)
        replace(source, target)
        if moment == "behind the name" and Path(target).name == "out.flac":
            os._exit(DEAD)

    def unlinked(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        if moment == "before the journal goes" and path.name == "out.flac.part":
            os._exit(DEAD)

    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(Path, "unlink", unlinked)


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("moment", ["before the name", "behind the name", "before the journal goes"])
@pytest.mark.usefixtures("every_block")
def test_stopped_beside_the_name_it_goes_on(
    moment: str, force: bool, recording: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = degrade(recording, tmp_path / "whole" / "out.flac"), tmp_path / "out" / "out.flac"
    if force:
        out.parent.mkdir()
        out.write_text("an older one")
    with monkeypatch.context() as patch:
        die_at(moment, patch)
        dies(lambda: degrade(recording, out, force=force))
    assert "out.flac.journal" in names(out.parent)
    assert degrade(recording, out, force=force, resume=True) == whole
    assert names(out.parent) == {"out.flac"}


def stopped(recording: Path, out: Path) -> None:
    with pytest.raises(StoppedError):
        degrade(recording, out, progress=stop_after(200_000))


@pytest.mark.usefixtures("every_block")
def test_a_file_that_came_to_exist_meanwhile_is_kept(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "out.mp3"
    stopped(recording, out)
    left = names(out.parent)
    out.write_text("precious")
    with pytest.raises(SinkError, match=r"out\.mp3: exists; --force replaces it"):
        degrade(recording, out, resume=True)
    assert names(out.parent) == {"out.mp3", *left}
    assert out.read_text() == "precious"
    assert degrade(recording, out, resume=True, force=True) == degrade(recording, tmp_path / "whole.mp3")


@pytest.mark.usefixtures("every_block")
def test_kept_numbers_shorter_than_the_journal_says_are_refused(recording: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "out.ogg"
    stopped(recording, out)
    os.truncate(tmp_path / "out" / "out.ogg.part", 1000)
    with pytest.raises(SinkError, match="shorter than its journal says"):
        degrade(recording, out, resume=True)
    assert names(out.parent) == {"out.ogg.part", "out.ogg.journal"}


@pytest.mark.parametrize(
    ("name", "subtype", "full"), [("out.flac", "PCM_16", "what is kept"), ("out.caf", "DOUBLE", "what is encoded")]
)
def test_without_room_nothing_is_lost(name: str, subtype: str, full: str, tmp_path: Path) -> None:
    """A FLAC is shorter than the numbers kept for it, a CAF of 64-bit floats twice as long."""
    tape(tmp_path / "in.wav", 2, FRAMES, RATE, subtype)
    whole, out = degrade(tmp_path / "in.wav", tmp_path / "whole" / name), tmp_path / "out" / name
    kept = FRAMES * 2 * (2 if subtype == "PCM_16" else 4)
    limit = (kept if full == "what is kept" else 2 * kept) * 3 // 4 // 1024
    out.parent.mkdir()
    said = run(code=1, command=limited(words(tmp_path / "in.wav", out), limit))
    assert f"{name}: cannot write: File too large" in said
    assert names(out.parent) == {f"{name}.part", f"{name}.journal"}
    assert degrade(tmp_path / "in.wav", out, resume=True) == whole
