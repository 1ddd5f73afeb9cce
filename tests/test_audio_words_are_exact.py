"""Samples keep their word, bit for bit; what cannot be kept is dithered, limited and counted."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_helpers import noise, only_write, read_all, write_all
from numpy.typing import NDArray

from stream_restore.audio import Format, open_sink, open_source
from stream_restore.audio.samples.g711 import DECODED, compress
from stream_restore.engine.noise import Noise, tpdf
from stream_restore.errors import ConfigError, SinkError, SpecError
from stream_restore.spec import Audio, Spec

STEREO = Spec(44100, 2)
LOSSLESS = ["u8", "s16", "s24", "f32", "f64", "ulaw", "alaw"]


def every_value(word: str) -> NDArray[np.float64]:
    """Samples that use the whole range of a word, for soundfile, shape (frames, 2)."""
    bits = {"u8": 8, "s24": 24}.get(word, 16)
    steps = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1), max(1, 2 ** (bits - 16)))
    return (steps / 2.0 ** (bits - 1)).reshape(-1, 2)


@pytest.mark.parametrize("word", LOSSLESS)
def test_a_file_passed_through_keeps_every_sample(word: str, tmp_path: Path) -> None:
    subtype = {"u8": "PCM_U8", "f32": "FLOAT", "f64": "DOUBLE"}.get(word, word.upper().replace("S", "PCM_"))
    soundfile.write(tmp_path / "in.wav", every_value(word), 44100, subtype)
    with open_source(tmp_path / "in.wav") as source:
        assert source.format.encoding == word
        sink = open_sink(tmp_path / "out.wav", source.spec, like=source.format)
        write_all(sink, read_all(source), 777)
    assert sink.clipped == 0
    first, second = (soundfile.read(tmp_path / name)[0] for name in ("in.wav", "out.wav"))
    assert (first == second).all()
    assert soundfile.info(tmp_path / "out.wav").subtype == subtype


def test_both_laws_are_those_of_libsndfile(tmp_path: Path) -> None:
    for law in ("ulaw", "alaw"):
        codes = np.arange(256, dtype=np.uint8)
        codes.tofile(tmp_path / "codes")
        expected, _ = soundfile.read(
            tmp_path / "codes", dtype="int16", samplerate=8000, channels=1, format="RAW", subtype=law.upper()
        )
        assert (DECODED[law] == expected).all()
        assert (DECODED[law][compress(DECODED[law].astype(np.int32), law)] == DECODED[law]).all()


@pytest.mark.parametrize(
    ("origin", "word", "dithered"),
    [
        ("s16", "s16", False),
        ("u8", "s16", False),
        ("s24", "s16", True),
        ("s16", "u8", True),
        ("f32", "s24", True),
        ("mp3", "s16", True),
        ("f32", "s32", False),
        ("s24", "f32", False),
        (None, "s16", True),
    ],
)
def test_dither_comes_exactly_when_words_get_shorter(origin: str | None, word: str, dithered: bool) -> None:
    pipe, data = only_write()
    like = Format("wav", origin) if origin else None
    write_all(
        open_sink(pipe, STEREO, like=like, container="raw", encoding=word),
        np.zeros((2, 9000), np.float32),
        100,
    )
    silence = b"\x80" if word == "u8" else b"\0"
    assert (bytes(data) != silence * len(data)) == dithered


def test_dither_is_triangular_and_a_function_of_seed_and_frame() -> None:
    sound = noise(2, 20_000) * np.float32(0.5) + np.float32(0.3 / 32768)
    outputs = []
    for block, seed in ((20_000, 5), (7, 5), (20_000, 6)):
        pipe, data = only_write()
        write_all(open_sink(pipe, STEREO, container="raw", encoding="s16", seed=seed), sound, block)
        outputs.append(np.frombuffer(bytes(data), "<i2").reshape(-1, 2).T)
    assert (outputs[0] == outputs[1]).all()
    assert (outputs[0] != outputs[2]).any()
    expected = np.rint(sound.astype(float) * 32768 + Noise(5, 0x6F757470, 2, tpdf).read(0, 20_000))
    assert (outputs[0] == expected).all()


@pytest.mark.parametrize("mode", ["clamp", "none"])
@pytest.mark.parametrize("word", ["u8", "s16", "s24", "s32"])
def test_integers_are_limited_and_counted_in_every_mode(word: str, mode: str) -> None:
    sound = np.array([[0.0, 1.5, -1.5, 1.0, -1.0]], np.float32)
    pipe, data = only_write()
    like = Format("wav", word)
    sink = open_sink(pipe, Spec(8000, 1), like=like, container="wav", clip_mode=mode)
    write_all(sink, sound, 2)
    assert sink.clipped == 3  # 1.0 is one step more than an integer holds, -1.0 is not
    with open_source(_bytes(data)) as source:
        kept = read_all(source)
    step = 2.0 ** (1 - {"u8": 8, "s16": 16, "s24": 24, "s32": 32}[word])
    assert np.allclose(kept, [[0, 1 - step, -1, 1 - step, -1]], rtol=0, atol=2.0**-25)


@pytest.mark.parametrize("mode", ["clamp", "none"])
@pytest.mark.parametrize("word", ["f32", "f64"])
def test_floats_are_never_clipped(word: str, mode: str) -> None:
    sound = np.array([[0.0, 1.5, -7.25]], np.float32)
    pipe, data = only_write()
    sink = open_sink(pipe, Spec(8000, 1), encoding=word, clip_mode=mode)
    write_all(sink, sound, 3)
    assert sink.clipped == 0
    with open_source(_bytes(data)) as source:
        assert (read_all(source) == sound).all()


@pytest.mark.parametrize("word", ["s16", "f32"])
def test_tanh_bends_every_word_and_counts_what_was_beyond(word: str) -> None:
    sound = np.array([[0.25, 1.5, -30.0]], np.float32)
    pipe, data = only_write()
    sink = open_sink(pipe, Spec(8000, 1), like=Format("wav", word), clip_mode="tanh")
    write_all(sink, sound, 3)
    assert sink.clipped == 2
    with open_source(_bytes(data)) as source:
        assert np.abs(read_all(source) - np.tanh(sound)).max() <= (2**-15 if word == "s16" else 0)


def test_what_a_sink_refuses() -> None:
    with pytest.raises(ConfigError, match="clip mode 'soft' is not one of clamp, tanh, none"):
        open_sink(only_write()[0], STEREO, clip_mode="soft")
    with open_sink(only_write()[0], STEREO) as sink:
        with pytest.raises(SpecError, match=r"takes blocks of 2 channels, got shape \(1, 5\)"):
            sink.write(np.zeros((1, 5), np.float32))
        sink.write(np.zeros((2, 5), np.float32))
        with pytest.raises(SinkError, match=r"nan at frame 7 \(0:00:00.000\), channel 1"):
            sink.write(np.array([[0, 0, np.nan], [0, 0, 0]], np.float32))


def test_32_bit_integers_keep_the_24_bits_that_float32_has(tmp_path: Path) -> None:
    steps = np.random.default_rng(3).integers(-(2**31), 2**31 - 256, (500, 1), dtype=np.int64).astype(np.int32)
    soundfile.write(tmp_path / "in.wav", steps, 8000, "PCM_32")
    with open_source(tmp_path / "in.wav") as source:
        sound = read_all(source)
        write_all(open_sink(tmp_path / "out.wav", source.spec, like=source.format), sound, 100)
    kept: Audio = soundfile.read(tmp_path / "out.wav", dtype="int32")[0]
    assert (kept == steps[:, 0].astype(np.float32).astype(np.int64)).all()


def _bytes(data: bytearray) -> io.BytesIO:
    return io.BytesIO(bytes(data))
