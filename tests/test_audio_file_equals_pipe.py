"""The same bytes give the same samples from a file, from a pipe, and from single bytes; as ffmpeg decodes them."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_helpers import drip, ffmpeg, noise, read_all, sox, write_all

from stream_restore.audio import open_sink, open_source, parse_raw, spool
from stream_restore.errors import ConfigError, StreamError
from stream_restore.spec import Audio, Spec

SOUND = noise(2, 20_000)
PCM = (SOUND.T * 32768).astype("<i2").tobytes()
RAW_IN = ["-f", "s16le", "-ar", "44100", "-ac", "2", "-i", "-"]
PICTURE = ["-f", "lavfi", "-i", "testsrc=duration=0.4:size=32x32"]

LOSSLESS = {
    "flac": [],
    "aiff": [],
    "au": [],
    "caf": [],
    "w64": [],
    "wv": [],
    "tta": [],
    "wav": [],
    "mka": ["-c:a", "flac"],
    "alac.m4a": ["-c:a", "alac"],
}
LOSSY = {
    "mp3": [],
    "noinfo.mp3": ["-write_xing", "0"],
    "cover.mp3": ["-metadata", f"comment={'x' * 5000}"],
    "ogg": ["-c:a", "libvorbis"],
    "opus": ["-c:a", "libopus"],
    "m4a": [],
    "streamable.m4a": ["-movflags", "frag_keyframe+empty_moov"],
    "aac": [],
    "mp4": [],
    "mov": [],
    "mkv": [],
    "webm": ["-c:a", "libopus"],
    "ts": [],
    "avi": [],
    "wma": [],
    "ac3": [],
    "adpcm.wav": ["-c:a", "adpcm_ima_wav"],
}
VIDEO = ("mp4", "mov", "mkv", "avi")


def made(name: str, options: list[str], folder: Path) -> Path:
    """A file that ffmpeg made of `SOUND`, with a picture where that is usual."""
    path = folder / f"tape.{name}"
    picture = PICTURE if name in VIDEO else []
    ffmpeg(*RAW_IN, *picture, "-metadata", "title=Tape", *options, str(path), feed=PCM)
    return path


def from_everywhere(path: Path) -> Audio:
    """The sound of a file, after the other ways to it gave the same."""
    data = path.read_bytes()
    with open_source(path) as file:
        sound = read_all(file)
        assert file.frames in (None, sound.shape[1])
        file.rewind()
        assert (read_all(file, 333) == sound).all()
    for most in (1 if len(data) < 100_000 else 7, len(data)):
        with open_source(drip(data, most)) as pipe:
            heard = read_all(pipe, 4096)
            assert heard.shape == sound.shape
            assert (heard == sound).all()
            assert pipe.format == file.format
            assert not pipe.rereadable
    return sound


def decoded_by_ffmpeg(path: Path, channels: int = 2) -> Audio:
    samples = np.frombuffer(ffmpeg("-i", str(path), "-f", "f32le", "-c:a", "pcm_f32le", "-"), "<f4")
    return samples.reshape(-1, channels).T


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_sound_comes_back_exactly(name: str, tmp_path: Path) -> None:
    sound = from_everywhere(made(name, LOSSLESS[name], tmp_path))
    assert sound.shape == SOUND.shape
    assert (sound == SOUND).all()


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_sound_is_what_ffmpeg_decodes_without_its_padding(name: str, tmp_path: Path) -> None:
    path = made(name, LOSSY[name], tmp_path)
    sound, expected = from_everywhere(path), decoded_by_ffmpeg(path)
    # ffmpeg gives the padding of AAC's last block, and of a Vorbis of one page, see sniff.
    if name in ("ogg", "m4a", "mp4", "mov", "streamable.m4a"):
        begins = 1024 if name == "streamable.m4a" else 0  # ffmpeg writes no edit list there
        expected = expected[:, : begins + 20_000]
    assert sound.shape == expected.shape
    # Not ==: another release of FFmpeg's decoders, other processors' instructions; a wrong frame is off by 0.1.
    assert np.abs(sound - expected).max() < (2e-3 if name == "adpcm.wav" else 2e-6)


def test_an_mp3_with_a_lame_tag_has_its_exact_length(tmp_path: Path) -> None:
    path = made("mp3", [], tmp_path)
    with open_source(path) as file:
        assert file.frames == 20_000
        assert read_all(file).shape == (2, 20_000)


@pytest.mark.parametrize("kind", ["flac", "au", "aiff", "ogg", "mp3", "sph", "ircam"])
def test_what_sox_writes_to_a_pipe_is_read_whole(kind: str, tmp_path: Path) -> None:
    # Its W64 and CAF are broken in a pipe, at the place where the size should stand.
    soundfile.write(tmp_path / "in.wav", SOUND.T, 44100)
    path = tmp_path / "tape"
    path.write_bytes(sox(str(tmp_path / "in.wav"), "-t", kind, "-"))
    sound = from_everywhere(path)
    assert sound.shape[1] == 20_000 or kind == "mp3"
    if kind not in ("ogg", "mp3"):
        assert (sound == SOUND).all()


def test_an_aiff_of_unknown_length_is_read_to_its_end(tmp_path: Path) -> None:
    raw = ["-t", "raw", "-e", "signed", "-b", "16", "-r", "44100", "-c", "2", "-"]
    path = tmp_path / "tape.aiff"
    path.write_bytes(sox(*raw, "-t", "aiff", "-", feed=PCM))
    assert (from_everywhere(path) == SOUND).all()
    assert open_source(path).frames is None


@pytest.mark.parametrize("frames", [1, 100, 5000])
def test_a_short_vorbis_is_not_padded(frames: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tape.ogg", SOUND[:, :frames].T, 44100)
    assert from_everywhere(tmp_path / "tape.ogg").shape[1] == frames


@pytest.mark.parametrize("format", ["MAT4", "MAT5", "HTK", "SDS", "MPC2K", "PVF", "AVR", "NIST"])
def test_what_only_libsndfile_knows_is_read_too(format: str, tmp_path: Path) -> None:
    channels = 1 if format in ("HTK", "SDS") else 2
    path = tmp_path / "tape"
    soundfile.write(path, SOUND[:channels, :5000].T, 44100, format=format)
    expected, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert (from_everywhere(path) == expected.T).all()
    assert open_source(path).spec == Spec(rate, channels)


@pytest.mark.parametrize("subtype", ["s16p", "s32p"])
@pytest.mark.parametrize("frames", [1, 441, 4096, 20_000])
def test_alac_in_caf_is_read_although_libsndfile_gives_up(subtype: str, frames: int, tmp_path: Path) -> None:
    path = tmp_path / "memo.caf"
    ffmpeg(*RAW_IN, "-c:a", "alac", "-sample_fmt", subtype, str(path), feed=PCM[: 4 * frames])
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.SoundFile(path)
    assert (from_everywhere(path) == SOUND[:, :frames]).all()
    with open_source(path) as source:
        assert source.format.encoding == {"s16p": "alac_16", "s32p": "alac_24"}[subtype]
        assert source.warnings == []


def test_padding_that_alac_in_caf_does_not_have_is_not_taken_off(tmp_path: Path) -> None:
    """As Apple's encoder writes it, in a header that libsndfile refuses: FFmpeg alone would drop 480 frames."""
    path = tmp_path / "memo.caf"
    soundfile.write(path, SOUND.T, 44100, subtype="ALAC_16")
    data = bytearray(path.read_bytes())
    assert data[28:36] == b"alac\0\0\0\1"
    data[35] = 0
    path.write_bytes(data)
    with pytest.raises(soundfile.LibsndfileError):
        soundfile.SoundFile(path)
    assert (from_everywhere(path) == SOUND).all()


