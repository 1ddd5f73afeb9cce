"""A listening test that is built: the anchors of BS.1534-3, one loudness, the right excerpt, and nothing given away."""

import json
import re
from base64 import b64decode
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import scipy
import soundfile
import yaml

from stream_restore.cli.main import main
from stream_restore.errors import ConfigError, SourceError
from stream_restore.listening.building import build, find_clips
from stream_restore.listening.building.anchors import anchor, anchor_taps
from stream_restore.listening.building.excerpt import find_excerpt
from stream_restore.listening.key import Key, order, read_key

RATE, SECONDS = 32000, 6


def clip(folder: Path, seed: int = 0, seconds: float = SECONDS, rate: int = RATE) -> Path:
    """A folder with music-like noise and three conditions of unlike levels; from 2 s to 4 s they differ most."""
    rng = np.random.default_rng(seed)
    sound = scipy.signal.lfilter([1], [1, -0.9], rng.normal(0, 0.03, (int(rate * seconds), 2)), axis=0)
    at = np.arange(len(sound)) / rate
    more = np.where((at >= 2) & (at < 4), 1.0, 0.1)[:, None] * rng.normal(0, 0.03, sound.shape)
    folder.mkdir(parents=True)
    told = {
        "original": sound,
        "noisy": sound + more,
        "loud noisy": 2 * (sound + 0.5 * more),
        "soft": 0.1 * (sound + 0.2 * more),
    }
    for name, each in told.items():
        soundfile.write(folder / f"{name}.wav", each, rate, subtype="FLOAT")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("mushra")
    folders = [str(clip(home / name, seed)) for seed, name in enumerate(("first", "second"))]
    assert (
        main(["mushra", "build", *folders, "-o", str(home / "test"), "--seconds", "2", "--title", "A </script> test"])
        == 0
    )
    return home / "test"


def key_of(test: Path) -> Key:
    return read_key(test / "key.json")


def wav(test: Path, token: str) -> np.ndarray:
    (path,) = test.glob(f"webmushra/configs/resources/*/{token}.wav")
    return np.asarray(soundfile.read(path, always_2d=True)[0])


def sounds(test: Path, number: int = 0) -> dict[str, np.ndarray]:
    return {condition: wav(test, token) for token, condition in key_of(test).trials[number].stimuli.items()}


@pytest.mark.parametrize("rate", [16000, 32000, 44100, 48000, 96000])
@pytest.mark.parametrize("cutoff", [3500.0, 7000.0])
def test_anchors_lie_within_the_mask_of_the_recommendation(cutoff: float, rate: int) -> None:
    hertz, response = scipy.signal.freqz(anchor_taps(cutoff, rate), worN=1 << 15, fs=rate)
    level = 20 * np.log10(np.abs(response) + 1e-12)
    assert np.abs(level[hertz <= cutoff]).max() <= 0.1
    assert level[hertz >= cutoff + 500].max() <= -25
    assert level[hertz >= cutoff + 1000].max(initial=-100) <= -50


def test_an_anchor_is_not_delayed() -> None:
    sound = np.sin(2 * np.pi * 1000 / 48000 * np.arange(9600))[None]
    assert anchor(sound, 3500, 48000)[:, 500:-500] == pytest.approx(sound[:, 500:-500], abs=0.012)


def test_a_rate_without_the_anchor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="an anchor of 7000 Hz needs a rate above 15000 Hz, the clip has 14000"):
        build(find_clips([clip(tmp_path / "low", rate=14000)]), tmp_path)


def test_all_stimuli_have_one_loudness_length_and_no_peaks(built: Path) -> None:
    for number in range(2):
        made = sounds(built, number)
        assert set(made) == {"reference", "anchor35", "anchor70", "noisy", "loud noisy", "soft"}
        loudness = [pyloudnorm.Meter(RATE, filter_class="DeMan").integrated_loudness(each) for each in made.values()]
        assert np.ptp(loudness) < 0.05
        assert max(loudness) < -22.9
        assert {each.shape for each in made.values()} == {(2 * RATE, 2)}
        assert max(np.abs(each).max() for each in made.values()) < 10 ** (-0.9 / 20)


