"""Accumulators can be kept in a journal and go on from it, with the same result, bit for bit."""

from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_restore.engine.exact_sum import ExactSum, MeanSquare
from stream_restore.engine.loop import BLOCK
from stream_restore.engine.state import load_state_dict, state_dict
from stream_restore.errors import ConfigError, SourceError, StreamError
from stream_restore.measure import DelayFinder, Distortion, Projection, Segmental, Spectral
from stream_restore.measure.comparison import Comparison
from stream_restore.measure.fixed_windows import CELL
from stream_restore.passes.journal import Journal
from stream_restore.passes.resumable_pass import run_pass
from stream_restore.show.picture import _Columns
from stream_restore.show.tiles import Tiles
from stream_restore.spec import Audio, Spec
from stream_restore.testing import example_signal

SPEC = Spec(8000, 2)
CUTS = (0, 1, 20_000, 20_001, 70_000, 130_000)
"""Frames between which blocks lie; after each of them all is kept and taken up."""

ACCUMULATORS: dict[str, Callable[[int], Any]] = {
    "Distortion": lambda start: Distortion(),
    "Projection": lambda start: Projection(2, start),
    "Spectral": lambda start: Spectral(SPEC, 3000, start),
    "Segmental": lambda start: Segmental(2, 700, start),
    "Segmental, joined": lambda start: Segmental(2, 700, start, most=16),
    "DelayFinder": lambda start: DelayFinder(2, 5000, start),
    "Comparison": lambda start: Comparison(SPEC, split_hz=3000, every_seconds=0.1, start=start),
}


def sounds(frames: int = CUTS[-1]) -> tuple[Audio, Audio]:
    return example_signal(2, frames, seed=1), example_signal(2, frames, seed=2) * np.float32(0.3)


def through_a_file(state: object, fresh: Any, folder: Path) -> Any:
    """`fresh` with the state of another, as a journal gives it back."""
    Journal(folder / "state", {}).save(0, [], state_dict(state))
    checkpoint = Journal(folder / "state", {}).load()
    assert checkpoint is not None
    return load_state_dict(fresh, checkpoint.state)


@pytest.mark.parametrize("start", [0, 12_345])
@pytest.mark.parametrize("name", ACCUMULATORS)
def test_an_accumulator_goes_on(name: str, start: int, tmp_path: Path) -> None:
    whole, kept = ACCUMULATORS[name](start), ACCUMULATORS[name](start)
    for begin, end in pairwise(CUTS):
        block, other = (sound[:, begin:end] for sound in sounds())
        kept = through_a_file(kept, ACCUMULATORS[name](start), tmp_path)
        for accumulator in (kept, whole):
            accumulator.update(block, other)
    assert repr(kept.result()) == repr(whole.result())
    # What goes on can be merged, too.
    if name != "Distortion":
        later = ACCUMULATORS[name](start + CUTS[-1])
        later.update(*sounds(30_000))
        for each in (kept, whole):
            each.merge(later)
        assert repr(kept.result()) == repr(whole.result())


def test_a_picture_goes_on(tmp_path: Path) -> None:
    whole, kept = _Columns(SPEC, 64), _Columns(SPEC, 64)
    for begin, end in pairwise(CUTS):
        block = sounds()[0][:, begin:end]
        kept = through_a_file(kept, _Columns(SPEC, 64), tmp_path)
        for columns in (kept, whole):
            columns.update(block)
    found, expected = kept.close(), whole.close()
    assert (found.decibels == expected.decibels).all()
    assert (found.seconds, found.column_seconds) == (expected.seconds, expected.column_seconds)


def test_tiles_go_on(tmp_path: Path) -> None:
    whole, kept = Tiles(tmp_path / "whole", SPEC), Tiles(tmp_path / "kept", SPEC)
    for begin, end in pairwise((*CUTS, 400_000)):
        block = sounds(400_000)[0][:, begin:end]
        kept = through_a_file(kept, Tiles(tmp_path / "kept", SPEC), tmp_path)
        for tiles in (kept, whole):
            tiles.update(block)
    assert kept.close() == whole.close()
    written = {path.relative_to(whole.folder): path.read_bytes() for path in whole.folder.rglob("*.*")}
    assert len([path for path in written if path.suffix == ".png"]) > 10
    assert {path.relative_to(kept.folder): path.read_bytes() for path in kept.folder.rglob("*.*")} == written


def test_a_mean_square_goes_on(tmp_path: Path) -> None:
    sound = sounds()[0]
    whole, half = MeanSquare(), MeanSquare()
    whole.add(sound)
    half.add(sound[:, :7])
    half = through_a_file(half, MeanSquare(), tmp_path)
    half.add(sound[:, 7:])
    assert half == whole
    assert float(half) == pytest.approx(np.square(sound, dtype=np.float64).mean(), rel=1e-12)


