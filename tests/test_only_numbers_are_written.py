"""NaN and infinity are never written, and are named with their time; the smallest of numbers pass."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from cheap import one_node, run
from folders import names
from identity import identity

from stream_restore import api
from stream_restore.errors import SinkError

RATE = 16000


@pytest.mark.parametrize(("sample", "jobs"), [(-1.0, 1), (-1.0, 3), (0.0, 1)])
def test_what_a_network_gives_that_is_no_number_is_named_with_its_time(
    sample: float, jobs: int, tmp_path: Path
) -> None:
    """A logarithm is NaN below 0 and infinite at 0."""
    logarithm = one_node(tmp_path / "log.onnx", "Log")
    sound = np.full(100_000, 0.5, np.float32)
    sound[[55_555, 77_777]] = sample
    soundfile.write(tmp_path / "in.wav", sound, RATE, subtype="FLOAT")
    said = run("restore", tmp_path / "in.wav", "-n", logarithm, "-j", jobs, "-o", tmp_path / "out.wav", code=1)
    assert "model Log gave a sample that is not finite at frame 55555 (3.472 s)" in said
    assert names(tmp_path) == {"in.wav", "log.onnx"}


def test_what_becomes_no_number_after_the_network_is_never_written(tmp_path: Path) -> None:
    sound = np.zeros((1000, 2), np.float32)
    sound[700, 1] = 1e37
    soundfile.write(tmp_path / "in.wav", sound, 1000, subtype="FLOAT")
    with np.errstate(over="ignore"), pytest.raises(SinkError, match=r"inf at frame 700 \(0:00:00.700\), channel 2"):
        api.restore(tmp_path / "in.wav", tmp_path / "out.wav", model=identity(gain=100.0))
    assert names(tmp_path) == {"in.wav"}


def test_denormal_samples_pass_a_network_untouched(network: Path, tmp_path: Path) -> None:
    smallest = np.float32(1.4e-45)
    sound = np.arange(1, 50_001, dtype=np.float32) * smallest
    soundfile.write(tmp_path / "in.wav", sound, RATE, subtype="FLOAT")
    run("restore", tmp_path / "in.wav", "-n", network, "-o", tmp_path / "out.wav")
    heard = soundfile.read(tmp_path / "out.wav", dtype="float32")[0]
    assert np.abs(heard - sound).max() <= smallest  # the last digit of a weighted mean
    assert heard[0] > 0


def test_denormal_samples_pass_every_step_of_the_chain(tmp_path: Path) -> None:
    sound = np.full((20_000, 1), 1e-42, np.float32)
    soundfile.write(tmp_path / "in.wav", sound, 32000, subtype="FLOAT")
    api.degrade(tmp_path / "in.wav", tmp_path / "out.wav")
    assert np.abs(soundfile.read(tmp_path / "out.wav")[0]).max() <= 1.0
