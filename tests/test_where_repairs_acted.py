"""Where repairs changed a recording is known, and shown on the pages."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browser import Browser, chromium
from identity import identity
from plucked_notes import RATE, TIME, music, run

from stream_restore.degradation import Degradation
from stream_restore.engine.state import load_state_dict, state_dict
from stream_restore.experiment.evaluation import Experiment, evaluate
from stream_restore.experiment.report import write_report
from stream_restore.restoration import Restoration
from stream_restore.restoration.repairs import Activity, ActivityMeter, Declick, Declip
from stream_restore.restoration.repairs.activity import SLOTS
from stream_restore.spec import Audio, Spec


def damaged() -> Audio:
    """Peaks cut off, and a click after two seconds."""
    sound = music().clip(-0.2, 0.2)
    sound[0, 2 * RATE : 2 * RATE + 8] += np.array([0.9, -0.9] * 4, np.float32)
    return sound


def meter() -> ActivityMeter:
    return ActivityMeter(Restoration(repairs=("clicks", "clipping")).classical(Spec(RATE, 1)))


def found(sound: Audio, cuts: list[int]) -> dict[str, Activity]:
    hears, marks = meter(), np.cumsum([0, *cuts])
    for a, b in pairwise(marks):
        hears.add(sound[:, a:b])
    return hears.close()


def test_what_is_marked_is_what_differs() -> None:
    sound = damaged()
    declipped = run(Declip(Spec(RATE, 1)), sound)
    steps = {"clipping": (sound, declipped), "clicks": (declipped, run(Declick(Spec(RATE, 1)), declipped))}
    acted = found(sound, [sound.shape[1]])
    for name, (before, after) in steps.items():
        changed = np.zeros(-(-sound.shape[1] // 256) * 256, bool)
        changed[: sound.shape[1]] = (before != after).any(axis=0)
        assert acted[name].frames == 256
        assert acted[name].counts[: len(changed) // 256].tolist() == changed.reshape(-1, 256).sum(axis=1).tolist()
    assert any(acted["clicks"].shares()[2 * RATE // 256 - 1 : 2 * RATE // 256 + 2])


def test_marks_are_the_same_for_any_partition_and_after_a_stop() -> None:
    sound = damaged()
    whole = found(sound, [sound.shape[1]])
    cut = [5000] * 19 + [1000]
    stopped, going_on = meter(), meter()
    stopped.add(sound[:, : 3 * RATE])
    load_state_dict(going_on, {path: array.copy() for path, array in state_dict(stopped).items()})
    going_on.add(sound[:, 3 * RATE :])
    for other in (found(sound, cut), going_on.close()):
        assert {name: each.shares() for name, each in other.items()} == {n: e.shares() for n, e in whole.items()}


def test_an_hour_has_no_more_slots_than_a_minute() -> None:
    activity = Activity()
    for _ in range(600):
        activity.add(np.arange(44100 * 6) < 44100)
    assert len(activity.shares()) <= SLOTS
    assert activity.counts.sum() == 600 * 44100
    assert np.mean(activity.shares()) == pytest.approx(1 / 6, rel=0.01)


def test_one_sample_in_ten_hours_is_marked() -> None:
    activity = Activity()
    for minute in range(600):
        activity.add(np.arange(60 * 44100) == (1000 if minute == 300 else -1))
    assert np.count_nonzero(activity.shares()) == 1


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("acted")
    soundfile.write(folder / "clipped.wav", damaged().T, RATE, subtype="FLOAT")
    nothing = Degradation(cutoff_hz=None, sample_rate=None, bits=None, snr_db=None)
    how = Experiment(sample_rate=None, degradation=nothing, restoration=Restoration(repairs=("clipping", "clicks")))
    models = {"same": identity()}
    write_report(folder / "out", evaluate([folder / "clipped.wav"], folder / "out", models, how))
    return folder / "out"


def test_the_page_of_an_evaluation_has_a_strip_for_each_repair_that_acted(evaluated: Path) -> None:
    page = (evaluated / "index.html").read_text("utf-8")
    assert page.count("<svg") == 2
    assert "<dt>clipping</dt>" in page
    assert "<dt>clicks</dt>" in page


@pytest.mark.skipif(chromium() is None, reason="no chromium is installed: apt-get install chromium")
def test_the_viewer_marks_where_repairs_acted_under_the_spectrogram(evaluated: Path) -> None:
    with Browser() as browser:
        browser.open(evaluated / "clipped" / "index.html")
        browser.until("document.querySelectorAll('canvas.marks').length === 1")
        assert browser.problems == []
        painted = """(() => {
            const canvas = document.querySelector("canvas.marks"), ratio = window.devicePixelRatio;
            const row = canvas.getContext("2d").getImageData(0, Math.round(24 * ratio), canvas.width, 1).data;
            const left = 58 * ratio, at = [];
            for (let x = Math.ceil(left); x < canvas.width; x += 1) {
                const [red, , blue, alpha] = row.slice(4 * x, 4 * x + 4);
                if (alpha && blue > red) at.push((x - 56 * ratio) / (canvas.width - 56 * ratio));
            }
            return at;
        })()"""
        browser.until(f"({painted}).length > 0")
        places = np.array(browser.run(painted)) * TIME[-1]
        away_from_the_cursor = places[places > 0.1]
        assert len(away_from_the_cursor)
        acted = json.loads((evaluated / "clipped" / "clip.json").read_text("utf-8"))["rows"][1]["acted"]["clicks"]
        marked = np.flatnonzero(acted["shares"]) * acted["slot_seconds"]
        assert np.abs(away_from_the_cursor - 2).min() < 0.05
        assert np.abs(away_from_the_cursor[:, None] - marked).min(axis=1).max() < 0.05
