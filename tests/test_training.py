"""Training: scenes repeat, a stopped run goes on, it learns, and the file that it writes says what the network says."""

import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from stream_restore.models import load
from stream_restore.models.container import read_manifest
from stream_restore.restoration.denoise import INPUT_COLUMNS
from stream_restore.restoration.noise_floor import BANDS, FEATURES
from stream_restore.restoration.repairs.treble import levels as heard_levels

RATE = 44100
sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
corpus, export, fit, music, network, noise, scenes = (
    import_module(name)
    for name in (
        *("training.corpus", "training.export", "training.fit", "music"),
        *("training.network", "training.noise", "training.scenes"),
    )
)
treble, treble_levels, treble_network, treble_scenes = (
    import_module(f"training.{name}") for name in ("treble", "treble_levels", "treble_network", "treble_scenes")
)


@pytest.fixture(scope="module")
def pieces() -> list[Any]:
    composed = [music.compose(9.0, RATE, seed).astype(np.float16) for seed in (1, 2)]
    return [corpus.Piece("composed", f"{index}", sound) for index, sound in enumerate(composed)]


def test_the_same_seed_gives_the_same_scenes(pieces: list[Any]) -> None:
    one, other = scenes.Scenes(pieces, 3).batch(0.5), scenes.Scenes(pieces, 3).batch(0.5)
    assert len(one) == len(other) >= scenes.BATCH
    for left, right in zip(one, other, strict=True):
        assert all((getattr(left, name) == getattr(right, name)).all() for name in ("features", "noisy", "clean"))
    assert not (scenes.Scenes(pieces, 4).batch(0.5)[0].features == one[0].features).all()


def test_scenes_with_nothing_wrong_are_as_many_as_was_said(pieces: list[Any]) -> None:
    assert all((crop.noisy == crop.clean).all() for crop in scenes.Scenes(pieces, 0).batch(1.0))
    assert not any((crop.noisy == crop.clean).all() for crop in scenes.Scenes(pieces, 0).batch(0.0))


@pytest.mark.parametrize("seed", range(12))
def test_noise_is_steady_and_of_unit_power(seed: int) -> None:
    sound = noise.steady_noise(np.random.default_rng(seed), 10 * RATE)
    assert np.mean(sound**2, dtype=np.float64) == pytest.approx(1, abs=1e-5)
    seconds = np.square(sound, dtype=np.float64).reshape(2, 10, RATE).mean(axis=(0, 2))
    assert 10 * np.log10(seconds.max() / seconds.min()) < 9


def test_training_learns_to_take_noise_away(pieces: list[Any], tmp_path: Path) -> None:
    plan = fit.Plan(steps=12, noisy_steps=12, rate=3e-3, warmup=1)
    trainer = fit.Trainer(plan, partial(scenes.Scenes, pieces), tmp_path / "checkpoint.pt")
    held = scenes.Scenes(pieces, 99).batch(0.0)
    before = float(fit.error_db(trainer.network, held).detach())
    steps: list[int] = []
    trainer.run(lambda step, error: steps.append(step))
    assert steps == list(range(1, 13))
    assert float(fit.error_db(trainer.network, held).detach()) < before - 0.5


def test_training_goes_on_where_it_was_saved(pieces: list[Any], tmp_path: Path) -> None:
    def stop(step: int, error: float) -> None:
        if step == 2:
            first.save()
            raise KeyboardInterrupt

    plan = fit.Plan(steps=4)
    first = fit.Trainer(plan, partial(scenes.Scenes, pieces), tmp_path / "checkpoint.pt")
    with pytest.raises(KeyboardInterrupt):
        first.run(stop)
    second = fit.Trainer(plan, partial(scenes.Scenes, pieces), tmp_path / "checkpoint.pt")
    assert second.step == 2
    for name, value in second.network.state_dict().items():
        assert (value == first.network.state_dict()[name]).all()
    steps: list[int] = []
    second.run(lambda step, error: steps.append(step))
    assert steps == [3, 4]


def test_the_file_says_what_the_network_says(tmp_path: Path) -> None:
    torch.manual_seed(1)
    made = network.Gains()
    export.export(made, export.COMPACT, tmp_path / "made.onnx")
    model = load(str(tmp_path / "made.onnx"))
    features = np.random.default_rng(0).normal(0, 1, (FEATURES, BANDS, INPUT_COLUMNS)).astype(np.float32)
    with torch.no_grad():
        expected = made(torch.from_numpy(features)[None])[0].numpy()
    assert model.gain_network is not None
    assert np.abs(model.gain_network.gains(features) - expected).max() < 1e-5
    assert model.manifest.parity is not None
    assert model.manifest.parity < 1e-5


