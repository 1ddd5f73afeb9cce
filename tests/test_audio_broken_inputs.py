"""What cannot be read is an error that names file, place and time; what was cut short is read to its end and said.

What is damaged in the middle is mended, see test_damaged_streams_are_restored, unless asked to stop.
"""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_helpers import chunk, drip, ffmpeg, fmt, noise, read_all, riff

from stream_restore.audio import open_source, parse_raw, spool
from stream_restore.errors import SinkError, SourceError
from stream_restore.spec import Audio

SOUND = noise(2, 60_000)
PCM = (SOUND.T * 32768).astype("<i2").tobytes()


CODECS = {
    "ogg": ["-c:a", "libvorbis", "-page_duration", "100000"],
    "opus": ["-c:a", "libopus", "-page_duration", "100000"],
}


def encoded(name: str, folder: Path, *options: str) -> bytes:
    path = folder / f"whole.{name}"
    ffmpeg("-f", "s16le", "-ar", "44100", "-ac", "2", "-i", "-", *options, str(path), feed=PCM)
    return path.read_bytes()


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be opened: No such file"):
        open_source(tmp_path / "missing.wav")
    with pytest.raises(SourceError, match="is a folder; give a file in it"):
        open_source(tmp_path)
    with pytest.raises(SourceError, match="cannot be opened"):
        open_source("nul\0byte")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").touch(mode=0o000)
    with pytest.raises(SourceError, match="cannot be opened: Permission denied"):
        open_source(tmp_path / "secret.wav")


PICTURE = ["-f", "lavfi", "-i", "testsrc=duration=0.1:size=32x32", "-frames:v", "1"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("empty", "is empty"),
        ("text", "is no sound that can be read"),
        ("random", "is no sound that can be read"),
        ("zeros", "is no sound that can be read"),
        ("picture", "is no sound that can be read"),
        ("playlist", "is no sound that can be read"),
        ("silent film", "holds no sound, only"),
        ("four bytes", "is no sound that can be read"),
        ("head of a wav", "before any sound"),
    ],
)
def test_what_is_no_sound_is_named(kind: str, message: str, tmp_path: Path) -> None:
    ffmpeg(*PICTURE, str(tmp_path / "picture.png"))
    ffmpeg(*PICTURE, str(tmp_path / "film.mkv"))
    data = {
        "empty": b"",
        "text": b"To whom it may concern\n" * 50,
        "random": np.random.default_rng(0).bytes(30_000),
        "zeros": bytes(30_000),
        "picture": (tmp_path / "picture.png").read_bytes(),
        "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{tmp_path}/a.ts\n#EXT-X-ENDLIST\n".encode(),
        "silent film": (tmp_path / "film.mkv").read_bytes(),
        "four bytes": b"RIFF",
        "head of a wav": riff(fmt())[:36],
    }[kind]
    (tmp_path / "input").write_bytes(data)
    with pytest.raises(SourceError, match=f"input: .*{message}|input: {message}"):
        open_source(tmp_path / "input")
    with pytest.raises(SourceError, match=f"input stream: .*{message}|input stream: {message}"):
        open_source(drip(data, 10_000))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("word", ["f32", "f64"])
def test_a_sample_that_is_no_number_is_an_error_with_its_time(value: float, word: str) -> None:
    samples = np.zeros((60_000, 2), word.replace("f32", "<f4").replace("f64", "<f8"))
    samples[44_100, 1] = value
    data = riff(fmt(3, size=samples.itemsize), chunk(b"data", samples.tobytes()))
    for block in (1, 1000, 60_000):
        with open_source(io.BytesIO(data)) as source:
            if block == 1:
                source.read(44_099)
            with pytest.raises(SourceError, match=r"(nan|inf) at frame 44100 \(0:00:01.000\), channel 2"):
                read_all(source, block)


def test_a_float64_beyond_float32_is_no_number_either() -> None:
    samples = np.array([[1e300]], "<f8")
    data = riff(fmt(3, channels=1, size=8), chunk(b"data", samples.tobytes()))
    with pytest.raises(SourceError, match="inf at frame 0"):
        read_all(open_source(io.BytesIO(data)))


@pytest.mark.parametrize("name", ["flac", "mp3", "aac", "aiff", "au", "ogg", "opus"])
def test_what_was_cut_short_is_read_to_its_end_with_a_warning(name: str, tmp_path: Path) -> None:
    whole = encoded(name, tmp_path, *CODECS.get(name, []))
    path = tmp_path / f"cut.{name}"
    path.write_bytes(whole[: len(whole) // 2 + 1])
    with open_source(tmp_path / f"whole.{name}") as source:
        expected: Audio = read_all(source)
        assert source.warnings == []
    for target in (path, drip(path.read_bytes(), 5000)):
        with open_source(target) as source:
            sound = read_all(source)
            assert 0.3 < sound.shape[1] / expected.shape[1] < 0.6
            assert (sound == expected[:, : sound.shape[1]]).all() or name in ("mp3", "aac")
            assert len(source.warnings) >= 1
            assert "cut short at frame" in source.warnings[0] or "ends at frame" in source.warnings[0]


@pytest.mark.parametrize("name", ["flac", "m4a", "aac", "ogg", "opus"])
def test_damage_in_the_middle_is_an_error_with_its_time_if_asked(name: str, tmp_path: Path) -> None:
    damaged = bytearray(encoded(name, tmp_path, *CODECS.get(name, [])))
    middle = len(damaged) // 2
    for place in range(middle, middle + 60):
        damaged[place] ^= 0x5A
    path = tmp_path / f"damaged.{name}"
    path.write_bytes(damaged)
    for target in (path, drip(bytes(damaged), 5000)):
        with (
            pytest.raises(SourceError, match=r"cannot be decoded at frame \d+ \(0:00:0\d\.\d+\): "),
            open_source(target, on_damage="stop") as source,
        ):
            read_all(source)


def test_a_single_wrong_bit_in_a_flac_is_noticed(tmp_path: Path) -> None:
    whole = encoded("flac", tmp_path)
    for place in range(len(whole) // 3, len(whole) - 100, len(whole) // 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        with (
            pytest.raises(SourceError, match="cannot be decoded at frame"),
            open_source(drip(bytes(damaged), 999), on_damage="stop") as s,
        ):
            read_all(s)


def test_a_pipe_that_fails_is_named() -> None:
    class Failing(io.RawIOBase):
        left = 100_000

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            self.left -= size
            if self.left < 0:
                raise OSError(5, "Input/output error")
            return bytes(size)

    with (
        pytest.raises(SourceError, match=r"cannot read on at byte \d+: .*Input/output error"),
        open_source(Failing(), raw=parse_raw("s16:8000:1")) as source,  # type: ignore[arg-type]
    ):
        read_all(source, 1000)


def test_a_spool_without_room_names_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with (
        pytest.raises(SinkError, match="set TMPDIR to a folder that can be written"),
        open_source(io.BytesIO(PCM), raw=parse_raw("s16:8000:1")) as source,
    ):
        spool(source)


def test_a_source_can_be_closed_twice(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tape.wav", SOUND.T, 44100)
    for name in ("tape.wav", "whole.flac"):
        encoded("flac", tmp_path)
        source = open_source(tmp_path / name)
        source.close()
        source.close()
