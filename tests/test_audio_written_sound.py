"""What is written is the same whatever the blocks, keeps format and tags, and is what other programs read."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_helpers import ffmpeg, noise, only_write, rate_of, read_all, sox, tool, write_all

from stream_restore.audio import Format, open_sink, open_source
from stream_restore.audio.formats import CODECS, CONTAINERS, choose
from stream_restore.audio.ogg.pages import checksum
from stream_restore.audio.pcm.wav_writer import WavHead
from stream_restore.spec import Audio, Spec

STEREO = Spec(44100, 2)
SOUND = noise(2, 20_001)
TAGS = {"title": "Tape 7", "artist": "Zoë", "album": "Attic"}
PAIRS = [(name, word) for name, container in CONTAINERS.items() for word in container.encodings if word not in CODECS]
PIPES = [(name, word) for name, word in PAIRS if CONTAINERS[name].pipe]
LOSSY = ("ogg", "opus", "mp3", "m4a", "aac")
CODECS_OF_LOSS = ("vorbis", "opus", "mp3", "aac")
UNTAGGED = (
    "raw",
    "aac",
    "w64",
    "nist",
    "voc",
    "ircam",
    "paf",
    "pvf",
    "avr",
    "mat4",
    "mat5",
    "svx",
    "sd2",
    "htk",
    "mpc2k",
    "wve",
)
MONO = ("svx", "htk", "wve")


def to_pipe(container: str, word: str, sound: Audio, block: int, spec: Spec = STEREO) -> bytes:
    pipe, data = only_write(most=5000)
    write_all(open_sink(pipe, spec, container=container, encoding=word, like=LIKE), sound, block)
    return bytes(data)


LIKE = Format("wav", "s16", TAGS)


@pytest.mark.parametrize(("container", "word"), PAIRS)
def test_blocks_do_not_change_a_byte_of_a_file(container: str, word: str, tmp_path: Path) -> None:
    sound = SOUND[: 1 if container in MONO else 2]
    written = []
    for block in (20_001, 777):
        path = tmp_path / f"{block}.{container}"
        spec = Spec(rate_of(container, word), len(sound))
        sink = open_sink(path, spec, container=container, encoding=word, like=LIKE, frames=block)
        write_all(sink, sound, block)
        written.append(path.read_bytes())
    assert written[0] == written[1]
    if container == "raw":
        return
    with open_source(path) as source:
        heard = read_all(source)
        assert source.format.encoding == word
        assert source.format.container == {"webm": "matroska", "mov": "m4a"}.get(container, container)
        for name in ("title", "artist"):
            assert (container in UNTAGGED) or source.format.tags[name] == TAGS[name]
        assert source.spec == Spec(48000 if word == "opus" else spec.sample_rate, spec.channels)
    if (container, word) == ("paf", "s24"):  # which is stored ten by ten
        assert heard.shape[1] == 20_010
        heard = heard[:, :20_001]
    if word not in CODECS_OF_LOSS:
        worst = {"u8": 1 / 64, "s8": 1 / 64, "ulaw": 1 / 60, "alaw": 1 / 60}.get(word, 0)
        assert heard.shape == sound.shape
        assert np.abs(heard - sound).max() <= worst


@pytest.mark.parametrize(("container", "word"), PIPES)
def test_blocks_do_not_change_a_byte_in_a_pipe(container: str, word: str) -> None:
    written = [to_pipe(container, word, SOUND, block) for block in (20_001, 4096, 777)]
    assert written[0] == written[1] == written[2]
    if container == "raw":
        return
    with open_source(io.BytesIO(written[0])) as source:
        assert read_all(source).shape[1] >= 20_001
        assert source.format.encoding == word
        for name in ("title", "artist"):
            assert (container in UNTAGGED) or source.format.tags[name] == TAGS[name]


@pytest.mark.parametrize("word", [word for name, word in PAIRS if name == "wav"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_wav_in_a_pipe_is_read_whole_by_libsndfile_ffmpeg_and_sox(word: str, channels: int, tmp_path: Path) -> None:
    sound = noise(channels, 4999, level=0.1)
    data = to_pipe("wav", word, sound, 1000, Spec(44100, channels))
    with open_source(io.BytesIO(data)) as source:
        ours = read_all(source)
    assert ours.shape == sound.shape
    theirs, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    assert rate == 44100
    assert (ours == theirs.T).all()
    decoded = np.frombuffer(ffmpeg("-i", "-", "-f", "f32le", "-", feed=data), "<f4").reshape(-1, channels).T
    assert decoded.shape == ours.shape
    assert (decoded == ours).all()
    by_sox = sox("-t", "wav", "-", "-t", "raw", "-e", "float", "-b", "32", "-", feed=data)
    heard = np.frombuffer(by_sox, "<f4").reshape(-1, channels).T
    assert heard.shape == ours.shape
    assert np.abs(heard - ours).max() <= 2**-30  # SoX works in 32-bit integers


@pytest.mark.parametrize("word", [word for name, word in PAIRS if name == "wav"])
def test_a_wav_file_is_read_by_libsndfile_ffmpeg_and_sox(word: str, tmp_path: Path) -> None:
    path = tmp_path / "tape.wav"
    write_all(open_sink(path, Spec(44100, 1), encoding=word, like=LIKE), SOUND[:1], 1000)
    assert soundfile.info(path).frames == 20_001
    assert soundfile.SoundFile(path).title == "Tape 7"
    assert len(ffmpeg("-i", str(path), "-f", "f32le", "-")) == 4 * 20_001
    assert len(sox(str(path), "-t", "raw", "-e", "float", "-b", "32", "-")) == 4 * 20_001
    # RIFF's size, and the padding that it counts: nothing stands behind.
    data = path.read_bytes()
    assert data[:4] == b"RIFF"
    assert int.from_bytes(data[4:8], "little") + 8 == len(data)
    assert len(data) % 2 == 0


@pytest.mark.parametrize("container", ["flac", "au", "ogg", "opus", "mp3", "matroska", "webm", "wv"])
def test_other_pipes_are_read_by_ffmpeg_and_sox(container: str) -> None:
    word = CONTAINERS[container].encodings[0]
    data = to_pipe(container, word, noise(2, 20_000), 999, Spec(48000, 2))
    assert len(ffmpeg("-i", "-", "-f", "s16le", "-", feed=data)) >= 4 * 20_000
    if container in ("flac", "au", "ogg", "mp3"):
        assert len(sox("-t", container, "-", "-t", "raw", "-b", "16", "-", feed=data)) >= 4 * 20_000


DECODED = {"u8": ("u8", "u1"), "s16": ("s16le", "<i2"), "s24": ("s32le", "<i4"), "s32": ("s32le", "<i4")}
DECODED |= {"f32": ("f32le", "<f4"), "f64": ("f64le", "<f8")}
SCALES = {"u8": 2**7, "s16": 2**15, "s24": 2**31, "s32": 2**31, "f32": 1, "f64": 1}
LOSSLESS = [
    (container, word)
    for container in ("flac", "alac", "wv", "tta", "matroska", "mov")
    for word in CONTAINERS[container].encodings
    if word in DECODED
]


@pytest.mark.parametrize("frames", [1, 4096, 20_001])
@pytest.mark.parametrize(("container", "word"), LOSSLESS)
def test_ffmpeg_decodes_what_went_into_a_lossless_file(container: str, word: str, frames: int, tmp_path: Path) -> None:
    """Noise on the grid of the word, of which every bit counts."""
    scale = min(SCALES[word], 2**23)
    steps = np.random.default_rng(0).integers(-scale, scale, (2, frames)) if scale > 1 else 3 * noise(2, frames)
    sound = (steps / scale).astype(np.float32)
    path = tmp_path / "tape"
    write_all(open_sink(path, STEREO, container=container, encoding=word, like=Format("wav", word)), sound, 999)
    name, kind = DECODED[word]
    decoded = np.frombuffer(ffmpeg("-i", str(path), "-f", name, "-c:a", f"pcm_{name}", "-"), kind).reshape(-1, 2).T
    expected = sound.astype(np.float64) * SCALES[word] + (128 if word == "u8" else 0)
    assert decoded.shape == sound.shape
    assert (decoded == expected).all()


@pytest.mark.parametrize(("channels", "word"), [(1, "u8"), (1, "s16"), (2, "s16"), (2, "s24"), (6, "s16")])
def test_the_last_packet_of_true_audio_may_be_of_any_length(channels: int, word: str, tmp_path: Path) -> None:
    """FFmpeg's encoder ends the process where the last block has a few bytes; its decoder checks every packet."""
    length = 46_080  # of a packet, at 44.1 kHz
    for frames in (*range(1, 20), length + 1, length + 15):
        sound = (np.random.default_rng(frames).integers(-128, 128, (channels, frames)) / 128).astype(np.float32)
        path = tmp_path / f"{frames}.tta"
        write_all(open_sink(path, Spec(44100, channels), encoding=word, like=Format("wav", word)), sound, 999)
        with open_source(path) as source:
            assert source.frames == frames
            heard = read_all(source)
        assert heard.shape == sound.shape
        assert (heard == sound).all()
    checked = ["-err_detect", "crccheck+explode", "-i", str(path), "-f", "f32le", "-c:a", "pcm_f32le", "-"]
    assert (sound == np.frombuffer(ffmpeg(*checked), "<f4").reshape(-1, channels).T).all()


