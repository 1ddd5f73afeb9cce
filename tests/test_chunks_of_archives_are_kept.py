"""What archives put beside the sound of a WAV or an AIFF stays, byte for byte: bext, iXML, cue, smpl, ID3, markers."""

import io
import os
import struct
import subprocess
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import mutagen
import pytest
import soundfile
from audio_helpers import chunk, drip, ffmpeg, fmt, noise, read_all, riff, sox, write_all
from cheap import NOTHING, run
from mutagen.id3 import APIC, ID3, TIT2, TXXX
from stopping import StoppedError, stop_after

from stream_restore import api
from stream_restore.audio import open_sink, open_source
from stream_restore.audio.tags import extras
from stream_restore.degradation import Degradation
from stream_restore.passes.job import Output, Report
from stream_restore.spec import Spec

FRAMES, RATE = 50_001, 44100
SOUND = noise(1, FRAMES)
DATA = (SOUND.T * 32768).astype("<i2").tobytes()
CHAIN = Degradation(cutoff_hz=None, sample_rate=None, bits=None, snr_db=None)
INFO = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"Tape\0"))
GUID = bytes.fromhex("f3acd3118cd100c04f8edb8a")

BEXT = b"Reel 7".ljust(256, b"\0") + bytes(82) + struct.pack("<Q", 44100 * 3600) + bytes(256) + b"A=PCM,F=44100\r\n"
CUE = struct.pack("<I", 2) + b"".join(
    struct.pack("<II4sIII", i, at, b"data", 0, 0, at) for i, at in ((1, 0), (2, 30_001))
)
ADTL = b"adtl" + chunk(b"labl", struct.pack("<I", 2) + b"second\0") + chunk(b"note", struct.pack("<I", 2) + b"odd\0")
SMPL = struct.pack("<9I", 0, 0, 22676, 60, 0, 0, 0, 1, 0) + struct.pack("<6I", 0, 0, 100, 40_000, 0, 0)
IXML = "<BWFXML><SCENE>Zoë</SCENE></BWFXML>".encode()


def id3_tag(*frames: TXXX | APIC) -> bytes:
    tag, file = ID3(), io.BytesIO()
    for frame in (TIT2(encoding=3, text="Tape"), *frames):
        tag.add(frame)
    tag.save(file, v2_version=3)
    return file.getvalue()


BEFORE = [(b"bext", BEXT), (b"iXML", IXML), (b"id3 ", id3_tag())]
BEHIND = [(b"cue ", CUE), (b"LIST", ADTL), (b"smpl", SMPL), (b"inst", bytes(7))]


