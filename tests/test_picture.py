"""Pictures show what is there, whatever the length, in memory that does not grow."""

import struct
import sys
import tracemalloc
from pathlib import Path

import librosa
import numpy as np
import pytest

from stream_restore.errors import ConfigError, SinkError, SpecError
from stream_restore.show import picture
from stream_restore.show.picture import BANDS, Difference, Mel, draw, mel
from stream_restore.spec import Audio, Spec
from stream_restore.testing import example_signal


class Tape:
    """An array as a recording that is read from its start to its end, over and over `times` times."""

    def __init__(self, sound: Audio, sample_rate: int = 44100, times: int = 1) -> None:
        self.spec = Spec(sample_rate, len(sound))
        self._sound, self._at, self._end = sound, 0, times * sound.shape[1]

    def read(self, frames: int) -> Audio:
        frames = min(frames, self._end - self._at)
        place = (self._at + np.arange(frames)) % max(1, self._sound.shape[1])
        self._at += frames
        return self._sound[:, place]


def sine(hertz: float, seconds: float, sample_rate: int = 44100) -> Audio:
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * sample_rate)) / sample_rate)[None].astype(np.float32)


@pytest.mark.parametrize("band", [40, 60, 80, 105])
def test_a_sine_at_full_scale_is_0_db_in_its_band(band: int) -> None:
    centre = librosa.mel_frequencies(n_mels=BANDS + 2, fmax=22050)[band + 1]
    column = mel(Tape(sine(centre, 1.0))).decibels[:, 40]
    assert np.argmax(column) == band
    assert -1.5 < column[band] <= 0.01


@pytest.mark.filterwarnings("ignore:n_fft=2048 is too large:UserWarning")
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("frames", [1, 511, 513, 30_000, 100_001])
def test_columns_are_those_of_librosa(channels: int, frames: int) -> None:
    sound = example_signal(channels, frames)
    theirs = librosa.feature.melspectrogram(
        y=sound, sr=44100, n_fft=2048, hop_length=512, pad_mode="constant", n_mels=BANDS, norm=None
    ).mean(axis=0)
    window = np.square(librosa.filters.get_window("hann", 2048)).sum()
    ours = mel(Tape(sound))
    expected = 10 * np.log10(theirs * 4 / (2048 * window) + 1e-12)
    assert np.abs(ours.decibels[:, : expected.shape[1]] - expected).max() < 0.01
    assert ours.decibels.shape[1] == expected.shape[1]
    assert ours.column_seconds == 512 / 44100
    assert ours.seconds == frames / 44100


@pytest.mark.parametrize("columns", [7, 8, 9, 16, 17, 100])
def test_pooled_columns_are_means_of_their_parts(columns: int) -> None:
    sound = example_signal(1, (columns - 1) * 512)
    power, pooled = 10 ** (mel(Tape(sound)).decibels / 10), mel(Tape(sound), most=8)
    width = round(pooled.column_seconds * 44100 / 512)
    expected = [power[:, at : at + width].mean(axis=1) for at in range(0, power.shape[1], width)]
    assert len(expected) <= 8
    assert len(expected) > 4
    np.testing.assert_allclose(10 ** (pooled.decibels / 10), np.transpose(expected), rtol=1e-6)


@pytest.mark.parametrize("sample_rate", [8000, 16000, 96000])
def test_the_grid_follows_the_rate(sample_rate: int) -> None:
    found = mel(Tape(example_signal(1, 2 * sample_rate), sample_rate))
    assert found.seconds == 2.0
    assert 0.007 < found.column_seconds < 0.017


def peak_bytes(seconds: int) -> int:
    tape = Tape(example_signal(1, 8000), 8000, times=seconds)
    tracemalloc.start()
    mel(tape, most=64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_duration() -> None:
    mel(Tape(example_signal(1, 8000), 8000))  # imports
    assert peak_bytes(300) < peak_bytes(10) + 100_000


def test_a_difference_is_what_the_first_has_more() -> None:
    first, second = example_signal(2, 1000, seed=1), example_signal(2, 1000, seed=2)
    difference = Difference(Tape(first), Tape(second))
    assert (difference.read(600) == first[:, :600] - second[:, :600]).all()
    assert difference.read(600).shape == (2, 400)


def test_a_difference_wants_two_alike() -> None:
    with pytest.raises(SpecError, match="alike"):
        Difference(Tape(sine(100, 0.1)), Tape(sine(100, 0.1), 8000))
    with pytest.raises(SpecError, match="length"):
        Difference(Tape(sine(100, 0.1)), Tape(sine(100, 0.2))).read(10_000)


def png_size(path: Path) -> tuple[int, ...]:
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    return struct.unpack(">II", head[16:])


def test_a_picture_grows_with_its_panels(tmp_path: Path) -> None:
    panel = mel(Tape(example_signal(1, 44100)))
    for count in (1, 4):
        draw({f"panel {number}": panel for number in range(count)}, tmp_path / f"{count}.png")
    (width, height), (wide, high) = png_size(tmp_path / "1.png"), png_size(tmp_path / "4.png")
    assert width == wide
    assert 3 * height < high + 300


def test_a_picture_of_nothing_and_of_silence(tmp_path: Path) -> None:
    nothing, silence = mel(Tape(np.zeros((1, 0), np.float32))), mel(Tape(np.zeros((1, 44100), np.float32)))
    draw({"nothing": nothing, "silence": silence}, tmp_path / "out.png")
    assert png_size(tmp_path / "out.png")[0] > 1000


@pytest.mark.parametrize(("seconds", "unit"), [(0.0, "s"), (60.0, "s"), (200.0, "min"), (4000.0, "min"), (2e4, "h")])
def test_time_is_marked_in_a_unit_that_reads_well(seconds: float, unit: str) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    picture._time_axis(axes, seconds)
    assert axes.get_xlabel() == f"time ({unit})"
    assert 5 <= len([tick for tick in axes.get_xticks() if 0 <= tick <= max(seconds, 1e-3)]) <= 12


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"matplotlib.*pip install 'stream_restore\[eval\]'"):
        draw({"one": Mel(np.zeros((BANDS, 3)), Spec(44100, 1), 1.0, 0.3)}, tmp_path / "out.png")


def test_a_picture_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="nowhere"):
        draw({"one": mel(Tape(sine(100, 0.1)))}, tmp_path / "nowhere" / "out.png")
