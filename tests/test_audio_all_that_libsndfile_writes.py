"""What libsndfile writes is written here as it writes it: its codecs, and the containers of two files or one rate."""

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from audio_helpers import NOT_OF_LIBSNDFILE, read_all, write_all

from stream_restore.audio import Format, Sink, open_sink, open_source
from stream_restore.audio.formats import CODECS, CONTAINERS, choose
from stream_restore.audio.pcm.raw import RawFormat
from stream_restore.audio.sndfile.sink import SUBTYPES
from stream_restore.errors import ConfigError, SinkError
from stream_restore.spec import Audio, Spec
from stream_restore.testing import example_signal

PAIRS = [(name, word) for name, kind in CONTAINERS.items() for word in kind.encodings if word in CODECS]
NOT_WRITTEN = {
    **NOT_OF_LIBSNDFILE,
    ("CAF", "ALAC_20"): "libsndfile damages two channels of it",
    ("SDS", "PCM_S8"): "libsndfile loses the last block",
    ("SDS", "PCM_16"): "libsndfile loses the last block",
    ("SDS", "PCM_24"): "libsndfile loses the last block",
    ("FLAC", "PCM_S8"): "becomes FLAC of 16 bits",
    ("RAW", "VOX_ADPCM"): "an odd number of frames cannot be written",
}
BY_FFMPEG = {("MP3", "MPEG_LAYER_III"), ("OGG", "OPUS")}
LIKE = Format("wav", "s16")


def sixteen(channels: int, frames: int = 20_001) -> Audio:
    """A sound of 16 bits."""
    return np.asarray(np.rint(0.3 * example_signal(channels, frames, seed=1) * 2**15) / 2**15, np.float32)


def shape(container: str, word: str) -> Spec:
    """The most channels that libsndfile takes of a codec."""
    for channels in (2, 1):
        with suppress(soundfile.LibsndfileError):
            options = {"subtype": SUBTYPES[word], "format": container.upper()}
            soundfile.SoundFile(io.BytesIO(), "w", 44100, channels, **options).close()
            return Spec(44100, channels)
    pytest.fail(f"libsndfile takes no {word} in {container}")


def test_no_pair_of_libsndfile_is_left_out() -> None:
    ours = {
        (name.upper(), SUBTYPES[word])
        for name, kind in CONTAINERS.items()
        for word in kind.encodings
        if word in SUBTYPES
    }
    theirs = {
        (name, subtype)
        for name in soundfile.available_formats()
        for subtype in soundfile.available_subtypes(name)
        if name != "WAVEX"
    }
    assert theirs - ours == NOT_WRITTEN.keys() | BY_FFMPEG
    assert set(soundfile.available_subtypes("WAVEX")) <= {subtype for name, subtype in ours if name == "WAV"}


@pytest.mark.parametrize(("container", "word"), PAIRS)
@pytest.mark.parametrize("block", [20_001, 777])
def test_a_codec_is_written_as_libsndfile_writes_it(container: str, word: str, block: int, tmp_path: Path) -> None:
    spec = shape(container, word)
    sound, path, theirs = sixteen(spec.channels), tmp_path / f"a.{container}", tmp_path / f"b.{container}"
    write_all(open_sink(path, spec, container=container, encoding=word, like=LIKE), sound, block)
    integers = np.rint(sound.T * 2**15).astype(np.int16)
    soundfile.write(theirs, integers, 44100, SUBTYPES[word], format=container.upper())
    raw = RawFormat(word, spec) if container == "raw" else None
    with open_source(path, raw=raw) as ours, open_source(theirs, raw=raw) as expected:
        assert (ours.format.container, ours.format.encoding, ours.spec) == (container, word, spec)
        heard, wanted = read_all(ours), read_all(expected)
    assert heard.shape == wanted.shape
    steps = 2.0 if word == "dpcm_8" else 0.0  # 8 bits are dithered here, by up to one step, and cut there
    assert np.abs(heard - wanted).max() <= steps / 2**7


@pytest.mark.parametrize(("container", "word"), [("wav", "ima_adpcm"), ("au", "g721_32"), ("sd2", "s16")])
def test_what_goes_to_files_only_says_what_goes_to_pipes(container: str, word: str) -> None:
    with pytest.raises(ConfigError, match=f"{container} cannot be written to a pipe; (plain samples|wav, au)"):
        open_sink("-", Spec(44100, 1), container=container, encoding=word)