def packed(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(chunk(*each) for each in chunks)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "in.wav"
    path.write_bytes(
        riff(packed(BEFORE[:1]), fmt(channels=1), packed(BEFORE[1:]), chunk(b"data", DATA), packed(BEHIND), INFO)
    )
    return path


def chunks_of(data: bytes, order: str = "<") -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a complete RIFF or AIFF file, whose size must be true."""
    assert struct.unpack(order + "I", data[4:8])[0] in (len(data) - 8, 0xFFFFFFFF)
    position, large = 12, len(data)
    while position < len(data):
        name, size = struct.unpack_from(order + "4sI", data, position)
        if size == 0xFFFFFFFF:
            size = min(large, len(data) - position - 8)
        body = data[position + 8 : position + 8 + size]
        assert len(body) == size
        if name == b"ds64":
            large = struct.unpack_from("<Q", body, 8)[0]
        yield name, body
        position += 8 + size + size % 2
    assert position == len(data)


def sides(path: Path) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    """The chunks before and behind the sound, without those that only describe the format."""
    found = list(chunks_of(path.read_bytes()))
    (at,) = (place for place, (name, _) in enumerate(found) if name == b"data")
    own = (b"JUNK", b"fmt ", b"fact", b"ds64")
    return [each for each in found[:at] if each[0] not in own], found[at + 1 :]


def copy(source: Path, target: Path, feed: str = "file", resume: bool = False) -> Report:
    if feed == "file":
        return api.degrade(source, target, degradation=CHAIN, resume=resume)
    with subprocess.Popen(["cat", source], stdout=subprocess.PIPE) as pipe:
        return api.degrade(cast("BinaryIO", pipe.stdout), target, degradation=CHAIN)


@pytest.mark.parametrize("feed", ["file", "pipe"])
def test_a_wav_keeps_its_chunks_where_they_stood(feed: str, archive: Path, tmp_path: Path) -> None:
    report = copy(archive, tmp_path / "out.wav", feed)
    assert report.warnings == []
    assert sides(tmp_path / "out.wav") == (BEFORE, [*BEHIND, (b"LIST", INFO[8:])])
    for read in (
        soundfile.read(tmp_path / "out.wav", dtype="int16")[0].tobytes(),
        ffmpeg("-i", str(tmp_path / "out.wav"), "-f", "s16le", "-"),
        sox(str(tmp_path / "out.wav"), "-t", "raw", "-"),
    ):
        assert (read == DATA) is True
    with open_source(tmp_path / "out.wav") as source:
        assert source.format.tags == {"title": "Tape"}
        assert source.frames == FRAMES


def test_a_pipe_gives_the_bytes_of_a_file_however_it_drips(archive: Path, tmp_path: Path) -> None:
    copy(archive, tmp_path / "out.wav")
    for most in (997, 1 << 20):
        with open_source(drip(archive.read_bytes(), most)) as source:
            sink = open_sink(tmp_path / "dripped.wav", source.spec, like=source.format, force=True)
            write_all(sink, read_all(source), 1000)
        assert ((tmp_path / "dripped.wav").read_bytes() == (tmp_path / "out.wav").read_bytes()) is True


def test_ffprobe_finds_the_time_reference_and_libsndfile_the_loop(archive: Path, tmp_path: Path) -> None:
    run("restore", archive, "-o", tmp_path / "out.wav", "--repair", "clicks")
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "format_tags", tmp_path / "out.wav"],
        capture_output=True,
        check=True,
    )
    assert f"TAG:time_reference={44100 * 3600}".encode() in shown.stdout
    assert b"=Reel 7" in shown.stdout
    assert "Loop" in soundfile.info(tmp_path / "out.wav", verbose=True).extra_info
    assert mutagen.File(tmp_path / "out.wav")["TIT2"] == "Tape"


def to_stdout(*arguments: object, path: Path, feed: bytes | None = None) -> str:
    with path.open("wb") as out:
        return run(*arguments, stdout=out, input=feed)


def test_stdout_gets_all_that_is_known_in_time(archive: Path, tmp_path: Path) -> None:
    assert to_stdout("degrade", archive, "-o", "-", *NOTHING, path=tmp_path / "file.wav") == ""
    assert sides(tmp_path / "file.wav")[0] == [*BEFORE, *BEHIND, (b"LIST", INFO[8:])]
    said = to_stdout("degrade", "-", "-o", "-", *NOTHING, path=tmp_path / "pipe.wav", feed=archive.read_bytes())
    assert sides(tmp_path / "pipe.wav")[0] == BEFORE
    late = "stand behind the sound, too late for a pipe; open the file itself to keep them"
    assert f"stdin: its chunks {late}: cue, LIST, smpl, inst" in said
    assert f"stdin: its tags {late}" in said
    assert (soundfile.read(tmp_path / "pipe.wav", dtype="int16")[0].tobytes() == DATA) is True


def without_info(path: Path) -> list[tuple[bytes, bytes]]:
    return sorted(each for side in sides(path) for each in side if each[1][:4] != b"INFO")


@pytest.mark.parametrize("feed", ["file", "pipe"])
def test_chunks_pass_through_an_rf64_that_all_can_read(feed: str, archive: Path, tmp_path: Path) -> None:
    between = tmp_path / "between.rf64"
    assert copy(archive, between, feed).warnings == []
    assert copy(between, tmp_path / "out.wav", feed).warnings == []
    assert without_info(between) == without_info(tmp_path / "out.wav") == sorted(BEFORE + BEHIND)
    assert (soundfile.read(between, dtype="int16")[0].tobytes() == DATA) is True
    assert (ffmpeg("-i", str(between), "-f", "s16le", "-") == DATA) is True


def wave64(*chunks: tuple[bytes, bytes]) -> bytes:
    """A Sony Wave64: identifiers of 16 bytes, sizes of 8 that count their heads, chunks at multiples of 8."""
    body = b"".join(
        name + GUID + struct.pack("<Q", 24 + len(each)) + each + bytes(-len(each) % 8) for name, each in chunks
    )
    head = bytes.fromhex("726966662e91cf11a5d628db04c10000") + struct.pack("<Q", 40 + len(body))
    return head + b"wave" + GUID + body


@pytest.mark.parametrize("feed", ["file", "pipe"])
def test_a_wave64_gives_its_chunks_to_a_wav_and_says_that_it_gets_none(
    feed: str, archive: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in.w64"
    source.write_bytes(wave64(*BEFORE, (b"fmt ", fmt(channels=1)[8:]), (b"data", DATA), *BEHIND))
    assert copy(source, tmp_path / "out.wav", feed).warnings == []
    assert sides(tmp_path / "out.wav") == (BEFORE, BEHIND)
    said = copy(archive, tmp_path / "out.w64", feed).warnings
    assert "w64 cannot hold its chunks: bext, iXML, id3, cue, LIST, smpl, inst" in said[0]
    assert soundfile.info(tmp_path / "out.w64").frames == FRAMES


def test_a_codec_inside_a_wav_keeps_them(archive: Path, tmp_path: Path) -> None:
    api.degrade(archive, tmp_path / "a.wav", degradation=CHAIN, stored=Output(encoding="ima_adpcm"))
    api.degrade(tmp_path / "a.wav", tmp_path / "b.wav", degradation=CHAIN, stored=Output(encoding="ima_adpcm"))
    for name in ("a.wav", "b.wav"):
        assert without_info(tmp_path / name) == sorted(BEFORE + BEHIND)


def test_what_counts_frames_does_not_survive_another_rate(archive: Path, tmp_path: Path) -> None:
    with open_source(archive) as source:
        sink = open_sink(tmp_path / "out.wav", Spec(48000, 1), like=source.format)
        write_all(sink, SOUND, 5000)
    before, behind = sides(tmp_path / "out.wav")
    assert [name for name, _ in before + behind] == [b"id3 ", b"inst", b"LIST"]
    lost = "bext, iXML, cue, LIST, smpl"
    assert sink.warnings == [f"{archive}: its chunks count frames at 44100 Hz, and are left out: {lost}"]


def test_another_container_says_what_it_cannot_hold(archive: Path, tmp_path: Path) -> None:
    said = run("degrade", archive, "-o", tmp_path / "out.flac", *NOTHING)
    assert "in.wav: flac cannot hold its chunks: bext, iXML, cue, LIST, smpl, inst" in said
    assert mutagen.File(tmp_path / "out.flac")["title"] == ["Tape"]


def test_replay_gain_goes_from_an_id3_chunk_and_the_picture_stays(tmp_path: Path) -> None:
    tag = id3_tag(
        TXXX(encoding=3, desc="REPLAYGAIN_TRACK_GAIN", text="-3 dB"),
        APIC(encoding=3, mime="image/png", type=3, desc="", data=b"\x89PNG"),
    )
    (tmp_path / "in.wav").write_bytes(riff(fmt(channels=1), chunk(b"data", DATA), chunk(b"id3 ", tag)))
    copy(tmp_path / "in.wav", tmp_path / "out.wav")
    assert set(mutagen.File(tmp_path / "out.wav").tags) == {"TIT2", "APIC:"}


@pytest.mark.usefixtures("every_block")
def test_a_stopped_run_goes_on_to_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    copy(archive, tmp_path / "whole.wav")
    for stop in (20_000, 40_000):
        with pytest.raises(StoppedError):
            api.degrade(archive, tmp_path / "out.wav", degradation=CHAIN, resume=True, progress=stop_after(stop))
    copy(archive, tmp_path / "out.wav", resume=True)
    assert ((tmp_path / "out.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()) is True


# AIFF

MARK = struct.pack(">H", 1) + struct.pack(">HI", 1, 30_001) + b"\x06second\0"
COMT = struct.pack(">HIHH", 1, 0, 1, 6) + b"a note"
INST = bytes([60, 0, 0, 127, 1, 127]) + bytes(14)
MARKERS = [(b"MARK", MARK), (b"COMT", COMT), (b"INST", INST), (b"APPL", b"stocdata"), (b"ID3 ", id3_tag())]


@pytest.mark.parametrize("feed", ["file", "pipe"])
def test_an_aiff_keeps_its_markers(feed: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "bare.aiff", SOUND.T, RATE, "PCM_16")
    body = (tmp_path / "bare.aiff").read_bytes()[8:]
    body += b"".join(struct.pack(">4sI", name, len(each)) + each + bytes(len(each) % 2) for name, each in MARKERS)
    (tmp_path / "in.aiff").write_bytes(struct.pack(">4sI", b"FORM", len(body)) + body)
    assert copy(tmp_path / "in.aiff", tmp_path / "out.aiff", feed).warnings == []
    found = list(chunks_of((tmp_path / "out.aiff").read_bytes(), ">"))
    kinds = [name for name, _ in MARKERS]
    assert [each for each in found if each[0] in kinds] == MARKERS
    for read in (
        soundfile.read(tmp_path / "out.aiff", dtype="int16")[0].tobytes(),
        ffmpeg("-i", str(tmp_path / "out.aiff"), "-f", "s16le", "-"),
        sox(str(tmp_path / "out.aiff"), "-t", "raw", "-"),
    ):
        assert (read == DATA) is True


# Headers that lie

LYING = [0xFFFFFFFF, 0x7FFFFFFF, 1 << 20]


@pytest.mark.parametrize("feed", ["file", "pipe"])
@pytest.mark.parametrize("size", LYING)
def test_a_chunk_that_claims_more_than_there_is_costs_neither_memory_nor_sound(
    size: int, feed: str, tmp_path: Path
) -> None:
    path = tmp_path / "in.wav"
    path.write_bytes(riff(fmt(channels=1), chunk(b"data", DATA), chunk(b"cue ", CUE), chunk(b"bext", b"x", size)))
    tracemalloc.start()
    try:
        said = copy(path, tmp_path / "out.wav", feed).warnings
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(said) == 1
    assert "its chunk bext is " in said[0]
    assert peak < 20 << 20
    assert sides(tmp_path / "out.wav") == ([], [(b"cue ", CUE)])
    assert dict(chunks_of((tmp_path / "out.wav").read_bytes()))[b"data"][-100:] == DATA[-100:]


@pytest.mark.parametrize("feed", ["file", "pipe"])
def test_more_chunks_than_the_limit_are_left_out_with_a_warning(feed: str, tmp_path: Path) -> None:
    """A file with a hole in it, so that it takes no room."""
    path = tmp_path / "in.wav"
    with path.open("wb") as file:
        start = fmt(channels=1) + chunk(b"bext", BEXT)
        file.write(b"RIFF" + bytes(4) + b"WAVE" + start + struct.pack("<4sI", b"iXML", extras.LIMIT))
        file.seek(extras.LIMIT, os.SEEK_CUR)
        file.write(chunk(b"data", DATA) + chunk(b"cue ", CUE))
    said = copy(path, tmp_path / "out.wav", feed).warnings
    assert [text.partition(": ")[2] for text in said] == [
        "its chunk iXML is left out: no more than 64 MiB of chunks are kept"
    ]
    assert sides(tmp_path / "out.wav") == ([(b"bext", BEXT)], [(b"cue ", CUE)])
    assert (soundfile.read(tmp_path / "out.wav", dtype="int16")[0].tobytes() == DATA) is True


def test_a_big_endian_wav_keeps_what_has_no_numbers(tmp_path: Path) -> None:
    def big(name: bytes, body: bytes) -> bytes:
        return struct.pack(">4sI", name, len(body)) + body + bytes(len(body) % 2)

    head = big(b"fmt ", struct.pack(">HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16))
    sound = (SOUND.T * 32768).astype(">i2").tobytes()
    body = b"WAVE" + head + big(b"iXML", IXML) + big(b"bext", BEXT) + big(b"data", sound)
    (tmp_path / "in.wav").write_bytes(struct.pack(">4sI", b"RIFX", len(body)) + body)
    said = copy(tmp_path / "in.wav", tmp_path / "out.wav").warnings
    assert said == [f"{tmp_path / 'in.wav'}: its chunk bext is big-endian, and left out"]
    assert sides(tmp_path / "out.wav") == ([(b"iXML", IXML)], [])
