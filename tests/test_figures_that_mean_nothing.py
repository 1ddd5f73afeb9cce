"""`metrics` finds a delay, a factor and a flipped sign, says so, and compensates them when asked."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from stream_restore.errors import ConfigError, SourceError
from stream_restore.measure.comparison import compare
from stream_restore.spec import Audio
from stream_restore.testing import example_signal

RATE = 8000
SOUND = example_signal(1, 40_000, seed=5)
NOISE = 0.02 * example_signal(1, 40_000, seed=6)


def write(path: Path, sound: Audio, rate: int = RATE) -> Path:
    soundfile.write(path, sound.T, rate, subtype="FLOAT")
    return path


def late(sound: NDArray[Any], frames: int) -> NDArray[Any]:
    """Moved, and as long as before."""
    return np.roll(np.pad(sound, ((0, 0), (10_000, 10_000))), frames, axis=1)[:, 10_000:-10_000]


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        (SOUND + NOISE, None),
        (late(SOUND, 1102) + NOISE, "1102 frames (137.75 ms) late"),
        (late(SOUND, -80), "80 frames (10.00 ms) early"),
        (-SOUND + NOISE, "sign-flipped"),
        (0.25 * SOUND, "12.0 dB too quiet (scale 0.25)"),
        (example_signal(1, 40_000, seed=9), "nothing in common"),
        (0 * SOUND, "the estimate is silent"),
    ],
    ids=["noisy", "late", "early", "flipped", "quiet", "unrelated", "silent"],
)
def test_what_makes_figures_meaningless_is_said(estimate: Audio, said: str | None, tmp_path: Path) -> None:
    found = compare(write(tmp_path / "r.wav", SOUND), write(tmp_path / "e.wav", estimate))
    assert len(found.warnings) == (said is not None)
    assert said is None or said in found.warnings[0]
    assert (found.shift, found.gain) == (0, 1)


@pytest.mark.parametrize(
    ("reference", "estimate", "said"),
    [
        (SOUND, example_signal(1, 40_000, seed=9), "nothing in common"),
        (SOUND, 0 * SOUND, "the estimate is silent"),
        (0 * SOUND, SOUND, "the reference is silent"),
    ],
    ids=["unrelated", "silent estimate", "silent reference"],
)
def test_what_no_compensation_mends_is_said_with_align_too(
    reference: Audio, estimate: Audio, said: str, tmp_path: Path
) -> None:
    found = compare(write(tmp_path / "r.wav", reference), write(tmp_path / "e.wav", estimate), align=True)
    assert len(found.warnings) == 1
    assert said in found.warnings[0]


@pytest.mark.parametrize("delay", [0, 1102, -80])
def test_align_compensates_delay_factor_and_sign(delay: int, tmp_path: Path) -> None:
    reference = write(tmp_path / "r.wav", SOUND)
    wanted = compare(reference, write(tmp_path / "plain.wav", SOUND + NOISE)).figures.metrics
    worse = write(tmp_path / "e.wav", late(-0.3 * (SOUND + NOISE), delay))
    found = compare(reference, worse, align=True)
    assert found.shift == delay
    assert found.gain == pytest.approx(-1 / 0.3, rel=0.01)
    assert found.figures.metrics.frames == 40_000 - abs(delay)
    assert found.figures.metrics.sdr_db == pytest.approx(wanted.si_sdr_db, abs=0.2)


def test_align_compares_what_recordings_of_different_length_have_in_common(tmp_path: Path) -> None:
    reference, longer = write(tmp_path / "r.wav", SOUND), write(tmp_path / "e.wav", np.pad(SOUND, ((0, 0), (7, 900))))
    found = compare(reference, longer, align=True)
    assert (found.shift, found.figures.metrics.frames, found.figures.metrics.sdr_db) == (7, 40_000, np.inf)
    with pytest.raises(ConfigError, match=r"r\.wav ends after 40000 frames.*--align"):
        compare(reference, longer)


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    reference, empty = write(tmp_path / "r.wav", SOUND), write(tmp_path / "none.wav", SOUND[:, :0])
    with pytest.raises(ConfigError, match=r"1 channels at 8000 Hz.*1 channels at 16000 Hz"):
        compare(reference, write(tmp_path / "other.wav", SOUND, 16000))
    with pytest.raises(SourceError, match="no sound to compare"):
        compare(empty, empty)
    with pytest.raises(ConfigError, match="at least one frame"):
        compare(reference, reference, every_seconds=0)
    with pytest.raises(ConfigError, match="above 0 Hz"):
        compare(reference, reference, split_hz=-1)


def test_a_single_frame_has_figures(tmp_path: Path) -> None:
    one = write(tmp_path / "one.wav", SOUND[:, :1])
    assert compare(one, one).figures.bss_sdr_db == np.inf


def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "stream_restore.cli", "metrics", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def figures(*arguments: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--json").stdout)
    return found


def test_the_command_says_all_of_it(tmp_path: Path) -> None:
    pair = write(tmp_path / "r.wav", SOUND), write(tmp_path / "e.wav", late(-0.5 * (SOUND + NOISE), 30))
    assert "30 frames (3.75 ms) late" in run(*pair).stderr
    told = figures(*pair, "--every", "2")
    assert (told["delay_frames"], len(told["segments_sdr_db"]), told["every_seconds"]) == (30, 3, 2.0)
    better = figures(*pair, "--align", "--split", "1000")
    assert better["sdr_db"] > 15 > told["sdr_db"]
    assert (better["shifted_frames"], better["warnings"], better["split_hz"]) == (30, [], 1000)
    assert "compared after moving the estimate 30 frames earlier" in run(*pair, "--align", "--every", "1").stdout


def test_the_command_says_when_segments_are_longer_than_asked(tmp_path: Path) -> None:
    pair = write(tmp_path / "r.wav", SOUND[:, :33_000]), write(tmp_path / "e.wav", (SOUND + NOISE)[:, :33_000])
    found = figures(*pair, "--every", str(1 / RATE))
    assert (len(found["segments_sdr_db"]), found["every_seconds"]) == (16_500, 2 / RATE)
    assert "every 2 of them were joined to one of 0.00025 s" in found["warnings"][0]
    assert found["segmental_sdr_db"] == pytest.approx(
        np.clip(20 * np.log10(np.abs(SOUND / NOISE)), -10, 35)[0, :33_000].mean(), abs=0.01
    )
