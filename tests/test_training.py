"""Training: scenes repeat, a stopped run goes on, it learns, and the file that it writes says what the network says."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import butter, sosfiltfilt

from stream_restore.models import load
from stream_restore.models.container import read_manifest
from stream_restore.restoration import noise_floor
from stream_restore.restoration.denoise import INPUT_COLUMNS
from stream_restore.restoration.noise_floor import BANDS, FEATURES

RATE = 44100
sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
music = import_module("music")
corpus, export, fit, floors, network, noise, scenes = (
    import_module(f"training.{name}") for name in ("corpus", "export", "fit", "floors", "network", "noise", "scenes")
)
treble, treble_network, treble_scenes = (
    import_module(f"training.{name}") for name in ("treble", "treble_network", "treble_scenes")
)


@pytest.fixture(scope="module")
def pieces() -> list[Any]:
    composed = [music.compose(9.0, RATE, seed).astype(np.float16) for seed in (1, 2)]
    return [corpus.Piece("composed", f"{index}", sound) for index, sound in enumerate(composed)]


def some(pieces: list[Any], seed: int) -> Any:
    return scenes.Scenes(pieces, seed, scenes=2, crops=2)


def test_the_same_seed_gives_the_same_scenes(pieces: list[Any]) -> None:
    one, other = some(pieces, 3).batch(0.5), some(pieces, 3).batch(0.5)
    assert len(one.features) == 4
    for name in ("features", "clean", "noise", "cross", "harmless"):
        assert (getattr(one, name) == getattr(other, name)).all()
    assert not (some(pieces, 4).batch(0.5).features == one.features).all()


def test_scenes_with_nothing_wrong_are_as_many_as_was_said(pieces: list[Any]) -> None:
    clean, noisy = some(pieces, 0).batch(1.0), some(pieces, 0).batch(0.0)
    assert clean.harmless.all()
    assert not clean.noise.any()
    assert not noisy.harmless.any()
    assert (noisy.noise.sum(dim=(1, 2)) > 0).all()


def test_floors_of_many_scenes_are_those_that_the_engine_finds() -> None:
    """Music below a steep cut-off, music with silence before it, and noise alone; the last second is not silent."""
    rng, seconds = np.random.default_rng(5), 12
    sound = np.stack([music.compose(seconds, RATE, seed)[0] for seed in (3, 4, 5)])
    sound[1, : 4 * RATE] = 0
    sound[2] = 0
    hiss = noise.steady_noise(rng, sound.shape[1], 3).numpy() * np.float32(0.02)
    hiss[1, : 4 * RATE] = 0
    low_pass = butter(20, 8000, fs=RATE, output="sos")
    sound[0] = sosfiltfilt(low_pass, sound[0] + hiss[0])
    sound[1:] += hiss[1:]
    powers = noise_floor.band_powers(noise_floor.spectra(sound))
    powers = powers[:, : powers.shape[1] // noise_floor.COLUMNS * noise_floor.COLUMNS]
    found = floors.find_floors(torch.from_numpy(powers), 352)
    seen = floors.features(torch.from_numpy(powers), found)
    for number, each in enumerate(powers):
        floor = noise_floor.find_floor(noise_floor.quiet_moments(each), 352)
        assert floor is not None
        assert found.share[number].item() == pytest.approx(floor.share)
        assert np.abs(seen[number].numpy() - noise_floor.features(each, floor)).max() < 1e-4
    columns = floors.columns_of(torch.from_numpy(sound))
    sums = floors.band_sums(columns.abs() ** 2) / torch.from_numpy(floors.BANDS_OF)
    assert np.abs(sums.numpy()[:, : powers.shape[1]] - powers).max() < 1e-4 * powers.max()


def test_the_error_is_what_is_left_of_the_noise_and_missing_of_the_sound(pieces: list[Any]) -> None:
    """Of one band and column: |gain * (clean + noise) - clean|^2 / |clean|^2."""
    clean, added, gain = complex(3, 1), complex(-0.5, 0.7), 0.6
    given = [torch.full((1, BANDS, 2), value) for value in (abs(clean) ** 2, abs(added) ** 2)]
    cross = torch.full((1, BANDS, 2), (clean * added.conjugate()).real)
    batch = scenes.Batch(torch.zeros(1, FEATURES, BANDS, 2), *given, cross, torch.tensor([False]))
    expected = 20 * np.log10(abs(gain * (clean + added) - clean) / abs(clean))
    assert fit.errors_db(torch.full((1, BANDS, 2), gain), batch).item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("seed", range(12))
def test_noise_is_steady_and_of_unit_power(seed: int) -> None:
    sound = noise.steady_noise(np.random.default_rng(seed), 10 * RATE).numpy()
    assert np.mean(sound**2, dtype=np.float64) == pytest.approx(1, abs=1e-5)
    seconds = np.square(sound, dtype=np.float64).reshape(2, 10, RATE).mean(axis=(0, 2))
    assert 10 * np.log10(seconds.max() / seconds.min()) < 9


def test_training_learns_to_take_noise_away(pieces: list[Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    trainer = fit.Trainer(fit.Plan(steps=8, noisy_steps=8, rate=1e-2, warmup=1), tmp_path / "checkpoint.pt")
    held = some(pieces, 99).at([10.0, 15.0])
    before = float(fit.error_db(trainer.network, held).detach())
    learnt = some(pieces, 0)
    for _ in range(8):
        trainer.learn(learnt.batch(0.0))
    assert float(fit.error_db(trainer.network, held).detach()) < before - 0.15


def test_training_goes_on_where_it_was_saved(pieces: list[Any], tmp_path: Path) -> None:
    batch = some(pieces, 1).batch(0.5)
    first = fit.Trainer(fit.Plan(steps=4), tmp_path / "checkpoint.pt")
    first.learn(batch)
    first.save()
    second = fit.Trainer(fit.Plan(steps=4), tmp_path / "checkpoint.pt")
    assert second.step == 1
    assert first.learn(batch) == second.learn(batch)
    for name, value in second.averaged.state_dict().items():
        assert (value == first.averaged.state_dict()[name]).all()


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


def levels_of(pieces: list[Any], folder: Path) -> list[tuple[str, Any]]:
    return [(piece.package, treble_scenes.band_levels(piece, folder)) for piece in pieces]


def test_treble_is_learnt_from_what_lies_below(pieces: list[Any], tmp_path: Path) -> None:
    """The music is cut off at places that repeat; the network learns, and goes on where it was saved."""
    levels = levels_of(pieces, tmp_path)
    held = treble_scenes.TrebleScenes(levels, 9).batch(8)
    again = treble_scenes.TrebleScenes(levels, 9).batch(8)
    assert all((getattr(held, name) == getattr(again, name)).all() for name in ("features", "levels", "weights"))
    assert (np.abs(held.weights.sum(axis=-1) - 1) < 1e-5).all()
    assert not (held.features[:, 0] * (1 - held.features[:, 1])).any()
    trainer = treble.Trainer(12, tmp_path / "treble.pt")
    scenes, before = treble_scenes.TrebleScenes(levels, 0), float(treble.loss(trainer.network, held).detach())
    for _ in range(11):
        trainer.learn(scenes.batch(8))
    trainer.save()
    assert float(treble.loss(trainer.network, held).detach()) < before - 0.5
    resumed = treble.Trainer(12, tmp_path / "treble.pt")
    assert resumed.step == 11
    assert treble.loss(resumed.network, held).item() == treble.loss(trainer.network, held).item()


def test_levels_that_training_hears_are_those_that_the_repair_hears(pieces: list[Any], tmp_path: Path) -> None:
    """One column of the cache, by a transform of NumPy."""
    kept = treble_scenes.band_levels(pieces[0], tmp_path)
    frames = pieces[0].sound[1, 100 * 512 : 100 * 512 + 2048].astype(np.float64)
    power = np.abs(np.fft.rfft(frames * np.hanning(2049)[:-1])) ** 2
    hertz = np.fft.rfftfreq(2048, 1 / RATE)
    band = (hertz >= 2000) & (hertz < 2000 * 2 ** (1 / 8))
    assert kept[1, 17, 100] == pytest.approx(10 * np.log10(power[band].mean()), abs=0.1)


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
