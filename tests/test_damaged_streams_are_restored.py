"""Damaged and spliced recordings are read on: silence stands for what is lost, all else stands at its time.

Reference: what ffmpeg decodes of the same recording before it was damaged.
"""

import json
import random
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pytest
import soundfile
from audio_helpers import drip, ffmpeg, read_all
from folders import files
from stopping import StoppedError, stop_after

from stream_restore import api
from stream_restore.audio import OnDamage, open_source
from stream_restore.audio.bytestream import ByteStream, OnePass
from stream_restore.audio.ffmpeg.frame_headers import ADTS, MPEG
from stream_restore.audio.ffmpeg.resync import FrameStream
from stream_restore.cli.main import main
from stream_restore.degradation import Degradation
from stream_restore.errors import ConfigError, SourceError
from stream_restore.inspection import inspect
from stream_restore.spec import Audio

RATE = 44100
SECONDS = 3
TIME = np.arange(SECONDS * RATE) / RATE
TONES = 0.25 * np.stack([np.sin(2 * np.pi * (300 + 80 * TIME) * TIME), np.sin(2 * np.pi * (900 - 60 * TIME) * TIME)])
"""Tones that sweep, so that no place sounds like another; no noise, which AAC draws at random."""
SOUND = TONES.astype(np.float32)


def encoded(name: str, folder: Path, *options: str, sound: Audio = SOUND, rate: int = RATE) -> bytes:
    """A file that ffmpeg makes, the container being the suffix."""
    path = folder / f"made.{name}"
    raw = ["-f", "f32le", "-ar", str(rate), "-ac", str(len(sound)), "-i", "-"]
    ffmpeg(*raw, *options, str(path), feed=np.ascontiguousarray(sound.T, "<f4").tobytes())
    return path.read_bytes()


def decoded(data: bytes, folder: Path, *options: str, channels: int = 2) -> Audio:
    """The sound as ffmpeg decodes it."""
    (folder / "reference").write_bytes(data)
    raw = ffmpeg("-i", str(folder / "reference"), *options, "-f", "f32le", "-c:a", "pcm_f32le", "-")
    return np.frombuffer(raw, "<f4").reshape(-1, channels).T


def everywhere(data: bytes, folder: Path, on_damage: OnDamage = "conceal") -> tuple[Audio, list[str]]:
    """The sound and the warnings of a file, which are those of a pipe, and of blocks of any size."""
    path = folder / "tape"
    path.write_bytes(data)
    with open_source(path, on_damage=on_damage) as source:
        sound = read_all(source, 1 << 16)
        source.rewind()
        assert (read_all(source, 777) == sound).all()
        warnings = [warning.removeprefix(f"{path}: ") for warning in source.warnings]
    with open_source(drip(data, 5000), on_damage=on_damage) as pipe:
        piped = read_all(pipe, 4096)
        assert piped.shape == sound.shape
        assert (piped == sound).all()
        assert [warning.removeprefix("input stream: ") for warning in pipe.warnings] == warnings
    return sound, warnings


def zeroed(data: bytes, size: int = 3000) -> bytes:
    """With `size` bytes in the middle zeroed."""
    middle = len(data) // 2
    return data[:middle] + bytes(size) + data[middle + size :]


def id3(size: int) -> bytes:
    """An ID3v2 tag whose picture is made of bytes of any kind, beginnings of frames among them."""
    picture = (
        b"APIC" + struct.pack(">IH", size, 0) + (random.Random(1).randbytes(size - 4000) + b"\xff\xfb\x90\x64" * 1000)
    )
    length = len(picture)
    return b"ID3\3\0\0" + bytes(length >> shift & 0x7F for shift in (21, 14, 7, 0)) + picture


