"""`inspect`: what was done to a recording is found, what was not is not, and the command it names mends it."""

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt
from typer.testing import CliRunner

from stream_restore.cli.main import app
from stream_restore.inspection import Inspection, inspect

RATE = 44100
sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))


@pytest.fixture(scope="module")
def music() -> NDArray[np.float32]:
    composed: NDArray[np.float32] = import_module("music").compose(20.0, RATE, seed=5)
    return 0.5 * composed


def inspected(folder: Path, sound: NDArray[np.float32], rate: int = RATE) -> Inspection:
    soundfile.write(folder / "in.wav", sound.T, rate, "PCM_24")
    return inspect(folder / "in.wav")


def found(inspection: Inspection) -> set[str]:
    return {name for name, facts in inspection.damage().items() if facts["found"]}


def test_music_with_nothing_wrong_has_nothing_wrong(music: NDArray[np.float32], tmp_path: Path) -> None:
    inspection = inspected(tmp_path, music)
    assert found(inspection) == set()
    assert inspection.command() is None


@pytest.mark.parametrize("level", [0.1, 0.25])
def test_clipping_is_found_with_its_share_and_level(level: float, music: NDArray[np.float32], tmp_path: Path) -> None:
    clipped = np.clip(music, -level, level)
    inspection = inspected(tmp_path, clipped)
    assert "clipping" in found(inspection)
    assert inspection.clipping is not None
    assert inspection.clipping.share == pytest.approx(np.mean(np.abs(music) >= level), rel=0.2)
    assert inspection.clipping.level == pytest.approx(level, abs=0.002)


def test_a_sine_and_a_square_wave_are_not_clipped(tmp_path: Path) -> None:
    time = np.arange(5 * RATE) / RATE
    for wave in (np.sin(2 * np.pi * 440 * time), np.sign(np.sin(2 * np.pi * 441 * time))):
        assert "clipping" not in found(inspected(tmp_path, 0.8 * wave[None].astype(np.float32)))


def test_crackle_is_counted(music: NDArray[np.float32], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    crackled = music.copy()
    places = rng.integers(RATE, music.shape[1] - RATE, 100)
    for place in places:
        crackled[:, place : place + 3] += np.float32(rng.choice([-0.4, 0.4]))
    inspection = inspected(tmp_path, crackled)
    assert found(inspection) == {"clicks"}
    assert inspection.clicks_per_minute == pytest.approx(200, abs=100)  # a third hides behind what is louder


@pytest.mark.parametrize("seconds", [6.0, 40.0])
def test_hum_is_found_with_its_frequency_and_level(tmp_path: Path, seconds: float) -> None:
    composed = 0.3 * import_module("music").compose(seconds, RATE, seed=5)
    time = np.arange(composed.shape[1]) / RATE
    hum = sum(np.sin(2 * np.pi * 50.06 * order * time + order) / order for order in range(1, 16))
    hum *= 10 ** (-36 / 20) / np.sqrt(np.mean(np.square(hum)))
    assert "hum" not in found(inspected(tmp_path, composed))
    inspection = inspected(tmp_path, (composed + hum).astype(np.float32))
    assert "hum" in found(inspection)
    assert inspection.hum is not None
    assert inspection.hum.hz == pytest.approx(50.06, abs=0.02)
    assert inspection.hum.level_dbfs == pytest.approx(-36, abs=2)
    assert "hum" in str(inspection.command())


@pytest.mark.parametrize(("exponent", "slope"), [(0.0, 0.0), (0.5, -3.01)])
def test_noise_is_found_with_its_level_and_slope(
    exponent: float, slope: float, music: NDArray[np.float32], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    spectrum = np.fft.rfft(rng.standard_normal(music.shape))
    hertz = np.fft.rfftfreq(music.shape[1], 1 / RATE)
    noise = np.fft.irfft(spectrum * np.maximum(hertz, 20) ** -exponent, music.shape[1])
    noise *= 10 ** (-40 / 20) / np.sqrt(np.mean(noise[:1] ** 2))
    noise[1] = noise[0]  # what is heard is the mean of the channels
    inspection = inspected(tmp_path, (music + noise).astype(np.float32))
    assert found(inspection) == {"noise"}
    assert inspection.noise is not None
    assert inspection.noise.floor_dbfs == pytest.approx(-40, abs=3)
    assert inspection.noise.slope_db_per_octave == pytest.approx(slope, abs=1)


@pytest.mark.parametrize("hertz", [4000, 8000, 11025])
def test_a_cut_off_is_found(hertz: int, music: NDArray[np.float32], tmp_path: Path) -> None:
    hiss = 0.01 * np.random.default_rng(2).standard_normal(music.shape)
    sections = butter(24, hertz, fs=RATE, output="sos")
    cut = sosfiltfilt(sections, music + hiss).astype(np.float32)
    inspection = inspected(tmp_path, cut)
    assert "treble" in found(inspection)
    assert inspection.cutoff is not None
    assert inspection.cutoff.hertz == pytest.approx(hertz, rel=0.06)


def test_levels_and_channels_are_told(tmp_path: Path) -> None:
    tone = 0.25 * np.sin(2 * np.pi * 997 * np.arange(4 * RATE) / RATE).astype(np.float32)
    inspection = inspected(tmp_path, np.stack([tone, -tone, np.zeros_like(tone), tone + 0.1]))
    levels = inspection.levels
    assert levels.silent == (2,)
    assert levels.opposite == ((0, 1),)
    assert levels.identical == ()
    assert levels.channels[3].dc_offset == pytest.approx(0.1, abs=1e-4)
    assert levels.channels[0].peak_dbfs == pytest.approx(20 * np.log10(0.25), abs=0.01)
    assert levels.channels[0].rms_dbfs == pytest.approx(20 * np.log10(0.25) - 3.01, abs=0.01)


def test_the_command_line_gives_the_same_from_a_file_and_a_pipe(music: NDArray[np.float32], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", np.clip(music, -0.2, 0.2).T, RATE)
    from_file = CliRunner().invoke(app, ["inspect", str(tmp_path / "in.wav"), "--json"])
    from_pipe = CliRunner().invoke(app, ["inspect", "-", "--json"], input=(tmp_path / "in.wav").read_bytes())
    one, other = json.loads(from_file.stdout), json.loads(from_pipe.stdout)
    assert {**one, "name": "", "command": ""} == {**other, "name": "", "command": ""}
    assert one["damage"]["clipping"]["found"]
    assert one["command"].startswith("stream-restore restore ")
    words = CliRunner().invoke(app, ["inspect", str(tmp_path / "in.wav")]).stdout
    assert "of the samples, at 0.200 of full scale" in words
    assert one["command"] in words


def test_silence_and_nothing_can_be_inspected(tmp_path: Path) -> None:
    for frames in (0, 1, 3 * RATE):
        inspection = inspected(tmp_path, np.zeros((2, frames), np.float32))
        assert inspection.frames == frames
        assert found(inspection) == set()
        json.dumps(inspection.as_dict(), allow_nan=False)


def test_figures_do_not_depend_on_what_came_before_the_end(music: NDArray[np.float32], tmp_path: Path) -> None:
    """Rates and lengths of all kinds, shorter than any cell too."""
    for frames, rate in ((RATE // 2, 8000), (700, 96000), (5 * 48000, 48000)):
        assert inspected(tmp_path, music[:1, :frames], rate).frames == min(frames, music.shape[1])
