"""Repairs keep the promises of a stream: a run that was killed goes on, and no samples are too odd."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from plucked_notes import RATE, music, run
from scipy.signal import resample_poly
from stopping import killed

from stream_restore.restoration import Restoration
from stream_restore.restoration.repairs import Declick, Declip, Dehum, Descratch, Repair
from stream_restore.spec import Audio, Spec

COMMAND = [sys.executable, "-m", "stream_restore.cli", "restore"]
REPAIRS: dict[str, Callable[[Spec], Repair[Any]]] = {
    "clipping": Declip,
    "scratches": Descratch,
    "clicks": Declick,
    "hum": Dehum,
    "treble": lambda spec: Restoration(repairs=("treble",)).after_network(spec)[0],
}


def damaged(seconds: int) -> Audio:
    """Hum, crackle and clipped peaks."""
    rng = np.random.default_rng(0)
    sound = np.concatenate([music(seed)[0] for seed in range(-(-seconds // 6))])[: seconds * RATE].astype(np.float64)
    time = np.arange(len(sound)) / RATE
    sound += sum(0.05 / k * np.sin(2 * np.pi * 50.02 * k * time + k) for k in range(1, 15))
    places = rng.integers(0, len(sound), 10 * seconds)
    sound[places] += rng.normal(0, 0.3, len(places))
    return sound[None].clip(-0.25, 0.25).astype(np.float32)


def test_a_run_of_repairs_killed_at_random_times_goes_on(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", damaged(60).T, RATE, subtype="PCM_16")

    def words(folder: Path) -> list[str]:
        folder.mkdir(exist_ok=True)
        options = [
            "--repair",
            "clipping,scratches,clicks,hum,treble",
            "--residual",
            folder / "residual.wav",
            "-q",
            "--resume",
        ]
        return [*COMMAND, *map(str, [tmp_path / "in.wav", *options, "-o", folder / "out.wav"])]

    def files(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    subprocess.run(words(tmp_path / "whole"), check=True)
    folder = tmp_path / "killed"
    for _ in killed(words(folder), folder / "out.wav", 8.0):
        assert files(folder) == files(tmp_path / "whole")
        shutil.rmtree(folder)
        folder.mkdir()


ODD = {
    "nothing": np.zeros((1, 0)),
    "one frame": np.full((1, 1), 0.5),
    "thirty frames": np.full((1, 30), -0.5),
    "silence": np.zeros((1, 5 * RATE)),
    "an offset": np.full((1, 5 * RATE), 0.7),
    "far beyond full scale": 1e6 * music(),
    "hardly there": 1e-30 * music(),
    "one loud frame": np.eye(1, 5 * RATE, 2 * RATE),
    "every second frame": np.tile([1.0, -1.0], (1, 3 * RATE)),
    "a square of noise": np.sign(np.random.default_rng(0).standard_normal((1, 5 * RATE))),
    "noise up to 4 kHz": resample_poly(np.random.default_rng(0).standard_normal((1, 4 * RATE)), 2, 1, axis=1),
    "the same, hardly there": 1e-6
    * resample_poly(np.random.default_rng(0).standard_normal((1, 4 * RATE)), 2, 1, axis=1),
    "channels": np.concatenate([music(seed) for seed in range(5)]),
}


@pytest.mark.parametrize("repair", REPAIRS)
@pytest.mark.parametrize("name", ODD)
def test_odd_samples_give_as_many_that_are_numbers(repair: str, name: str) -> None:
    sound = ODD[name].astype(np.float32)
    out = run(REPAIRS[repair](Spec(RATE, len(sound))), sound)
    assert out.shape == sound.shape
    assert np.isfinite(out).all()
    assert np.abs(out).max(initial=0.0) <= 10 * np.abs(sound).max(initial=0.0)
