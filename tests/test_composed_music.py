"""The composer, whose music tests and the demo use, is a function of its seed."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[1] / "scripts"
RATE = 44100


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))


def compose(seconds: float, sample_rate: int, seed: int) -> Any:
    return importlib.import_module("music").compose(seconds, sample_rate, seed)


def test_composition_is_repeatable_and_every_seed_its_own() -> None:
    first = compose(3.0, RATE, 5)
    assert first.dtype == np.float32
    assert first.shape == (2, 3 * RATE)
    assert (first == compose(3.0, RATE, 5)).all()
    assert (first != compose(3.0, RATE, 6)).any()


@pytest.mark.parametrize("seed", range(4))
def test_composition_is_bounded_faded_and_heard(seed: int) -> None:
    sound = compose(5.0, RATE, seed)
    assert 0.8 < np.abs(sound).max() <= 1.0
    assert (sound[:, 0] == 0).all()
    assert np.abs(sound[:, -1]).max() < 1e-4
    seconds = np.square(sound).reshape(2, 5, RATE).mean(axis=(0, 2))
    assert (seconds > 1e-5).all()


def test_compositions_reach_the_last_octave() -> None:
    """Of four pieces together, the octave above 10 kHz holds more than a ten-thousandth of the energy."""
    sounds = np.concatenate([compose(5.0, RATE, seed) for seed in range(4)])
    power = np.square(np.abs(np.fft.rfft(sounds))).sum(axis=0)
    hertz = np.fft.rfftfreq(5 * RATE, 1 / RATE)
    assert power[(hertz > 10_000) & (hertz < 20_000)].sum() > 1e-4 * power.sum()