@pytest.fixture(scope="module")
def excerpts(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = tmp_path_factory.mktemp("music")
    sources = []
    for seed in (1, 2):
        path = folder / f"{seed}.flac"
        soundfile.write(path, music.compose(16.0, RATE, seed).T, RATE)
        sources.append(corpus.Source("composed", path, False))
    return [treble_levels.excerpts_of(source, folder / "excerpts") for source in sources]


def test_treble_is_learnt_from_what_lies_below(excerpts: list[Any], tmp_path: Path) -> None:
    """The music is cut off at places that repeat; the network learns, and goes on where it was saved."""
    held = treble_scenes.TrebleScenes(excerpts, 9).batch(8)
    again = treble_scenes.TrebleScenes(excerpts, 9).batch(8)
    assert all((getattr(held, name) == getattr(again, name)).all() for name in ("features", "levels", "weights"))
    assert ((held.weights.sum(dim=-1) - 1).abs() < 1e-5).all()
    for number in (0, 2):
        assert not (held.features[:, number] * (1 - held.features[:, 1])).any()
    trainer = treble.Trainer(12, tmp_path / "treble.pt")
    scenes, before = treble_scenes.TrebleScenes(excerpts, 0), float(treble.loss(trainer.network, held).detach())
    for _ in range(11):
        trainer.learn(scenes.batch(8))
    trainer.save()
    assert float(treble.loss(trainer.network, held).detach()) < before - 0.5
    resumed = treble.Trainer(12, tmp_path / "treble.pt")
    assert resumed.step == 11
    assert treble.loss(resumed.network, held).item() == treble.loss(trainer.network, held).item()


def test_training_sees_levels_as_the_repair_sees_them() -> None:
    """The features of both, of a recording that begins late, cut off anywhere."""
    rng = np.random.default_rng(0)
    levels = (rng.normal(0, 8, (4, 45, 256)) - np.linspace(20, 70, 45)[None, :, None]).astype(np.float32)
    levels[1, :, :60] = -120
    tonality = rng.uniform(0, 30, levels.shape).astype(np.float32)
    cutoffs = np.array([3100.0, 7000.0, 9000.0, 15500.0], np.float32)
    sounding = torch.from_numpy(levels.max(axis=1) > -120)
    seen, _ = treble_scenes.features(*map(torch.from_numpy, (levels, tonality, cutoffs)), sounding)
    for number, cutoff in enumerate(cutoffs):
        expected = heard_levels.features(levels[number], tonality[number], float(cutoff))
        assert np.abs(seen[number].numpy() - expected).max() < 1e-3


def test_levels_that_training_hears_are_those_of_the_sound() -> None:
    """One column, by a transform of NumPy; noise is as tonal as theory says, a lone partial is more so."""
    rng = np.random.default_rng(0)
    sound = rng.normal(0, 0.1, 4 * RATE).astype(np.float32)
    levels, tonality = treble_levels.measured(sound)
    frames = sound[100 * 512 : 100 * 512 + 2048].astype(np.float64)
    power = np.abs(np.fft.rfft(frames * np.hanning(2049)[:-1])) ** 2
    hertz = np.fft.rfftfreq(2048, 1 / RATE)
    band = (hertz >= 2000) & (hertz < 2000 * 2 ** (1 / 8))
    assert levels[17, 100] == pytest.approx(10 * np.log10(power[band].mean()), abs=0.01)
    # The mean of the logarithm of an exponential variable is Euler's constant below that of its mean: 2.5 dB.
    assert tonality[-4:].mean() == pytest.approx(10 * np.log10(np.exp(np.euler_gamma)), abs=0.3)
    partial_tone = sound + np.sin(2 * np.pi * 2100 / RATE * np.arange(len(sound))).astype(np.float32)
    assert treble_levels.measured(partial_tone)[1][17].mean() > tonality[17].mean() + 8


def test_the_file_of_treble_says_what_its_network_says(tmp_path: Path) -> None:
    torch.manual_seed(2)
    made = treble_network.Continuation()
    assert export.export(made, export.TREBLE, tmp_path / "made.onnx").parity < 1e-5
    assert read_manifest(tmp_path / "made.onnx").name == "treble"


def test_whole_pieces_are_held_out_of_every_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for package in ("rock", "fretsonfire-songs"):
        for number in range(10):
            path = tmp_path / package / f"song{number // 2}" / f"{number}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.random.default_rng(number).normal(0, 0.1, (9 * RATE, 1)), RATE)
            found.append((package, path))
    monkeypatch.setattr(corpus, "free_music", lambda: found)
    gathered = corpus.gather(None, tmp_path / "cache")
    training, validation = ({(p.package, p.name) for p in each} for each in (gathered.training, gathered.validation))
    assert not training & validation
    assert len(training) + len(validation) == 20
    assert {package for package, _ in validation} == {"rock", "fretsonfire-songs"}
    songs = [
        {name.split("/")[0] for package, name in each if package.startswith("f")} for each in (training, validation)
    ]
    assert not songs[0] & songs[1]
    assert {piece.name for piece in corpus.held_out(None, tmp_path / "held")} == {name for _, name in validation}
    assert len(list((tmp_path / "held").iterdir())) == len(validation)