def test_a_last_block_of_few_frames_does_not_end_the_process(tmp_path: Path) -> None:
    """FFmpeg's encoder of ALAC with more than two channels has no room for its first few frames."""
    for frames in (1, 2, 4097, 4098):
        for word in ("s16", "s24"):
            sound = noise(6, frames)
            write_all(
                open_sink(tmp_path / "a.m4a", Spec(44100, 6), container="alac", encoding=word, force=True), sound, 99
            )
            heard = np.frombuffer(ffmpeg("-i", str(tmp_path / "a.m4a"), "-f", "f32le", "-"), "<f4").reshape(-1, 6)
            assert frames <= len(heard) <= frames + 15
            assert not heard[frames:].any()


def test_files_say_how_many_bits_their_samples_have(tmp_path: Path) -> None:
    for container in ("flac", "alac", "wv", "tta", "matroska", "mov"):
        for word, bits in (("s16", "16"), ("s24", "24")):
            path = tmp_path / f"{word}.{container}"
            write_all(open_sink(path, STEREO, container=container, encoding=word), SOUND, 999)
            shown = ["-show_entries", "stream=bits_per_raw_sample,bits_per_sample", "-of", "csv=p=0", str(path)]
            assert bits in tool("ffprobe", "-v", "error", *shown).decode().strip().split(",")