def test_the_hidden_reference_is_the_reference_and_anchors_are_it_low_passed(built: Path) -> None:
    made = sounds(built)
    open_reference = wav(built, key_of(built).trials[0].reference)
    # They differ by dither alone: of two times up to 1.5 steps of 16 bits.
    assert np.abs(made["reference"] - open_reference).max() <= 3.1 / 32768
    spectrum = np.abs(np.fft.rfft(made["anchor35"][:, 0] * np.hanning(2 * RATE)))
    hertz = np.fft.rfftfreq(2 * RATE, 1 / RATE)
    assert spectrum[hertz > 4500].max() < 0.01 * spectrum[hertz < 3500].max()


def test_the_excerpt_is_where_conditions_differ_most(built: Path) -> None:
    assert [trial.start_seconds for trial in key_of(built).trials] == [2.0, 2.0]


def test_the_excerpt_does_not_depend_on_levels_and_a_given_one_is_taken(tmp_path: Path) -> None:
    folder = clip(tmp_path / "a")
    paths = [folder / f"{name}.wav" for name in ("original", "noisy", "soft")]
    assert find_excerpt(paths, 1.0)[0] >= 2 * RATE
    assert find_excerpt(paths, 1.0, at=0.5) == (RATE // 2, RATE)
    assert find_excerpt(paths, 3.0, at=5.0) == (5 * RATE, RATE)
    assert find_excerpt(paths, 12.0) == (0, SECONDS * RATE)
    with pytest.raises(ConfigError, match="ends after 6 s"):
        find_excerpt(paths, 1.0, at=7)
    with pytest.raises(ConfigError, match="up to 12 s, got 13"):
        find_excerpt(paths, 13)


def test_both_forms_hold_the_same_samples(built: Path) -> None:
    for path in built.glob("page/audio/*.js"):
        found = re.fullmatch(r'stimulus\("(\w+)", "([\w+/=]+)"\);\n', path.read_text())
        assert found is not None
        assert found[1] == path.stem
        words = np.frombuffer(b64decode(found[2]), "<i2").reshape(-1, 2)
        assert np.array_equal(words, np.rint(wav(built, path.stem) * 32768))


def test_what_listeners_get_does_not_give_conditions_away(built: Path) -> None:
    key, page = key_of(built), built / "page"
    text = "".join(path.read_text("utf-8") for path in page.glob("*.*") if path.suffix in (".js", ".html"))
    for trial in key.trials:
        assert trial.name not in (page / "test.js").read_text("utf-8")
        for condition in trial.stimuli.values():
            assert condition == "reference" or condition not in text
        assert list(trial.stimuli) == sorted(trial.stimuli)
    files = sorted(page.glob("audio/*.js"))
    assert len(files) == 2 * 7
    assert len({path.stat().st_size for path in files}) == 1
    assert len({path.read_bytes() for path in files}) == len(files)
    # Written in the order of the tokens.
    for trial in key.trials:
        times = [
            (page / "audio" / f"{token}.js").stat().st_mtime_ns for token in sorted([*trial.stimuli, trial.reference])
        ]
        assert times == sorted(times)


def test_no_place_in_the_order_belongs_to_a_condition(built: Path) -> None:
    (trial, *_), seed = key_of(built).trials, key_of(built).order_seed
    first = [trial.stimuli[order(seed, f"listener {n}", list(trial.stimuli))[0]] for n in range(600)]
    counts = [first.count(condition) for condition in trial.stimuli.values()]
    assert scipy.stats.chisquare(counts).pvalue > 1e-4
    assert order(seed, "Ada", list(trial.stimuli)) == order(seed, "Ada", list(trial.stimuli))


def test_a_seed_gives_the_same_test_and_none_another(tmp_path: Path) -> None:
    clips = find_clips([clip(tmp_path / "a", seconds=1)])
    made = []
    for number, seed in enumerate(("one", "one", "two", None, None)):
        (tmp_path / str(number)).mkdir()
        build(clips, tmp_path / str(number), seed=seed)
        page = tmp_path / str(number) / "page"
        made.append({str(path.relative_to(page)): path.read_bytes() for path in page.rglob("*.js")})
    assert made[0] == made[1]
    assert len({frozenset(each) for each in made}) == 4


def test_webmushra_gets_the_same_stimuli(built: Path) -> None:
    key = key_of(built)
    (path,) = built.glob("webmushra/configs/*.yaml")
    config = yaml.safe_load(path.read_text("utf-8"))
    assert (config["testId"], config["testname"]) == (key.test, "A </script> test")
    (group,) = [page for page in config["pages"] if isinstance(page, list)]
    assert group[0] == "random"
    for page, trial in zip(group[1:], key.trials, strict=True):
        assert page["type"] == "mushra"
        assert page["id"] == trial.name
        shown = {name: Path(file).stem for name, file in page["stimuli"].items()}
        assert {token: name for name, token in shown.items()} == {
            token: name for token, name in trial.stimuli.items() if name != "reference"
        }
        for file in (page["reference"], *page["stimuli"].values()):
            assert (built / "webmushra" / file).is_file()


def test_figures_of_the_excerpt_are_in_the_key(built: Path) -> None:
    trial = key_of(built).trials[0]
    reference = wav(built, trial.reference)
    noisy = sounds(built)["noisy"]
    sdr = 10 * np.log10(np.square(reference).sum() / np.square(reference - noisy).sum())
    assert trial.figures["noisy"]["sdr_db"] == pytest.approx(sdr, abs=0.05)
    assert "reference" not in trial.figures


def test_an_evaluation_is_a_source_of_clips(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (clip(tmp_path / "results" / name, seconds=0.5) / "clip.json").write_text("{}")
    (tmp_path / "results" / "results.json").write_text("{}")
    assert [each.name for each in find_clips([tmp_path / "results"])] == ["one", "two"]


def test_clips_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    folder = clip(tmp_path / "a", seconds=1)
    (folder / "noisy.wav").rename(folder / "anchor35.wav")
    with pytest.raises(ConfigError, match="has a condition 'anchor35': rename"):
        find_clips([folder])
    (folder / "anchor35.wav").rename(folder / "clean.wav")
    with pytest.raises(ConfigError, match="needs one reference"):
        find_clips([folder])
    (folder / "clean.wav").rename(folder / "other.wav")
    with pytest.raises(
        ConfigError, match="b has the conditions loud noisy, noisy, soft, but a loud noisy, other, soft"
    ):
        find_clips([folder, clip(tmp_path / "b", seconds=1)])
    with pytest.raises(ConfigError, match="2 places were given for 1 clips"):
        build(find_clips([folder]), tmp_path, at=[1, 2])


def test_silence_is_refused(tmp_path: Path) -> None:
    folder = clip(tmp_path / "a", seconds=1)
    soundfile.write(folder / "noisy.wav", np.zeros((RATE, 2)), RATE)
    with pytest.raises(SourceError, match="a: noisy is silent in the excerpt"):
        build(find_clips([folder]), tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"trials": [1]}', '{"test": "x", "title": "y", "order_seed": "z", "trials": [{}]}', "[" * 99999],
)
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "key.json").write_text(text)
    with pytest.raises(SourceError, match=r"key\.json"):
        read_key(tmp_path / "key.json")


def test_what_is_replaced_leaves_no_old_stimuli(tmp_path: Path) -> None:
    folder = clip(tmp_path / "a", seconds=1)
    for _ in range(2):
        assert main(["mushra", "build", str(folder), "-o", str(tmp_path / "test"), "--force"]) == 0
    (trial,) = key_of(tmp_path / "test").trials
    assert {path.stem for path in (tmp_path / "test/page/audio").iterdir()} == {*trial.stimuli, trial.reference}


def test_a_folder_that_is_not_empty_is_left_alone(built: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (built / "key.json").read_bytes()
    assert main(["mushra", "build", str(built.parent / "first"), "-o", str(built)]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert json.loads(before) == json.loads((built / "key.json").read_bytes())
