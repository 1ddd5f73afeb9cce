"""Tiles show what librosa computes, are the same bytes for any partition, and need no more memory for more sound."""

import io
import tracemalloc
from itertools import accumulate
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
from folders import files
from PIL import Image

from stream_restore.errors import ConfigError, SinkError, SpecError
from stream_restore.show import mel
from stream_restore.show.png import PALETTE, encode_png
from stream_restore.show.tiles import TILE, Axes, Tiles
from stream_restore.spec import Audio, Spec
from stream_restore.testing import example_signal, partitions

RATE = 8000
SIZE, HOP = 512, 128
"""Of the transform at this rate."""


def written(folder: Path, sound: Audio, cuts: list[int] | None = None, axes: Axes | None = None) -> dict[str, Any]:
    tiles = Tiles(folder, Spec(RATE, len(sound)), axes)
    cuts = cuts or [sound.shape[1]]
    for stop, length in zip(accumulate(cuts), cuts, strict=True):
        tiles.update(sound[:, stop - length : stop])
    return tiles.close()


def level(folder: Path, number: int) -> np.ndarray:
    """All columns of a level, as places in the palette, lowest frequency first."""
    paths = sorted((folder / str(number)).glob("*.png"), key=lambda path: int(path.stem))
    return np.concatenate([np.asarray(Image.open(path)) for path in paths], axis=1)[::-1]


@pytest.mark.parametrize("sample_rate", [8000, 16000, 32000, 44100, 96000])
@pytest.mark.parametrize("bands", [40, 112, 128])
@pytest.mark.filterwarnings("ignore:Empty filters:UserWarning")
def test_mel_filters_are_those_of_librosa(sample_rate: int, bands: int) -> None:
    theirs = librosa.filters.mel(sr=sample_rate, n_fft=2048, n_mels=bands, norm=None, dtype=np.float64)
    np.testing.assert_allclose(mel.filters(sample_rate, 2048, bands), theirs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        mel.frequencies(bands, sample_rate / 2), librosa.mel_frequencies(n_mels=bands, fmax=sample_rate / 2), rtol=1e-12
    )


def test_a_png_is_read_by_others() -> None:
    indices = np.arange(256, dtype=np.uint8).reshape(8, 32)
    image = Image.open(io.BytesIO(encode_png(indices)))
    assert (np.asarray(image) == indices).all()
    assert (np.asarray(image.convert("RGB")) == PALETTE[indices]).all()


@pytest.mark.parametrize("cut", partitions(9, 3))
def test_any_partition_gives_the_same_bytes(cut: str, tmp_path: Path) -> None:
    frames = 5000 if cut == "one frame at a time" else 150_001
    sound = example_signal(2, frames)
    written(tmp_path / "whole", sound)
    written(tmp_path / "cut", sound, partitions(frames, 64 * HOP)[cut])
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


@pytest.mark.parametrize("frames", [1, HOP - 1, HOP, 100_000])
def test_columns_are_those_of_librosa(frames: int, tmp_path: Path) -> None:
    sound = example_signal(2, frames)
    manifest = written(tmp_path, sound)
    theirs = librosa.feature.melspectrogram(
        y=np.pad(sound, ((0, 0), (0, SIZE))),
        sr=RATE,
        n_fft=SIZE,
        hop_length=HOP,
        pad_mode="constant",
        n_mels=128,
        norm=None,
    ).mean(axis=0)[:, : frames // HOP + 1]
    window = np.square(librosa.filters.get_window("hann", SIZE)).sum()
    decibels = 10 * np.log10(np.maximum(theirs * 4 / (SIZE * window), 1e-10))
    assert manifest["levels"][0]["columns"] == theirs.shape[1]
    assert np.abs(level(tmp_path, 0) - np.clip((decibels + 100) * 2.55, 0, 255)).max() < 0.51


def test_every_level_is_the_mean_power_of_pairs(tmp_path: Path) -> None:
    sound = example_signal(1, 3 * TILE * HOP + 77) * np.linspace(0.1, 1, 3 * TILE * HOP + 77, dtype=np.float32)
    manifest = written(tmp_path, sound)
    assert [entry["columns"] for entry in manifest["levels"]] == [1537, 769, 385]
    assert [entry["tiles"] for entry in manifest["levels"]] == [4, 2, 1]
    powers = 10 ** (level(tmp_path, 0) / 25.5)
    for number in (1, 2):
        padded = np.pad(powers, ((0, 0), (0, powers.shape[1] % 2)), mode="edge")
        powers = (padded[:, ::2] + padded[:, 1::2]) / 2
        shown = level(tmp_path, number)
        # The quietest colour stands for all that is quieter.
        assert np.abs(shown - 25.5 * np.log10(powers))[shown > 20].max() < 1.1
        assert (shown > 20).mean() > 0.9


@pytest.mark.parametrize("scale", ["mel", "linear"])
@pytest.mark.parametrize("hertz", [500, 1500, 3500])
def test_a_sine_stands_in_its_row_at_0_db(scale: Any, hertz: int, tmp_path: Path) -> None:
    sound = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE, dtype=np.float32)[None]
    manifest = written(tmp_path, sound, axes=Axes(scale, rows=32))
    column = level(tmp_path, 0)[:, 30]
    row, edges = int(np.argmax(column)), manifest["row_edges_hz"]
    assert edges[row] - 1 <= hertz <= edges[row + 1] + 1
    assert column[row] >= 255 - 3 * 2.55
    assert len(edges) == 33


def peak_bytes(folder: Path, seconds: int) -> int:
    tiles, block = Tiles(folder, Spec(RATE, 1)), example_signal(1, RATE)
    tracemalloc.start()
    for _ in range(seconds):
        tiles.update(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_grows_by_one_tile_a_level_only(tmp_path: Path) -> None:
    short = peak_bytes(tmp_path / "short", 60)
    # Eight times the sound has three levels more.
    assert peak_bytes(tmp_path / "long", 480) < short + 4 * 128 * TILE * 8


def test_silence_is_dark_and_nothing_is_one_column(tmp_path: Path) -> None:
    written(tmp_path / "silence", np.zeros((1, RATE), np.float32))
    assert not level(tmp_path / "silence", 0).any()
    assert written(tmp_path / "nothing", np.zeros((1, 0), np.float32))["levels"] == [{"columns": 1, "tiles": 1}]


def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    for axes in ({"scale": "bark"}, {"rows": 0}, {"quietest_db": 3.0}):
        with pytest.raises(ConfigError):
            Axes(**axes)
    with pytest.raises(SpecError, match="2 channels"):
        Tiles(tmp_path, Spec(RATE, 2)).update(np.zeros((1, 5), np.float32))
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match="file"):
        written(tmp_path / "file", example_signal(1, 100))