@pytest.mark.parametrize("frames", [1023, 5000, 10_300, 20_001])
@pytest.mark.parametrize("kind", ["ogg", "mp3", "m4a", "mkv aac", "mkv mp3", "mkv opus", "mka aac", "webm opus"])
def test_a_lossy_file_is_as_long_as_its_sound(kind: str, frames: int, tmp_path: Path) -> None:
    suffix, _, word = kind.partition(" ")
    path, spec = tmp_path / f"a.{suffix}", Spec(48000, 2) if word == "opus" else STEREO
    write_all(open_sink(path, spec, encoding=word or None, like=LIKE), SOUND[:, :frames], 1000)
    with open_source(path) as source:
        assert read_all(source).shape == (2, frames)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("container", LOSSY)
def test_lossy_codecs_keep_the_level(container: str, channels: int, rate: int, tmp_path: Path) -> None:
    tones = [0.1 * np.sin(2 * np.pi * hertz * np.arange(4 * rate) / rate) for hertz in (220, 500, 1310)]
    sound = np.tile(np.sum(tones, axis=0, dtype=np.float32), (channels, 1))
    path = tmp_path / f"a.{container}"
    write_all(open_sink(path, Spec(rate, channels), like=LIKE), sound, rate)
    heard = np.frombuffer(ffmpeg("-i", str(path), "-f", "f32le", "-"), np.float32)[rate:-rate]
    assert heard.std() / sound[:, rate:-rate].std() == pytest.approx(1, abs=0.01)


def test_a_pipeline_of_programs_keeps_every_sample(tmp_path: Path) -> None:
    code = """
from stream_restore.audio import open_sink, open_source
with open_source("-") as source, open_sink("-", source.spec, like=source.format) as sink:
    while (block := source.read(1234)).shape[1]:
        sink.write(block)
"""
    soundfile.write(tmp_path / "in.flac", SOUND.T, 44100, "PCM_24")
    (tmp_path / "through.py").write_text(code)
    line = "ffmpeg -v error -i in.flac -f wav -c:a pcm_s24le - | '{}' through.py | sox -D -V1 -t wav - out.flac"
    done = subprocess.run(line.format(sys.executable), shell=True, cwd=tmp_path, capture_output=True, check=True)
    assert done.stderr == b""
    kept, rate = soundfile.read(tmp_path / "out.flac", dtype="float32")
    assert rate == 44100
    assert (kept.T == SOUND).all()


def test_a_wav_beyond_its_limit_becomes_rf64(tmp_path: Path) -> None:
    form = Format("wav", "s16", TAGS)
    body = (SOUND.T * 32768).astype("<i2").tobytes()
    for limit, family in ((10**6, b"RIFF"), (1000, b"RF64")):
        head = WavHead(STEREO, form, limit)
        assert len(head.start()) == len(head.final(len(body)))
        path = tmp_path / f"{limit}.wav"
        path.write_bytes(head.final(len(body)) + body)
        assert path.read_bytes()[:4] == family
        assert soundfile.info(path).format == {b"RIFF": "WAV", b"RF64": "RF64"}[family]
        assert (soundfile.read(path, dtype="float32")[0].T == SOUND).all()
        assert len(ffmpeg("-i", str(path), "-f", "s16le", "-")) == len(body)
        with open_source(path) as source:
            assert (read_all(source) == SOUND).all()
            assert source.format.tags == TAGS