WORDS = {
    "u8": "PCM_U8",
    "s8": "PCM_S8",
    "s16": "PCM_16",
    "s24": "PCM_24",
    "s32": "PCM_32",
    "f32": "FLOAT",
    "f64": "DOUBLE",
    "ulaw": "ULAW",
    "alaw": "ALAW",
}


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("order", ["le", "be"])
def test_headerless_samples_are_what_libsndfile_takes_them_for(word: str, order: str, tmp_path: Path) -> None:
    path = tmp_path / "tape.raw"
    described = {"subtype": WORDS[word], "endian": "LITTLE" if order == "le" else "BIG", "format": "RAW"}
    soundfile.write(path, SOUND.T, 44100, **described)
    expected, _ = soundfile.read(path, dtype="float32", samplerate=44100, channels=2, **described)
    raw = parse_raw(f"{word}{order}:44100:2")
    with open_source(path, raw=raw) as file, open_source(drip(path.read_bytes(), 3), raw=raw) as pipe:
        sound = read_all(file)
        assert (sound == expected.T).all()
        assert (read_all(pipe) == sound).all()
        assert file.frames == 20_000


@pytest.mark.parametrize("text", ["f32le", "f32:44100", "q7:44100:2", "s16le:44100:two", "s16:44100.5:2", "s16:-1:2"])
def test_a_raw_format_that_is_none_is_explained(text: str) -> None:
    with pytest.raises(ConfigError, match=r"such as f32le:44100:2|accepted: u8, s8, s16, s24, s32"):
        parse_raw(text)


def test_six_channels_keep_their_loudspeakers(tmp_path: Path) -> None:
    path = tmp_path / "tape.wav"
    layout = ["-af", "channelmap=0|0|0|0|0|0:5.1(side)", "-c:a", "pcm_s24le"]
    ffmpeg(*RAW_IN, *layout, str(path), feed=PCM)
    with open_source(path) as source:
        assert source.spec.channels == 6
        assert source.format.channel_mask == 0x60F
        write_all(open_sink(tmp_path / "out.wav", source.spec, like=source.format), read_all(source), 999)
    report = subprocess.run(["ffprobe", str(tmp_path / "out.wav")], capture_output=True, check=True, text=True)
    assert "5.1(side)" in report.stderr


def test_a_named_pipe_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    path = made("flac", [], tmp_path)
    with subprocess.Popen(["cp", "--", str(path), str(tmp_path / "fifo")]), open_source(tmp_path / "fifo") as source:
        assert (read_all(source) == SOUND).all()


def test_a_pipe_is_read_again_from_its_spool(tmp_path: Path) -> None:
    for name in ("wav", "flac", "m4a", "mp3"):
        data = made(name, [], tmp_path).read_bytes()
        with open_source(drip(data, 4096)) as once:
            sound = read_all(once)
            with pytest.raises(StreamError, match="a pipe cannot be read twice; spool it first"):
                once.rewind()
        with spool(open_source(drip(data, 4096))) as twice:
            assert twice.rereadable
            assert twice.frames == sound.shape[1]
            assert twice.format == once.format
            assert twice.warnings == once.warnings
            for block in (100, 50_000):
                assert (read_all(twice, block) == sound).all()
                twice.rewind()


def test_a_file_needs_no_spool(tmp_path: Path) -> None:
    with open_source(made("wav", [], tmp_path)) as source:
        assert spool(source) is source
