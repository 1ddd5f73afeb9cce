"""Everything libsndfile writes is read here with the samples libsndfile reads, from a file and from a pipe."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_helpers import NOT_OF_LIBSNDFILE, drip, read_all

from stream_restore.audio import open_source
from stream_restore.audio.pcm.raw import parse_raw
from stream_restore.errors import SourceError
from stream_restore.spec import Audio, Spec
from stream_restore.testing import example_signal

PAIRS = [
    (container, subtype)
    for container in sorted(soundfile.available_formats())
    for subtype in sorted(soundfile.available_subtypes(container))
]
SHAPES = ((2, 44100), (1, 44100), (1, 8000))
"""Channels and rates; some codecs know mono or the rates of telephones only."""

WITHIN = {
    ("MP3", "MPEG_LAYER_III"): (1e-6, "FFmpeg's decoder adds floats in another order"),
    ("OGG", "VORBIS"): (1e-6, "FFmpeg's decoder adds floats in another order"),
    ("AIFF", "IMA_ADPCM"): (0.01, "FFmpeg rounds less: 40 dB from a tone, libsndfile 37 dB"),
}
"""Largest difference, and why there is one."""
OTHER_RATE = {
    ("OGG", "OPUS"): "decoded at 48 kHz, the rate of every Opus stream, whatever went in",
}
RAW_WORDS = {
    "ALAW": "alaw",
    "DOUBLE": "f64le",
    "FLOAT": "f32le",
    "PCM_16": "s16le",
    "PCM_24": "s24le",
    "PCM_32": "s32le",
    "PCM_S8": "s8",
    "PCM_U8": "u8",
    "ULAW": "ulaw",
    "GSM610": "gsm610",
    "VOX_ADPCM": "vox_adpcm",
    "NMS_ADPCM_16": "nms_adpcm_16",
    "NMS_ADPCM_24": "nms_adpcm_24",
    "NMS_ADPCM_32": "nms_adpcm_32",
}
"""Without a header there is nothing to see: what `--raw` calls it."""


def written(path: Path, container: str, subtype: str, frames: int = 8001) -> tuple[int, int]:
    """Write a sound with libsndfile; its channels and rate."""
    for channels, rate in SHAPES:
        sound = 0.3 * example_signal(channels, frames, seed=1)
        with suppress(soundfile.LibsndfileError, ValueError):
            soundfile.write(path, sound.T, rate, subtype=subtype, format=container)
            return channels, rate
    pytest.fail(f"libsndfile writes no {subtype} in {container}")


def by_libsndfile(path: Path) -> Audio:
    sound, _ = soundfile.read(path, dtype="float32", always_2d=True)
    return np.asarray(sound.T)


@pytest.mark.parametrize(
    ("container", "subtype"), [pair for pair in PAIRS if pair not in NOT_OF_LIBSNDFILE and pair[0] != "RAW"]
)
def test_what_libsndfile_writes_is_read_as_it_reads_it(container: str, subtype: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{container.lower()}"
    written(path, container, subtype)
    expected, rate = by_libsndfile(path), soundfile.info(path).samplerate  # which some containers round
    with open_source(path) as file:
        sound = read_all(file)
        assert file.warnings == []
        assert file.spec == Spec(48000 if (container, subtype) in OTHER_RATE else rate, len(expected))
        assert file.frames in (None, sound.shape[1])
    if container != "SD2":  # which is two files
        with open_source(drip(path.read_bytes(), 1 << 16)) as pipe:
            assert (read_all(pipe, 777) == sound).all()
    if (container, subtype) in OTHER_RATE:
        return
    assert sound.shape == expected.shape
    tolerance, _ = WITHIN.get((container, subtype), (0.0, ""))
    assert np.abs(sound - expected).max() <= tolerance


@pytest.mark.parametrize("subtype", RAW_WORDS)
def test_headerless_sound_is_read_as_libsndfile_reads_it(subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    channels, rate = written(path, "RAW", subtype, 8000)
    with soundfile.SoundFile(path, "r", rate, channels, subtype, format="RAW") as theirs:
        expected = theirs.read(100_000, dtype="float32", always_2d=True)  # the length of some is not known
    raw = parse_raw(f"{RAW_WORDS[subtype]}:{rate}:{channels}")
    with open_source(path, raw=raw) as file:
        assert (read_all(file) == expected.T).all()
        assert file.format.container == "raw"
    with open_source(drip(path.read_bytes(), 1000), raw=raw) as pipe:
        assert (read_all(pipe, 777) == expected.T).all()


@pytest.mark.parametrize(("container", "subtype"), NOT_OF_LIBSNDFILE)
def test_what_libsndfile_lists_and_cannot_do_is_still_so(container: str, subtype: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{container.lower()}"
    options = {"samplerate": 44100, "channels": 1, "format": "RAW", "subtype": subtype} if container == "RAW" else {}
    with pytest.raises(soundfile.LibsndfileError):  # noqa: PT012 - one or the other
        soundfile.write(path, np.zeros(1000), 44100, subtype=subtype, format=container)
        soundfile.read(path, **options)


def test_no_pair_is_left_out() -> None:
    raw = {subtype for container, subtype in {*PAIRS} - {*NOT_OF_LIBSNDFILE} if container == "RAW"}
    assert raw == RAW_WORDS.keys()
    assert {*WITHIN, *OTHER_RATE} <= {*PAIRS}


@pytest.mark.parametrize("frames", [100, 4096, 70_001])
@pytest.mark.parametrize(("subtype", "word"), [("PCM_S8", "s8"), ("PCM_16", "s16"), ("PCM_24", "s24")])
def test_sound_designer_is_read_with_the_file_beside_it(subtype: str, word: str, frames: int, tmp_path: Path) -> None:
    path = tmp_path / "a.sd2"
    written(path, "SD2", subtype, frames)
    with open_source(path) as file:
        assert (file.format.container, file.format.encoding, file.frames) == ("sd2", word, frames)
        assert (read_all(file) == by_libsndfile(path)).all()


def test_sound_designer_without_the_file_beside_it_names_the_cure(tmp_path: Path) -> None:
    path = tmp_path / "a.sd2"
    written(path, "SD2", "PCM_16")
    expected = by_libsndfile(path)
    (tmp_path / "._a.sd2").unlink()
    with pytest.raises(SourceError, match=r"a\.sd2: .*\._a\.sd2.*--raw s16be:44100:2"):
        open_source(path)
    with open_source(path, raw=parse_raw("s16be:44100:2")) as file:
        assert (read_all(file) == expected).all()
