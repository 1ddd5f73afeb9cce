"""A long recording in pieces: joined they are what one process writes, and none is restored twice."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from folders import files
from identity import Identity, identity

from stream_restore.batch import Batch, Item
from stream_restore.batch.pieces import Cut, cut, join, restore_piece
from stream_restore.batch.treatment import Restorer
from stream_restore.errors import SinkError, SourceError
from stream_restore.passes.job import Output
from stream_restore.restoration import Restoration

RATE, FRAMES = 1000, 30_500


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    sound = np.random.default_rng(0).standard_normal((FRAMES, 2)).clip(-1, 1)
    soundfile.write(tmp_path / "in.wav", sound, RATE, subtype="FLOAT")
    return tmp_path / "in.wav"


def restorer(stored: Output | None = None, normalise: bool = False) -> Restorer:
    restoration = Restoration(repairs=("clicks", "noise"), strengths={"noise": 0.5}, shifts=1)
    return Restorer(identity(dry=1.0, gain=0.3), restoration, normalise, stored=stored or Output())


def cut_up(how: Restorer, recording: Path, target: Path) -> Cut:
    whole = cut(how, Item(recording, target, finished=False), 10)
    assert whole
    return whole


@pytest.mark.parametrize(("kind", "encoding"), [("wav", "s16"), ("flac", "s24"), ("wav", None), ("mp3", None)])
def test_pieces_joined_are_what_one_process_writes(
    kind: str, encoding: str | None, recording: Path, tmp_path: Path
) -> None:
    how = restorer(Output(encoding=encoding, seed=7))
    if kind == "mp3":  # it has no rate so low
        soundfile.write(recording, soundfile.read(recording)[0], 8000, subtype="FLOAT")
    target = tmp_path / f"out.{kind}"
    whole = cut(how, Item(recording, target, finished=False), FRAMES / (8000 if kind == "mp3" else RATE) / 3)
    assert whole
    for number in reversed(range(len(whole.ranges))):
        restore_piece(how, whole, number, resume=False)
    report = join(how, whole)
    alone = how(Item(recording, tmp_path / f"alone.{kind}", finished=False), resume=False)
    assert target.read_bytes() == (tmp_path / f"alone.{kind}").read_bytes()
    assert (report.frames, report.peak, report.seconds) == (alone.frames, alone.peak, alone.seconds)
    assert list(report.clipped.values()) == list(alone.clipped.values())
    assert set(files(tmp_path)) == {"in.wav", target.name, f"alone.{kind}"}


def test_a_piece_that_is_there_is_not_restored_again(recording: Path, tmp_path: Path) -> None:
    how = restorer()
    whole = cut_up(how, recording, tmp_path / "out.wav")
    assert len(whole.ranges) == 4
    network = how.model.members[0].backend
    assert isinstance(network, Identity)
    restore_piece(how, whole, 1, resume=True)
    network.inputs.clear()
    restore_piece(how, whole, 1, resume=True)
    assert not network.inputs
    restore_piece(how, whole, 1, resume=False)
    assert network.inputs


def test_a_recording_that_is_short_or_measured_as_a_whole_is_not_cut(recording: Path, tmp_path: Path) -> None:
    item = Item(recording, tmp_path / "out.wav", finished=False)
    assert cut(restorer(), item, FRAMES / RATE) is None
    assert cut(restorer(normalise=True), item, 1) is None
    with pytest.raises(SourceError, match="is gone"):
        cut(restorer(), replace(item, source=tmp_path / "gone.wav"), 1)
    item.local.touch()
    with pytest.raises(SinkError, match="exists"):
        cut(restorer(), item, 1)
    assert cut(restorer(Output(force=True)), item, 1)


def test_a_recording_that_changed_meanwhile_is_not_joined(recording: Path, tmp_path: Path) -> None:
    how = restorer()
    whole = cut_up(how, recording, tmp_path / "out.wav")
    for number in range(len(whole.ranges)):
        restore_piece(how, whole, number, resume=True)
    os.utime(recording, ns=(0, 0))
    with pytest.raises(SourceError, match=r"was changed while it was restored: modified"):
        join(how, whole)
    assert not (tmp_path / "out.wav").exists()


def test_pieces_are_kept_for_a_batch_that_goes_on_while_their_recording_is_the_same(
    recording: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    recording = recording.rename(tmp_path / "in" / "in.wav")
    model, out = identity(), tmp_path / "out"
    piece = out / "in.wav.pieces" / "0-10000.raw"

    def begun(resume: bool) -> bool:
        """Whether the piece was still there when the recording's turn came."""
        with Batch(tmp_path / "in", out, model=model, resume=resume) as batch:
            piece.parent.mkdir(exist_ok=True)
            piece.touch()
            batch._log.begin(batch.items[0], resume)
        return piece.exists()

    assert not begun(resume=False)
    assert begun(resume=True)
    os.utime(recording, ns=(0, 0))
    assert not begun(resume=True)
    piece.parent.mkdir()
    with Batch(tmp_path / "in", out, model=model, resume=True) as batch:
        batch.run(lambda number, item: None, lambda item, outcome: None)
    assert set(files(out)) == {"batch.journal", "in.wav"}
