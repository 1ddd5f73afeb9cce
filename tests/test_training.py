"""The composer is a function of its seed, and a training goes on after a stop as if it had never stopped."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

SCRIPTS = Path(__file__).parents[1] / "scripts"
RATE = 44100
STEPS = 6
TINY = {
    "sources": ["artifacts"],
    "channels": 8,
    "depth": 2,
    "t_layers": 0,
    "bottom_channels": 0,
    "segment": 1,
    "use_train_segment": False,
}
"""A network that is trained in a moment."""


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


@pytest.mark.parametrize(("seconds", "rate"), [(0.0, RATE), (0.01, RATE), (1.0, 8000), (1.0, 96000)])
def test_composition_of_any_length_and_rate(seconds: float, rate: int) -> None:
    sound = compose(seconds, rate, 0)
    assert sound.shape == (2, int(seconds * rate))
    assert np.isfinite(sound).all()


def test_composer_needs_numpy_only() -> None:
    source = (SCRIPTS / "music.py").read_text()
    imports = {line.split()[1] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert imports == {"dataclasses", "numpy", "numpy.typing"}


def trainer(checkpoint: Path) -> Any:
    corpus = importlib.import_module("training.corpus")
    fit = importlib.import_module("training.fit")
    material = importlib.import_module("training.material")
    pieces = [corpus.Piece("a", "composed", compose(3.0, RATE, 0).astype(np.float16), uncoded())]
    plan = fit.Plan(STEPS, warmup=2)
    return fit.Trainer(plan, material.Material(pieces, frames=16384, size=2), checkpoint, TINY)


def uncoded() -> Any:
    """Of a piece that went through no encoder."""
    return dict.fromkeys(importlib.import_module("training.corpus").ENCODERS, np.zeros((2, 0), np.float16))


def weights(training: Any) -> list[torch.Tensor]:
    return [*training.model.state_dict().values(), *training.averaged.state_dict().values()]


@pytest.mark.parametrize("stopped", [1, STEPS - 2])
def test_resumed_training_equals_an_uninterrupted_one(stopped: int, tmp_path: Path) -> None:
    whole = trainer(tmp_path / "whole.pt")
    start = weights(trainer(tmp_path / "none.pt"))
    whole.run()
    first = trainer(tmp_path / "parts.pt")
    first.run(until=stopped)
    first.save()
    second = trainer(tmp_path / "parts.pt")
    assert second.step == stopped
    second.run()
    assert second.step == whole.step == STEPS
    assert all((a == b).all() for a, b in zip(weights(whole), weights(second), strict=True))
    assert any((a != b).any() for a, b in zip(weights(whole), start, strict=True))


def test_the_rate_rises_and_falls_and_in_the_end_more_is_asked_for() -> None:
    fit = importlib.import_module("training.fit")
    plan = fit.Plan(100, rate=2e-3, warmup=2, floors_db=(-30.0, -50.0), late=0.5)
    rates = [plan.rate_at(step) for step in (0, 1, 50, 99)]
    assert rates == pytest.approx([1e-3, 1.98e-3, 1e-3, 2e-5])
    assert [plan.floor_at(step) for step in (0, 50, 75, 100)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5])


@pytest.mark.parametrize("optimise", ["muon", "adam"])
def test_every_weight_is_learnt_and_kernels_take_steps_of_equal_strength(optimise: str, tmp_path: Path) -> None:
    """Of a step of Muon all singular values are alike (Newton and Schulz come that near to 1), of one of AdamW not."""
    fit = importlib.import_module("training.fit")
    learner = trainer(tmp_path / "none.pt")
    learner.optimisers = getattr(fit, optimise)(learner.model)
    before = {name: each.detach().clone() for name, each in learner.model.named_parameters()}
    learner.run(until=1)
    moved = {name: each.detach() - before[name] for name, each in learner.model.named_parameters()}
    assert all(step.any() for step in moved.values())
    strengths = torch.linalg.svdvals(moved["encoder.1.conv.weight"].flatten(1))
    assert (strengths.min() > 0.5 * strengths.max()) == (optimise == "muon")


def test_batches_are_a_function_of_their_number(tmp_path: Path) -> None:
    material = trainer(tmp_path / "none.pt").material
    degraded, clean = material.batch(7)
    material.batch(3)
    again, clean_again = material.batch(7)
    assert (degraded == again).all()
    assert (clean == clean_again).all()
    assert (material.batch(8)[0] != degraded).any()
    assert degraded.shape == clean.shape == (2, 2, 16384)


def test_variants_learn_from_the_same_and_are_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, variants = (importlib.import_module(f"training.{name}") for name in ("corpus", "variants"))
    piece = corpus.Piece("a", "composed", compose(5.0, RATE, 0).astype(np.float16), uncoded())
    fast = {"frames": 16384, "size": 2}
    monkeypatch.setattr(variants, "NETWORK", TINY)
    monkeypatch.setattr(
        variants, "VARIANTS", {"small": variants.Variant(**fast), "twice": variants.Variant({"channels": 16}, **fast)}
    )
    rows = list(variants.compare(corpus.Corpus([piece], [piece]), 2, tmp_path))
    assert [row[0] for row in rows] == ["small", "twice"]
    assert all(len(row) == len(variants.HEAD) for row in rows)
    small, twice = (float(row[2].removesuffix(" M")) for row in rows)
    assert 3 < twice / small < 5
    assert {path.name for path in tmp_path.iterdir()} == {"small-2.pt", "twice-2.pt"}
    assert list(variants.compare(corpus.Corpus([piece], [piece]), 2, tmp_path)) == rows
