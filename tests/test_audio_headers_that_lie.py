"""A WAV is read to its real end, whatever its header says, the same from a file and from a pipe."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_helpers import chunk, drip, ffmpeg, fmt, noise, read_all, riff, sox

from stream_restore.audio import Source, open_source
from stream_restore.errors import SourceError
from stream_restore.spec import Audio

SOUND = noise(2, 3000)
DATA = (SOUND.T * 32768).astype("<i2").tobytes()
INFO = chunk(b"LIST", b"INFO" + chunk(b"INAM", b"Tape\0") + chunk(b"IART", b"Zo\xc3\xab\0"))


def both(data: bytes, folder: Path) -> tuple[Audio, Source, Source]:
    """The sound of a file, and proof that a pipe gives the same."""
    path = folder / "tape.wav"
    path.write_bytes(data)
    with open_source(path) as file, open_source(drip(data, 997)) as pipe:
        sound = read_all(file)
        assert (sound == read_all(pipe)).all()
        assert file.frames == sound.shape[1]
        assert pipe.frames is None
        return sound, file, pipe


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFF0000, 0x7FFFF000, 0x80000000, 0xFFFFFFFE])
def test_impossible_sizes_mean_until_the_end(size: int, tmp_path: Path) -> None:
    sound, file, pipe = both(riff(fmt(), chunk(b"data", DATA, size)), tmp_path)
    assert (sound == SOUND).all()
    assert file.warnings == pipe.warnings == []


def test_a_size_beyond_the_end_is_read_to_the_end_with_a_warning(tmp_path: Path) -> None:
    sound, file, pipe = both(riff(fmt(), chunk(b"data", DATA[: 4 * 1234], 4 * 44100)), tmp_path)
    assert (sound == SOUND[:, :1234]).all()
    expected = "ends at frame 1234 (0:00:00.028), its header says 44100; read to its real end"
    assert file.warnings == [f"{tmp_path / 'tape.wav'}: {expected}"]
    assert pipe.warnings == [f"input stream: {expected}"]
    assert pipe.estimate == 44100


@pytest.mark.parametrize("size", [2**63, 2**62 - 4, 2**40])
def test_no_claim_of_rf64_is_believed(size: int, tmp_path: Path) -> None:
    sizes = chunk(b"ds64", struct.pack("<QQQI", size, size, size // 4, 0))
    sound, _, _ = both(riff(sizes, fmt(), chunk(b"data", DATA, 0xFFFFFFFF), family=b"RF64"), tmp_path)
    assert (sound == SOUND).all()


@pytest.mark.parametrize("family", [b"RF64", b"BW64"])
def test_rf64_and_bw64_end_where_ds64_says(family: bytes, tmp_path: Path) -> None:
    sizes = chunk(b"ds64", struct.pack("<QQQI", 0, len(DATA), 3000, 0))
    data = riff(sizes, fmt(), chunk(b"data", DATA, 0xFFFFFFFF), chunk(b"bext", bytes(602)), family=family)
    sound, file, _ = both(data, tmp_path)
    assert (sound == SOUND).all()
    assert file.format.container == "rf64"


@pytest.mark.parametrize("size", [None, 0])
def test_chunks_behind_the_sound_are_not_sound(size: int | None, tmp_path: Path) -> None:
    body = DATA if size is None else b""
    sound, file, pipe = both(riff(fmt(), chunk(b"data", body, size), INFO, chunk(b"id3 ", b"x" * 99)), tmp_path)
    assert sound.shape[1] == len(body) // 4
    assert file.format.tags == {"title": "Tape", "artist": "Zoë"}
    assert pipe.format.tags == {}
    assert pipe.format.extras.tags_behind == file.format.tags


def test_tags_before_the_sound_come_from_both(tmp_path: Path) -> None:
    _, file, pipe = both(riff(fmt(), INFO, chunk(b"data", DATA)), tmp_path)
    assert file.format.tags == pipe.format.tags == {"title": "Tape", "artist": "Zoë"}


def test_odd_chunks_are_padded(tmp_path: Path) -> None:
    sound, _, _ = both(riff(chunk(b"junk", b"abc"), fmt(), chunk(b"cue ", b"x"), chunk(b"data", DATA)), tmp_path)
    assert (sound == SOUND).all()


def test_an_odd_number_of_samples_of_8_bits_ends_at_its_chunk(tmp_path: Path) -> None:
    sound, file, _ = both(riff(fmt(channels=1, size=1), chunk(b"data", bytes([0, 128, 255])), INFO), tmp_path)
    assert sound.tolist() == [[-1.0, 0.0, 127 / 128]]
    assert file.format.tags["title"] == "Tape"


def test_a_wrapped_size_is_pointed_out(tmp_path: Path) -> None:
    # A recorder that ran past 4 GiB wrote the size modulo 2^32.
    sound, file, pipe = both(riff(fmt(), chunk(b"data", DATA, 400)), tmp_path)
    assert (sound == SOUND[:, :100]).all()
    for source in (file, pipe):
        assert "goes on behind frame 100 (0:00:00.002), where its header ends it" in source.warnings[0]


def test_a_broken_last_frame_is_left_out_and_named(tmp_path: Path) -> None:
    sound, file, pipe = both(riff(fmt(), chunk(b"data", DATA[:-2], 0xFFFFFFFF)), tmp_path)
    assert (sound == SOUND[:, :-1]).all()
    assert file.warnings[0].endswith("ends in the middle of its last frame, 2 bytes behind it are left out")
    assert len(file.warnings) == len(pipe.warnings) == 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (fmt(rate=0), "claims 0 Hz"),
        (fmt(rate=2**32 - 1), "claims 4294967295 Hz"),
        (fmt(channels=65535, size=1), "claims 65535 channels"),
        (fmt(channels=0), "claims 0 channels"),
        (chunk(b"fmt ", b"\1\0"), "fmt chunk holds 2 bytes"),
        (b"", "without a fmt chunk"),
        (b"\0" * 100, "no chunk begins at byte 12"),
        (chunk(b"junk", b"", 0xFFFFFFFF), "before any sound"),
        (chunk(b"LIST", b"INFO" + chunk(b"LIST", b"", 2**31), 2**31), "before any sound"),
        (chunk(b"junk", b"") * 20_000, "10000 chunks and no sound"),
    ],
)
def test_headers_that_cannot_be_true_are_refused(damage: bytes, message: str) -> None:
    data = riff(damage, chunk(b"data", DATA))
    for stream in (io.BytesIO(data), drip(data, 100)):
        with pytest.raises(SourceError, match=message):
            open_source(stream)


@pytest.mark.parametrize(
    ("word", "subtype"),
    [
        ("u8", "PCM_U8"),
        ("s16", "PCM_16"),
        ("s24", "PCM_24"),
        ("s32", "PCM_32"),
        ("f32", "FLOAT"),
        ("f64", "DOUBLE"),
        ("ulaw", "ULAW"),
        ("alaw", "ALAW"),
    ],
)
@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64", "W64"])
def test_every_word_reads_as_libsndfile_reads_it(word: str, subtype: str, container: str, tmp_path: Path) -> None:
    path = tmp_path / "tape.wav"
    soundfile.write(path, noise(3, 999, level=0.5).T, 48000, subtype, format=container)
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    sound, file, _ = both(path.read_bytes(), tmp_path)
    assert (sound == expected.T).all()
    assert file.format.encoding == word


def test_big_endian_wav_reads_as_libsndfile_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "tape.wav"
    soundfile.write(path, SOUND.T, 44100, "PCM_24", endian="BIG", format="WAV")
    assert path.read_bytes()[:4] == b"RIFX"
    sound, _, _ = both(path.read_bytes(), tmp_path)
    assert (sound == SOUND).all()


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
@pytest.mark.parametrize("options", [["-f", "wav"], ["-f", "wav", "-rf64", "always"], ["-f", "w64"]])
def test_what_ffmpeg_writes_to_a_pipe_is_read_whole(codec: str, options: list[str], tmp_path: Path) -> None:
    data = ffmpeg("-f", "s16le", "-ar", "44100", "-ac", "2", "-i", "-", "-c:a", codec, *options, "-", feed=DATA)
    sound, _, _ = both(data, tmp_path)
    assert np.abs(sound - SOUND).max() <= (1 / 128 if codec == "pcm_u8" else 0)
    assert sound.shape == SOUND.shape


@pytest.mark.parametrize("bits", ["16", "24", "32"])
def test_what_sox_writes_to_a_pipe_is_read_whole(bits: str, tmp_path: Path) -> None:
    raw = ["-t", "raw", "-e", "signed", "-b", "16", "-r", "44100", "-c", "2", "-"]
    sound, _, _ = both(sox(*raw, "-b", bits, "-t", "wav", "-", feed=DATA), tmp_path)
    assert (sound == SOUND).all()