def test_a_codec_becomes_plain_samples_in_a_pipe() -> None:
    for name, expected in (("-", "s16"), ("a.wav", "gsm610"), ("a.flac", "s16"), ("a.aiff", "gsm610")):
        assert choose(name, None, None, Format("wav", "gsm610")).encoding == expected
    assert choose("a.wav", None, None, Format("wav", "gsm610"), pipe=True).encoding == "s16"


@pytest.mark.parametrize(
    ("container", "word", "rate", "told"),
    [
        ("htk", "s16", 44100, 44247),
        ("wve", "alaw", 44100, 8000),
        ("xi", "dpcm_16", 8000, 44100),
        ("voc", "u8", 44100, 45454),
        ("svx", "s16", 96000, 30464),
    ],
)
def test_a_rate_that_a_container_cannot_say_is_refused(
    container: str, word: str, rate: int, told: int, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"{container} cannot say {rate} Hz, only {told}; wav can"):
        open_sink(tmp_path / f"a.{container}", Spec(rate, 1), encoding=word)
    assert list(tmp_path.iterdir()) == []


def designed(path: Path, sound: Audio, word: str = "s16", **options: Any) -> Sink:
    return open_sink(path, Spec(44100, len(sound)), encoding=word, like=LIKE, **options)


@pytest.mark.parametrize("word", CONTAINERS["sd2"].encodings)
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_sound_designer_is_byte_for_byte_that_of_libsndfile(word: str, channels: int, tmp_path: Path) -> None:
    sound = sixteen(channels) if word != "s8" else np.zeros((channels, 4999), np.float32)
    for folder in ("ours", "theirs"):
        (tmp_path / folder).mkdir()
    write_all(designed(tmp_path / "ours" / "sound.sd2", sound, word, seed=1), sound, 777)
    integers = np.rint(sound.T * 2**15).astype(np.int16)
    soundfile.write(tmp_path / "theirs" / "sound.sd2", integers, 44100, SUBTYPES[word])
    for name in ("sound.sd2", "._sound.sd2"):
        ours, theirs = (tmp_path / folder / name for folder in ("ours", "theirs"))
        assert (name == "sound.sd2" and word == "s8") or ours.read_bytes() == theirs.read_bytes()
    assert sorted(path.name for path in (tmp_path / "ours").iterdir()) == ["._sound.sd2", "sound.sd2"]


def test_sound_designer_leaves_nothing_when_it_is_given_up(tmp_path: Path) -> None:
    sink = designed(tmp_path / "a.sd2", sound := sixteen(2))
    sink.write(sound)
    sink.abort()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.sd2", "._a.sd2"])
def test_sound_designer_replaces_neither_of_its_files_unasked(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"precious")
    sound = sixteen(2, 100)
    with pytest.raises(SinkError, match=rf"{name}: exists; --force replaces it"):
        designed(tmp_path / "a.sd2", sound)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(name, b"precious")]
    write_all(designed(tmp_path / "a.sd2", sound, force=True), sound, 100)
    with open_source(tmp_path / "a.sd2") as source:
        assert (read_all(source) == sound).all()


@pytest.mark.parametrize("published", [False, True])
def test_sound_designer_goes_on_where_it_was_stopped(published: bool, tmp_path: Path) -> None:
    sound, path = sixteen(2), tmp_path / "a.sd2"
    whole = tmp_path / "whole.sd2"
    write_all(designed(whole, sound), sound, 20_001)
    first = designed(path, sound, continuable=True)
    first.keep()
    first.write(sound[:, :5000])
    position = first.position
    first.write(sound[:, 5000:9000])
    first.abort()
    if published:  # stopped between the names of its two files
        (tmp_path / "._a.sd2").write_bytes((tmp_path / "._whole.sd2").read_bytes())
    second = designed(path, sound, resume=position)
    write_all(second, sound[:, 5000:], 777)
    assert path.read_bytes() == whole.read_bytes()
    assert (tmp_path / "._a.sd2").read_bytes() == (tmp_path / "._whole.sd2").read_bytes()