def test_a_wav_of_more_than_4_gib_is_read_to_its_end_by_all(tmp_path: Path) -> None:
    # A file with a hole in it: six gibibytes of silence that take no room, then one frame of sound.
    size = 6 * 2**30
    path = tmp_path / "long.wav"
    with path.open("wb") as file:
        file.write(WavHead(STEREO, Format("wav", "s16")).final(size))
        file.seek(size - 4, io.SEEK_CUR)
        file.write(b"\0\x40\0\xc0")
    assert soundfile.info(path).frames == size // 4
    with open_source(path) as source:
        assert source.frames == size // 4
        assert source.warnings == []
    seconds = str(size // 4 / 44100 - 0.01)
    tail = np.frombuffer(ffmpeg("-ss", seconds, "-i", str(path), "-f", "s16le", "-"), "<i2")
    assert tail[-2:].tolist() == [0x4000, -0x4000]


def test_the_limit_of_a_plain_wav_is_4_gib() -> None:
    head = WavHead(STEREO, Format("wav", "s16"))
    room = 2**32 - len(head.start()) + 8 - 2  # the largest RIFF size that is even and not 0xFFFFFFFF
    assert head.final(room)[:4] == b"RIFF"
    assert head.final(room + 4)[:4] == b"RF64"


def test_an_unusual_rate_becomes_opus(tmp_path: Path) -> None:
    path = tmp_path / "tape.opus"
    time = np.arange(44100) / 44100
    tone = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)[None]
    write_all(open_sink(path, Spec(44100, 1)), tone, 1000)
    with open_source(path) as source:
        assert source.spec == Spec(48000, 1)
        heard = read_all(source)
    assert heard.shape[1] == 48000
    assert np.abs(np.fft.rfft(heard[0]))[1:].argmax() + 1 == 440


@pytest.mark.parametrize(
    ("name", "like", "container", "word"),
    [
        ("-", Format("mp3", "mp3"), "wav", "s16"),
        ("-", Format("flac", "s24"), "wav", "s24"),
        ("tape", Format("flac", "s24"), "flac", "s24"),
        ("tape", Format("asf", "wmav2"), "wav", "s16"),
        ("tape", Format("matroska", "opus"), "matroska", "opus"),
        ("tape.mkv", Format("matroska", "vorbis"), "matroska", "s16"),
        ("tape.mka", Format("m4a", "aac"), "matroska", "aac"),
        ("tape.webm", Format("matroska", "vorbis"), "webm", "opus"),
        ("tape.mov", Format("m4a", "aac"), "mov", "aac"),
        ("tape.mov", Format("m4a", "s24"), "mov", "s24"),
        ("tape.mp4", Format("matroska", "aac"), "m4a", "aac"),
        ("tape.wv", Format("wav", "s32"), "wv", "f32"),
        ("tape.wav", Format("wav", "u8"), "wav", "u8"),
        ("tape.wav", Format("flac", "s24"), "wav", "s24"),
        ("tape.wav", Format("m4a", "aac"), "wav", "s16"),
        ("tape.wav", None, "wav", "s16"),
        ("tape.flac", Format("wav", "f32"), "flac", "s24"),
        ("tape.flac", Format("wav", "u8"), "flac", "s16"),
        ("tape.FLAC", Format("mp3", "mp3"), "flac", "s16"),
        ("tape.m4a", Format("wav", "s16"), "m4a", "aac"),
        ("tape.m4a", Format("alac", "s24"), "alac", "s24"),
        ("tape.ogg", Format("opus", "opus"), "opus", "opus"),
        ("tape.ogg", Format("wav", "s16"), "ogg", "vorbis"),
        ("tape.aif", Format("wav", "f64"), "aiff", "f64"),
        ("tape.ircam", Format("wav", "f64"), "ircam", "f32"),
    ],
)
def test_an_output_keeps_what_its_input_had(name: str, like: Format | None, container: str, word: str) -> None:
    form = choose(name, None, None, like)
    assert (form.container, form.encoding) == (container, word)


def test_a_word_with_its_byte_order_is_a_format_as_in_ffmpeg() -> None:
    pipe, data = only_write()
    write_all(open_sink(pipe, STEREO, container="s16be"), SOUND, 5000)
    like = Format("raw", "s16", big_endian=True)
    other, same = only_write()
    write_all(open_sink(other, STEREO, container="raw", like=like), SOUND, 5000)
    assert bytes(same) == (SOUND.T * 32768).astype(">i2").tobytes()
    assert len(data) == len(same)


def test_the_checksum_of_ogg_is_that_of_libogg(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "tape.ogg", SOUND.T, 44100)
    page = (tmp_path / "tape.ogg").read_bytes()[:58]  # the first page of a Vorbis has 58 bytes
    assert checksum(page[:22] + bytes(4) + page[26:]) == int.from_bytes(page[22:26], "little")