APE = b"APETAGEX" + struct.pack("<IIII8x", 2000, 32 + 14, 1, 1 << 31 | 1 << 29) + struct.pack("<II", 4, 0) + b"X\0"
APE_TAG = APE + b"Tape" + b"APETAGEX" + struct.pack("<IIII8x", 2000, 32 + 14, 1, 1 << 31)
ID3V1 = b"TAG" + b"Tape".ljust(125, b"\0")
BARE = ["-write_xing", "0", "-id3v2_version", "0"]


def frame_at(data: bytes, place: int) -> int:
    """Where a frame of 128 kbit/s begins, at `place` or behind it."""
    return min(at for head in (b"\xff\xfb\x90", b"\xff\xfb\x92") if (at := data.find(head, place)) >= 0)


@pytest.mark.parametrize(
    "tag", [id3(60_000), APE_TAG, ID3V1, ID3V1 + id3(5000), id3(5000) + bytes(2000), APE_TAG + ID3V1]
)
@pytest.mark.parametrize("on_damage", ["conceal", "stop"])
def test_a_tag_between_frames_is_skipped_without_a_word(tag: bytes, on_damage: OnDamage, tmp_path: Path) -> None:
    bare = encoded("mp3", tmp_path, *BARE)
    middle = frame_at(bare, len(bare) // 2)
    sound, warnings = everywhere(bare[:middle] + tag + bare[middle:], tmp_path, on_damage)
    expected = decoded(bare, tmp_path)
    assert warnings == []
    assert sound.shape == expected.shape
    assert np.abs(sound - expected).max() < 2e-6


def test_mp3s_that_were_joined_are_read_whole(tmp_path: Path) -> None:
    first, second = encoded("mp3", tmp_path, "-metadata", "title=A"), encoded("mp3", tmp_path, sound=SOUND[::-1])
    sound, warnings = everywhere(first + second, tmp_path)
    begin, end = decoded(first, tmp_path), decoded(encoded("mp3", tmp_path, *BARE, sound=SOUND[::-1]), tmp_path)
    assert warnings == []
    assert 0 <= sound.shape[1] - begin.shape[1] - end.shape[1] < 1152  # padding of the first, at the seam
    assert np.abs(sound[:, : begin.shape[1]] - begin).max() < 2e-6
    assert np.abs(sound[:, 2304 - end.shape[1] :] - end[:, 2304:]).max() < 2e-6


DAMAGED = {
    "mp3": [],
    "noinfo.mp3": ["-write_xing", "0"],
    "mp2": [],
    "aac": [],
    "m4a": [],
    "flac": [],
    "ogg": ["-c:a", "libvorbis", "-page_duration", "100000"],
    "opus": ["-c:a", "libopus", "-page_duration", "100000"],
    "ac3": [],
    "wma": [],
    "ts": ["-c:a", "mp2"],
    "aac.ts": ["-c:a", "aac"],
    "flv": ["-c:a", "aac", "-ar", "44100"],
}
MILLISECONDS = {"wma", "flv"}
"""Containers whose time stamps are so coarse."""


@pytest.mark.parametrize("name", DAMAGED)
def test_silence_stands_for_what_is_lost_and_all_else_keeps_its_time(name: str, tmp_path: Path) -> None:
    whole = encoded(name, tmp_path, *DAMAGED[name])
    with open_source(tmp_path / f"made.{name}") as source:
        rate = source.spec.sample_rate
    expected = decoded(whole, tmp_path)
    sound, warnings = everywhere(zeroed(whole), tmp_path)
    coarse = rate // 1000 + 1 if name in MILLISECONDS else 0
    padding = 1024 if name == "m4a" else 0  # of AAC's last block, which ffmpeg keeps
    assert 0 <= expected.shape[1] - sound.shape[1] + coarse <= padding + 2 * coarse
    assert len(warnings) == 1
    assert warnings[0].startswith("is damaged in ")
    lost = np.flatnonzero((sound == 0).all(axis=0) & (np.abs(expected[:, : sound.shape[1]]).max(axis=0) > 1e-3))
    assert len(lost) > 500
    before, behind = lost[0] - 4096, lost[-1] + 8 * 2304
    assert np.abs(sound[:, :before] - expected[:, :before]).max() < 1e-4
    assert sound.shape[1] - behind > rate // 2
    late = slice(behind + coarse, sound.shape[1] - coarse - 2304)
    errors = [
        np.abs(sound[:, late] - np.roll(expected, shift, 1)[:, late]).max() for shift in range(-coarse, coarse + 1)
    ]
    assert min(errors) < 2e-3


@pytest.mark.parametrize(("name", "place"), [("mp3", 1000), ("noinfo.mp3", 500), ("aac", 500), ("m4a", 400)])
def test_damage_at_the_beginning_moves_nothing(name: str, place: int, tmp_path: Path) -> None:
    whole = encoded(name, tmp_path, *DAMAGED[name])
    expected = decoded(whole, tmp_path)
    sound, warnings = everywhere(whole[:place] + bytes(2000) + whole[place + 2000 :], tmp_path)
    assert len(warnings) == 1
    assert 0 <= expected.shape[1] - sound.shape[1] < 1024
    late = slice(RATE, 2 * RATE)
    assert np.abs(sound[:, late] - expected[:, late]).max() < 2e-3


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_stops_the_work_if_asked(name: str, tmp_path: Path) -> None:
    data = zeroed(encoded(name, tmp_path, *DAMAGED[name]))
    (tmp_path / "tape").write_bytes(data)
    for target in (tmp_path / "tape", drip(data, 5000)):
        with (
            pytest.raises(SourceError, match=r"cannot be decoded at frame \d+ \(0:00:0\d\.\d+\): "),
            open_source(target, on_damage="stop") as source,
        ):
            read_all(source)


def test_the_warning_counts_the_places_and_names_the_first(tmp_path: Path) -> None:
    whole = encoded("flac", tmp_path, "-frame_size", "1152")
    flac = bytearray(whole)
    for place in range(20_000, len(flac) - 10_000, len(flac) // 12):
        flac[place] ^= 0x55
    sound, (warning,) = everywhere(bytes(flac), tmp_path)
    wrong = np.flatnonzero((sound != decoded(whole, tmp_path)).any(axis=0))
    places = 1 + int(np.count_nonzero(np.diff(wrong) > 1000))
    assert warning.startswith(
        f"is damaged in {places} places, {places * 1152 / RATE:.3f} s in all are silent: at 0:00:0"
    )
    assert warning.count("0:00:0") == 5
    assert warning.endswith(f", {places - 5} more")
    assert f" 0:00:0{(wrong[0] // 1152) * 1152 / RATE:.3f} (0.026 s)" in warning


def pages(ogg: bytes) -> list[bytes]:
    found = []
    while ogg:
        size = 27 + ogg[26] + sum(ogg[27 : 27 + ogg[26]])
        found.append(ogg[:size])
        ogg = ogg[size:]
    return found


@pytest.mark.parametrize(("name", "milliseconds"), [("ogg", 200), ("opus", 200), ("opus", 20)])
def test_pages_that_are_lost_leave_silence_of_their_length(name: str, milliseconds: int, tmp_path: Path) -> None:
    options = ["-c:a", "libvorbis" if name == "ogg" else "libopus", "-page_duration", str(milliseconds * 1000)]
    whole = encoded(name, tmp_path, *options)
    every = pages(whole)
    sound, warnings = everywhere(b"".join(every[:5] + every[7:]), tmp_path)
    expected = decoded(whole, tmp_path)
    assert sound.shape == expected.shape
    assert "is damaged in 1 place" in warnings[0]
    silent = np.flatnonzero((sound == 0).all(axis=0) & (np.abs(expected).max(axis=0) > 1e-3))
    assert 0.03 < (silent[-1] - silent[0]) / RATE < 0.7
    assert np.abs(sound[:, -RATE:] - expected[:, -RATE:]).max() < 1e-4


def test_warnings_of_a_long_chain_are_bounded(tmp_path: Path) -> None:
    own = encoded("ogg", tmp_path, sound=SOUND[:, : RATE // 10])
    other = encoded("ogg", tmp_path, "-ar", "22050", sound=SOUND[:, : RATE // 10])
    (tmp_path / "chain.ogg").write_bytes((own + other) * 60)
    with open_source(tmp_path / "chain.ogg") as source:
        assert read_all(source).shape[1] > 100 * RATE // 10
        assert len(source.warnings) == 51
        assert source.warnings[-1].endswith("more than 50 warnings; the others are left out")


@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [("ogg", 32000, 1), ("ogg", RATE, 1), ("ogg", RATE, 2), ("ogg", 48000, 2), ("opus", 48000, 1)],
)
def test_a_chain_is_converted_to_its_first_link(name: str, rate: int, channels: int, tmp_path: Path) -> None:
    codec = ["-c:a", "libvorbis" if name == "ogg" else "libopus"]
    first, other = encoded(name, tmp_path, *codec), SOUND[:channels, : 2 * RATE]
    second = encoded(name, tmp_path, "-ar", str(rate), *codec, sound=other)
    sound, warnings = everywhere(first + second, tmp_path)
    begin, target = decoded(first, tmp_path), RATE if name == "ogg" else 48000
    end = decoded(second, tmp_path, "-ac", "2", "-ar", str(target))
    assert (sound.shape[1] - begin.shape[1], 0) == (2 * target, abs(end.shape[1] - 2 * target) // 2)
    assert np.abs(sound[:, : begin.shape[1]] - begin).max() < 1e-4
    part = slice(100, 2 * target - 2000)
    assert np.abs(sound[:, begin.shape[1] :][:, part] - end[:, part]).max() < 2e-3
    changed = (rate, channels) != (target, 2)
    said = [warning.split(" at ")[0] for warning in warnings]
    assert said == ([f"changes to {rate} Hz and {channels} channels"] if changed else [])
    if changed:
        with (
            pytest.raises(SourceError, match=r"Not yet implemented|changes to .* split it there"),
            open_source(drip(first + second, 9999), on_damage="stop") as source,
        ):
            read_all(source)


@pytest.mark.parametrize("name", ["mp3", "aac"])
def test_frames_of_another_rate_are_converted_too(name: str, tmp_path: Path) -> None:
    options = BARE if name == "mp3" else []
    first, second = encoded(name, tmp_path, *options), encoded(name, tmp_path, "-ar", "48000", *options)
    sound, (warning,) = everywhere(first + second, tmp_path)
    begin, end = decoded(first, tmp_path), decoded(second, tmp_path, "-ar", str(RATE))
    assert abs(sound.shape[1] - begin.shape[1] - end.shape[1]) < 1152  # the first frame still has the old rate
    assert "changes to 48000 Hz and 2 channels" in warning


def packets(ts: bytes) -> list[bytes]:
    return [ts[start : start + 188] for start in range(0, len(ts), 188)]


def test_a_gap_in_a_transport_stream_becomes_silence_of_its_length(tmp_path: Path) -> None:
    whole = encoded("ts", tmp_path, "-c:a", "mp2")
    every = packets(whole)
    third, sixth = len(every) // 3, len(every) // 6
    sound, (warning,) = everywhere(b"".join(every[:third] + every[third + sixth :]), tmp_path)
    expected = decoded(whole, tmp_path)
    assert sound.shape == expected.shape
    assert 0.3 < (sound == 0).all(axis=0).sum() / RATE < 0.8
    assert warning.startswith("is damaged in ")
    assert np.abs(sound[:, -RATE:] - expected[:, -RATE:]).max() < 2e-3


@pytest.mark.parametrize("offset", [7200, -7200])
def test_a_jump_of_hours_is_said_and_not_filled(offset: int, tmp_path: Path) -> None:
    early, late = (encoded("ts", tmp_path, "-c:a", "mp2", "-output_ts_offset", str(at)) for at in (0, 7200))
    data = early + late if offset > 0 else late + early
    sound, warnings = everywhere(data, tmp_path)
    assert sound.shape[1] == 2 * decoded(early, tmp_path).shape[1]
    assert all("is taken for a splice, and nothing is put there" in warning for warning in warnings)
    assert len(warnings) == 1


@pytest.mark.parametrize(
    "head", [b"\xff\xfb\x90\x44", b"\xff\xf1\x50\x80", b"fLaC", b"OggS", b"ID3\3\0\0\0\0\0\0", b""]
)
@pytest.mark.parametrize(
    "body", [random.Random(7).randbytes(60_000), bytes(60_000), b"To whom it may concern\n" * 3000]
)
def test_what_is_no_sound_is_an_error_and_not_silence(head: bytes, body: bytes, tmp_path: Path) -> None:
    (tmp_path / "tape").write_bytes(head + body)
    for target in (tmp_path / "tape", drip(head + body, 5000)):
        with pytest.raises(SourceError), open_source(target) as source:
            read_all(source)


@pytest.mark.parametrize("name", ["mp3", "aac", "m4a", "flac", "ogg"])
def test_a_recording_of_which_nothing_decodes_is_an_error(name: str, tmp_path: Path) -> None:
    whole = encoded(name, tmp_path, *DAMAGED[name])
    kept = {"m4a": 44, "ogg": 4500}.get(name, 200)
    tail = len(whole) - whole.rfind(b"moov") + 4 if name == "m4a" else 0
    ruined = whole[:kept] + random.Random(3).randbytes(len(whole) - kept - tail) + whole[len(whole) - tail :]
    (tmp_path / "tape").write_bytes(ruined)
    with pytest.raises(SourceError), open_source(tmp_path / "tape") as source:
        read_all(source)


@pytest.mark.parametrize(("name", "framing"), [("mp3", MPEG), ("noinfo.mp3", MPEG), ("mp2", MPEG), ("aac", ADTS)])
def test_a_stream_that_is_whole_is_passed_on_as_it_is(name: str, framing: object, tmp_path: Path) -> None:
    data = encoded(name, tmp_path, *DAMAGED[name], "-metadata", f"title={'x' * 3000}")
    for size in (1, 1000, 1 << 20):
        stream = FrameStream(OnePass(ByteStream(drip(data, 333), "tape")), framing)  # type: ignore[arg-type]
        assert b"".join(iter(lambda: stream.read(size), b"")) == data  # noqa: B023


def test_memory_does_not_grow_with_the_damage(tmp_path: Path) -> None:
    mp3 = encoded("mp3", tmp_path, *BARE)
    middle = len(mp3) // 2

    class Pipe:
        def __init__(self) -> None:
            self._pieces = self._made()

        def _made(self) -> Iterator[bytes]:
            yield mp3[:middle]
            for _ in range(128):
                yield b"\xff" * (1 << 15)
            yield mp3[middle:]

        def read(self, size: int = -1) -> bytes:
            return next(self._pieces, b"")

    tracemalloc.start()
    try:
        with open_source(cast(BinaryIO, Pipe())) as source:
            frames = 0
            while block := source.read(4096).shape[1]:
                frames += block
        assert tracemalloc.get_traced_memory()[1] < 3 << 20
    finally:
        tracemalloc.stop()
    lost = 128 * (1 << 15) * RATE / 16_000  # 128 kbit/s
    assert abs(frames - SOUND.shape[1] - lost) < lost / 500


def test_a_stopped_run_over_damage_goes_on(tmp_path: Path, every_block: None) -> None:
    (tmp_path / "tape.mp3").write_bytes(zeroed(encoded("mp3", tmp_path)))
    degradation = Degradation(cutoff_hz=3000, sample_rate=None, bits=None, snr_db=None)

    def run(folder: str, **options: object) -> api.Report:
        (tmp_path / folder).mkdir(exist_ok=True)
        return api.degrade(tmp_path / "tape.mp3", tmp_path / folder / "out.wav", degradation=degradation, **options)  # type: ignore[call-overload,no-any-return]

    report = run("whole")
    for stop in (30_000, 70_000):
        with pytest.raises(StoppedError):
            run("stopped", resume=True, progress=stop_after(stop))
    assert run("stopped", resume=True).warnings == report.warnings
    assert len(report.warnings) == 1
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(ConfigError, match="takes conceal or stop, got 'skip'"):
        open_source("tape.wav", on_damage="skip")  # type: ignore[arg-type]


def command(*arguments: str | Path, stdin: bytes | None = None) -> "subprocess.CompletedProcess[bytes]":
    line = [sys.executable, "-m", "stream_restore.cli", *map(str, arguments)]
    return subprocess.run(line, input=stdin, capture_output=True, check=False)


def test_restore_mends_a_damaged_recording_from_a_pipe_too(tmp_path: Path) -> None:
    path = tmp_path / "tape.mp3"
    path.write_bytes(zeroed(encoded("mp3", tmp_path)))
    options = ["--repair", "hum", "-f", "wav"]
    file = command("restore", path, "-o", tmp_path / "out.wav", *options)
    pipe = command("restore", "-", *options, stdin=path.read_bytes())
    assert (file.returncode, pipe.returncode) == (0, 0)
    assert file.stderr.count(b"is damaged in 1 place") == pipe.stderr.count(b"is damaged in 1 place") == 1
    kept = soundfile.read(tmp_path / "out.wav", dtype="int16")[0]
    assert kept.shape == SOUND.T.shape
    assert pipe.stdout.endswith(kept.tobytes())


@pytest.mark.parametrize(
    "words",
    [
        ["degrade", "IN", "-o", "out.wav", "--snr", "none"],
        ["inspect", "IN"],
        ["metrics", "IN", "IN"],
        ["spectrogram", "IN", "-o", "pictures"],
        ["batch", "tapes", "restored", "--repair", "hum"],
        ["restore", "IN", "-o", "out.wav", "--repair", "hum"],
    ],
)
def test_every_command_that_opens_recordings_has_the_option(
    words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tapes").mkdir()
    tape = tmp_path / "tapes" / "tape.flac"
    tape.write_bytes(zeroed(encoded("flac", tmp_path, sound=SOUND[:, :RATE])))
    places = {"IN": tape} | {name: tmp_path / name for name in ("tapes", "restored", "out.wav", "pictures")}
    arguments = [str(places.get(word, word)) for word in words]
    assert main([*arguments, "--on-damage", "stop"]) == (3 if words[0] == "batch" else 2)
    assert "cannot be decoded at frame" in capfd.readouterr().err
    assert main([*arguments, *(["--force"] if words[0] == "batch" else [])]) == 0
    said = capfd.readouterr().err
    assert "warning: " in said
    assert "is damaged in 1 place" in said


def test_python_says_it_too(tmp_path: Path) -> None:
    path = tmp_path / "tape.flac"
    path.write_bytes(zeroed(encoded("flac", tmp_path)))
    functions: list[Callable[[OnDamage], object]] = [
        lambda on_damage: inspect(path, on_damage=on_damage),
        lambda on_damage: api.compare(path, path, on_damage=on_damage),
    ]
    for function in functions:
        assert any("is damaged in 1 place" in warning for warning in function("conceal").warnings)  # type: ignore[attr-defined]
        with pytest.raises(SourceError, match="cannot be decoded"):
            function("stop")
    assert json.dumps(inspect(path).as_dict()["warnings"])
