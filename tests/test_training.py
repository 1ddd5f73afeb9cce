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
from stream_restore.restoration.repairs.treble import levels as heard_levels

RATE = 44100
sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
music = import_module("music")
corpus, export, fit, floors, network, noise, scenes = (
    import_module(f"training.{name}") for name in ("corpus", "export", "fit", "floors", "network", "noise", "scenes")
)
treble, treble_levels, treble_network, treble_scenes = (
    import_module(f"training.{name}") for name in ("treble", "treble_levels", "treble_network", "treble_scenes")
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
    trainer = fit.Trainer(fit.Plan(steps=12, noisy_steps=12, rate=3e-2, warmup=1), tmp_path / "checkpoint.pt")
    held = some(pieces, 99).at([10.0, 15.0])
    before = float(fit.error_db(trainer.network, held).detach())
    learnt = some(pieces, 0)
    for _ in range(12):
        trainer.learn(learnt.batch(0.0))
    assert float(fit.error_db(trainer.network, held).detach()) < before - 0.5


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
