"""The law of accumulators of figures: any blocks, any parts, merged in any order, bit for bit, in bounded memory."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from inspect import isabstract
from itertools import accumulate, pairwise
from operator import mul
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stream_restore import measure as metrics
from stream_restore.engine.exact_sum import ExactSum, ExactSums, moments
from stream_restore.errors import ConfigError, SpecError
from stream_restore.measure import DelayFinder, Distortion, Projection, Segmental, Spectral, comparison
from stream_restore.measure.comparison import Comparison
from stream_restore.measure.fixed_windows import CELL
from stream_restore.spec import Spec
from stream_restore.testing import example_signal

FRAMES = 16 * CELL
REFERENCE = example_signal(1, FRAMES, seed=1)
ESTIMATE = (0.8 * np.roll(REFERENCE, 99) + 0.1 * example_signal(1, FRAMES, seed=2) + 0.05).astype(np.float32)
SPEC = Spec(44100, 1)
ACCUMULATORS: dict[str, Callable[[int], Any]] = {
    "Distortion": lambda start: Distortion(),
    "Projection": lambda start: Projection(1, start),
    "Spectral": lambda start: Spectral(SPEC, start=start),
    "Segmental": lambda start: Segmental(1, 5000, start),
    "Segmental, joined": lambda start: Segmental(1, 700, start, most=8),
    "DelayFinder": lambda start: DelayFinder(1, CELL // 2, start),
    "DelayFinder of short delays": lambda start: DelayFinder(1, 300, start),
    "Comparison": lambda start: Comparison(SPEC, every_seconds=0.1, start=start),
}
every_accumulator = pytest.mark.parametrize("name", ACCUMULATORS)
every_seed = pytest.mark.parametrize("seed", range(4))


def part(name: str, start: int, stop: int, blocks: int = 1, seed: int = 0) -> Any:
    """Frames [start, stop), heard in this number of blocks of random lengths."""
    accumulator = ACCUMULATORS[name](start)
    marks = np.sort(np.random.default_rng(seed).integers(start, stop + 1, blocks - 1)).tolist()
    for begin, end in pairwise([start, *marks, stop]):
        accumulator.update(REFERENCE[:, begin:end], ESTIMATE[:, begin:end])
    return accumulator


def neighbours(rng: np.random.Generator) -> list[tuple[int, int]]:
    """Parts from a random frame on, some as long as a cell or about so, others of any length."""
    lengths = [0, 0, 1, 2, CELL - 1, CELL, CELL + 1, 4 * CELL, 5 * CELL, *rng.integers(0, CELL // 2, 5).tolist()]
    rng.shuffle(lengths)
    start = int(rng.integers(2) * rng.integers(CELL))
    return list(pairwise(accumulate(lengths, initial=start)))


def test_every_accumulator_is_in_the_table() -> None:
    known = [*(getattr(metrics, name) for name in metrics.__all__), *vars(comparison).values()]
    wanted = {each for each in known if isinstance(each, type) and hasattr(each, "merge") and not isabstract(each)}
    assert {type(make(0)) for make in ACCUMULATORS.values()} == wanted


@every_seed
@every_accumulator
def test_any_blocks_give_the_same_figures(name: str, seed: int) -> None:
    start = 1000 * seed
    assert part(name, start, FRAMES, 9, seed).result() == part(name, start, FRAMES).result()


def test_single_frames_give_the_same_figures() -> None:
    assert part("Comparison", CELL - 99, CELL + 99, 300).result() == part("Comparison", CELL - 99, CELL + 99).result()


@every_seed
@pytest.mark.parametrize("order", ["from the left", "from the right", "as a tree"])
@every_accumulator
def test_any_parts_merged_in_any_order_give_the_same_figures(name: str, order: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    spans = neighbours(rng)
    merged = [part(name, *span, 3, seed) for span in spans]
    while last := len(merged) - 1:
        place = {"from the left": 0, "from the right": last - 1}.get(order, int(rng.integers(last)))
        follows = merged.pop(place + 1)
        before = pickle.dumps(follows)
        merged[place].merge(follows)
        assert pickle.dumps(follows) == before
    whole, (found,) = part(name, spans[0][0], spans[-1][1]), merged
    assert found.result() == whole.result()
    for each in (found, whole):
        each.update(REFERENCE[:, :99], ESTIMATE[:, :99])
    assert found.result() == whole.result()


@every_accumulator
def test_a_result_changes_nothing(name: str) -> None:
    accumulator = part(name, 0, CELL + 5)
    before = pickle.dumps(accumulator)
    assert accumulator.result() == accumulator.result()
    assert pickle.dumps(accumulator) == before


@pytest.mark.parametrize("name", ["Projection", "Spectral", "DelayFinder"])
def test_a_part_alone_has_the_figures_of_its_frames(name: str) -> None:
    alone = ACCUMULATORS[name](0)
    span = slice(alone.cell_frames, alone.cell_frames + 3 * CELL + 5)
    alone.update(REFERENCE[:, span], ESTIMATE[:, span])
    assert part(name, span.start, span.stop).result() == alone.result()


# The others keep up to `stream_restore.measure.segmental.MOST` segments, "Segmental, joined" 8.
@pytest.mark.parametrize("name", [name for name in ACCUMULATORS if name not in ("Segmental", "Comparison")])
def test_memory_does_not_grow(name: str) -> None:
    accumulator, sizes = ACCUMULATORS[name](12345), []
    for start in range(60):
        accumulator.update(REFERENCE[:, 99 * start : 99 * start + 9000], ESTIMATE[:, :9000])
        sizes.append(len(pickle.dumps(accumulator)))
    assert max(sizes[30:]) <= 1.2 * max(sizes[:30])


def test_a_part_that_does_not_follow_is_refused_and_changes_nothing() -> None:
    first = part("Comparison", 0, 100)
    before = pickle.dumps(first)
    for other in (part("Comparison", 101, 200), Comparison(SPEC, every_seconds=0.2, start=100)):
        with pytest.raises(ConfigError, match=r"must begin at frame 100, .* at frame 101|'every_seconds': 0.2"):
            first.merge(other)
    assert pickle.dumps(first) == before
    with pytest.raises(ConfigError, match="frame 0 or later, got -1"):
        Projection(2, start=-1)
    with pytest.raises(SpecError, match="equal blocks"):
        first.update(REFERENCE[:, :5], ESTIMATE[:, :6])


# Segments


@pytest.mark.parametrize(("every", "most", "joined"), [(5000, 20, 1), (5000, 19, 2), (5000, 4, 8), (CELL, 1, 8)])
def test_segments_are_the_figures_of_their_frames(every: int, most: int, joined: int) -> None:
    segmental = Segmental(1, every, most=most)
    segmental.update(REFERENCE[:, : 6 * CELL], ESTIMATE[:, : 6 * CELL])
    found = segmental.result()
    assert (found.frames, found.joined) == (every * joined, joined)
    assert found.sdr_db == tuple(sdr_of_each(every * joined))
    assert found.mean_db == pytest.approx(np.clip(sdr_of_each(every), -10, 35).mean(), abs=1e-12)


def sdr_of_each(frames: int) -> list[float]:
    values = []
    for start in range(0, 6 * CELL, frames):
        alone = Distortion()
        span = slice(start, min(start + frames, 6 * CELL))
        alone.update(REFERENCE[:, span], ESTIMATE[:, span])
        values.append(alone.result().sdr_db)
    return values


# Delay


@pytest.mark.parametrize("delay", [0, 1, -1, 1102, -1102, 2000, -2000])
def test_a_delay_is_found(delay: int) -> None:
    sound = np.pad(REFERENCE[:, :20_000], ((0, 0), (2000, 2000)))
    finder = DelayFinder(1, most=2000)
    finder.update(sound, -0.25 * np.roll(sound, delay, axis=1))
    assert finder.result().frames == delay
    assert finder.result().correlation == pytest.approx(-1, abs=1e-6)
    wanted = np.vdot(sound.astype(float), np.roll(sound, delay, axis=1)) / np.square(sound.astype(float)).sum()
    assert finder.result().undelayed == pytest.approx(-wanted, abs=1e-6)


HARD = {
    "noise": example_signal(2, 70_000, seed=3),
    "tone": np.tile(np.sin(np.arange(70_000) / 3, dtype=np.float32), (2, 1)),
    "treble": np.diff(example_signal(2, 70_002, seed=4), 2),
    "clicks": np.tile((np.arange(70_000) % 250 == 0).astype(np.float32), (2, 1)),
    "quiet": 1e-30 * example_signal(2, 70_000, seed=3),
}


@pytest.mark.parametrize("delay", [0, 1, 299, 300, -300, 301])
@pytest.mark.parametrize("kind", HARD)
def test_the_delay_is_that_of_the_whole_correlation(kind: str, delay: int) -> None:
    reference, most = HARD[kind].astype(np.float32), 300
    shifted = np.roll(np.pad(reference, ((0, 0), (400, 400))), delay, axis=1)[:, 400:-400]
    estimate = (shifted + reference[::-1] / 8).astype(np.float32)
    finder = DelayFinder(2, most)
    finder.update(reference, estimate)
    r, e = reference.astype(np.float64), np.pad(estimate.astype(np.float64), ((0, 0), (most, most)))
    direct = np.array([np.vdot(r, e[:, lag : lag + r.shape[1]]) for lag in range(2 * most + 1)])
    direct /= np.sqrt(np.vdot(r, r) * np.vdot(e, e))
    found, best = finder.result(), int(np.abs(direct).argmax())
    assert found.frames == best - most
    assert found.correlation == pytest.approx(direct[best], abs=1e-12)
    assert found.undelayed == pytest.approx(direct[most], abs=1e-12)


def test_the_number_of_cores_changes_no_figure(tmp_path: Path) -> None:
    for name, sound in (("r", REFERENCE), ("e", ESTIMATE)):
        soundfile.write(tmp_path / f"{name}.wav", sound.T, SPEC.sample_rate, subtype="FLOAT")
    code = f"""if True:
        import os, sys
        if sys.argv[1] == "one":
            os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
        from stream_restore.measure import compare
        print(compare("{tmp_path}/r.wav", "{tmp_path}/e.wav", every_seconds=0.1))
    """
    one, all_cores = (subprocess.check_output([sys.executable, "-c", code, cores]) for cores in ("one", "all"))
    assert one == all_cores


# Sums


@pytest.mark.parametrize("scale", [0, 1e-38, 1.0, 1e30])
def test_moments_lose_nothing(scale: float) -> None:
    rng = np.random.default_rng(3)
    rows = (rng.standard_normal((3, 9000)) * 10.0 ** rng.integers(-8, 8, (3, 9000)) * scale).astype(np.float32)
    rows[2] = np.nextafter(np.float32(scale), np.float32(0))  # the most that digits can add up to
    products, sums = moments(rows)
    numbers = [[Fraction(value) for value in row] for row in rows.tolist()]
    assert [Fraction(each, 1 << 1074) for each in sums] == [sum(row) for row in numbers]
    wanted = [[sum(map(mul, one, other)) for other in numbers] for one in numbers]
    assert [[Fraction(each, 1 << 1074) for each in row] for row in products] == wanted


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_moments_refuse_what_is_not_finite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        moments(np.array([[1.0], [value]], np.float32))


@pytest.mark.parametrize("scale", [1.0, 1e-300, 5e-324, 1e300])
def test_vectors_of_sums_lose_nothing(scale: float) -> None:
    rng = np.random.default_rng(3)
    numbers = rng.standard_normal((99, 4)) * 10.0 ** rng.integers(-8, 7, (99, 4)) * scale
    forth, back = ExactSums(4), ExactSums(4)
    for row in numbers:
        forth.add(row)
    for row in numbers[::-1]:
        back.add(row)
    assert (forth.values() == back.values()).all()
    # One unit in the last place is all that `values` rounds: what it took is still there.
    for _ in range(3):
        wanted = np.array([rounded(column) for column in numbers.T])
        assert (np.abs(forth.values() - wanted) <= np.spacing(np.abs(wanted))).all()
        numbers = np.concatenate([numbers, -wanted[None]])
        forth.add(-wanted)
    assert (forth.values() == 0).all()


def rounded(column: np.ndarray) -> float:
    total = ExactSum()
    total.add(column)
    return float(total)


def test_vectors_of_sums_refuse_what_is_not_finite() -> None:
    with pytest.raises(ValueError, match="finite"):
        ExactSums(2).add(np.array([1.0, np.nan]))