@given(st.dictionaries(st.integers(-(2**63), 2**63 - 1), st.integers()), st.integers())
def test_integers_of_any_size_come_back(numbers: dict[int, int], single: int) -> None:
    found = load_state_dict(
        [defaultdict(int, {3: 4}), ExactSum(5), 0], state_dict([defaultdict(int, numbers), ExactSum(single), single])
    )
    assert found == [numbers, ExactSum(single), single]


def kept_bytes(state: object) -> int:
    return sum(array.nbytes for array in state_dict(state).values())


@pytest.mark.parametrize("name", [name for name in ACCUMULATORS if name not in ("Segmental", "Comparison")])
def test_what_is_kept_does_not_grow(name: str) -> None:
    """Segments, of which there are up to 32768, grow up to that; the bound is shown with 16."""
    accumulator, sizes = ACCUMULATORS[name](0), []
    sound = sounds(4 * CELL)
    for _ in range(20):
        accumulator.update(*sound)
        sizes.append(kept_bytes(accumulator))
    assert max(sizes[10:]) < 1.5 * max(sizes[:10])


@pytest.mark.parametrize(
    ("state", "other"),
    [
        (MeanSquare(), Distortion()),
        (Projection(1), Projection(2)),
        (defaultdict(int, {1: 2}), defaultdict(ExactSum)),
        (np.zeros(3), 0),
        (np.zeros(3), np.zeros((2, 3))),
    ],
)
def test_the_state_of_something_else_is_refused(state: object, other: object) -> None:
    with pytest.raises(StreamError, match="does not fit"):
        load_state_dict(other, state_dict(state))


def test_integers_that_are_cut_short_are_refused() -> None:
    taken = state_dict(defaultdict(int, {1: 2, 3: 1 << 100}))
    for length in (0, 13):
        with pytest.raises(StreamError, match=r"does not fit.*\.values"):
            load_state_dict(defaultdict(int), {**taken, ".values": taken[".values"][:length]})


def test_what_cannot_be_kept_is_not_passed_over() -> None:
    with pytest.raises(TypeError, match="str"):
        state_dict(["text"])


class Tape:
    """An array as a recording; counts what is read of it."""

    def __init__(self, sound: Audio) -> None:
        self.spec, self.name, self.at, self._sound = Spec(8000, len(sound)), "a tape", 0, sound

    def read(self, frames: int) -> Audio:
        block = self._sound[:, self.at : self.at + frames]
        self.at += block.shape[1]
        return block


class StoppedError(Exception):
    """What a test stops a passage with."""


def listen(tapes: list[Tape], power: MeanSquare, journal: Journal | None, most: int = 1000) -> int:
    """Accumulate the first recording, up to `most` blocks; return their number."""
    count = 0
    for block, *_ in run_pass(tapes, [power], journal):
        if count == most:
            raise StoppedError
        power.add(block)
        count += 1
    return count


@pytest.mark.parametrize("stop", [0, 1, 3, 4])
def test_a_passage_goes_on_where_it_was(stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_restore.passes.journal.EVERY_SECONDS", 0.0)
    monkeypatch.setattr("stream_restore.passes.journal.SHARE", 0)
    sound, longer = example_signal(1, 4 * BLOCK + 5), example_signal(2, 4 * BLOCK + 77)
    whole, power = MeanSquare(), MeanSquare()
    whole.add(sound)
    with pytest.raises(StoppedError):
        listen([Tape(sound), Tape(longer)], power, Journal(tmp_path / "step", {}), stop)
    fresh, journal = MeanSquare(), Journal(tmp_path / "step", {})
    assert listen([Tape(sound), Tape(longer)], fresh, journal) == 5 - stop
    assert fresh == whole
    assert journal.path.exists()
    journal.remove()
    assert not list(tmp_path.iterdir())
    if stop:
        with pytest.raises(StoppedError):
            listen([Tape(sound)], MeanSquare(), journal, stop)
        with pytest.raises(SourceError, match=rf"a tape: has only 9 frames now, an earlier run read {stop * BLOCK}"):
            listen([Tape(sound[:, :9])], MeanSquare(), Journal(tmp_path / "step", {}))


def test_a_journal_of_something_else_is_named(tmp_path: Path) -> None:
    Journal(tmp_path / "step", {}).save(0, [], state_dict([Distortion()]))
    with pytest.raises(ConfigError, match=r"step\.journal: .*does not fit.*start again without it"):
        listen([Tape(sounds()[0])], MeanSquare(), Journal(tmp_path / "step", {}))
