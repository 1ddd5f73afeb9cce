"""Every running figure: as other libraries have it, and equal under any cut and any merging."""

import tracemalloc
from collections.abc import Callable
from itertools import accumulate
from math import inf, isnan
from typing import Any

import fast_bss_eval
import museval
import numpy as np
import pytest
import scipy.signal
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio as tm_si_sdr
from torchmetrics.functional.audio import signal_distortion_ratio as tm_sdr
from torchmetrics.functional.audio import signal_noise_ratio as tm_snr

from stream_restore.comparison import Comparison
from stream_restore.errors import ConfigError, SpecError
from stream_restore.metrics import DelayFinder, Distortion, Projection, Segmental, Spectral
from stream_restore.metrics.cells import CELL
from stream_restore.metrics.sums import ExactSums
from stream_restore.spec import Audio, Spec
from stream_restore.testing import example_signal, partitions

FRAMES = 3 * CELL + 1234
REFERENCE = example_signal(2, FRAMES, seed=1)
"""Noise alike music, with an echo, an offset and noise in its estimate."""
ESTIMATE = (
    0.8 * REFERENCE + 0.3 * np.roll(REFERENCE[::-1], 9, axis=1) + 0.1 * example_signal(2, FRAMES, seed=2) + 0.05
).astype(np.float32)
ACCUMULATORS: dict[str, Callable[[int], Any]] = {
    "Distortion": lambda start: Distortion(),
    "Projection": lambda start: Projection(1, start),
    "Spectral": lambda start: Spectral(Spec(44100, 2), start=start),
    "Segmental": lambda start: Segmental(5000, start),
}


def feed(name: str, accumulator: Any, start: int, stop: int) -> None:
    channels = 1 if name == "Projection" else 2  # solving for two takes eight times as long
    accumulator.update(REFERENCE[:channels, start:stop], ESTIMATE[:channels, start:stop])


def part(name: str, start: int, stop: int) -> Any:
    accumulator = ACCUMULATORS[name](start)
    feed(name, accumulator, start, stop)
    return accumulator


def projected(reference: Audio, estimate: Audio) -> float:
    projection = Projection(len(reference))
    projection.update(reference, estimate)
    return projection.result()


# Equal, bit for bit


@pytest.mark.parametrize("cut", [name for name in partitions(9, 3) if name != "one frame at a time"])
@pytest.mark.parametrize("name", ACCUMULATORS)
def test_any_cut_gives_the_same_figures(name: str, cut: str) -> None:
    accumulator, cuts = ACCUMULATORS[name](0), partitions(FRAMES, CELL)[cut]
    if cut == "sevens":
        cuts = [7] * 99 + [FRAMES - 7 * 99]
    for stop, length in zip(accumulate(cuts), cuts, strict=True):
        feed(name, accumulator, stop - length, stop)
    assert accumulator.result() == part(name, 0, FRAMES).result()


@pytest.mark.parametrize("tree", ["from the left", "from the right", "pairs"])
@pytest.mark.parametrize("name", ACCUMULATORS)
def test_any_merging_gives_the_same_figures(name: str, tree: str) -> None:
    a, b, c, d = (part(name, start, min(start + CELL, FRAMES)) for start in range(0, FRAMES, CELL))
    joins = {"from the left": [(a, b), (a, c), (a, d)], "from the right": [(c, d), (b, c), (a, b)]}
    for left, right in joins.get(tree, [(c, d), (a, b), (a, c)]):
        left.merge(right)
    assert a.result() == part(name, 0, FRAMES).result()
    feed(name, a, 0, 99)
    whole = part(name, 0, FRAMES)
    feed(name, whole, 0, 99)
    assert a.result() == whole.result()


@pytest.mark.parametrize("name", ACCUMULATORS)
def test_a_result_changes_nothing(name: str) -> None:
    accumulator = part(name, 0, CELL + 5)
    assert accumulator.result() == accumulator.result()
    feed(name, accumulator, CELL + 5, FRAMES)
    assert accumulator.result() == part(name, 0, FRAMES).result()


def test_parts_that_do_not_follow_are_refused() -> None:
    with pytest.raises(ConfigError, match=f"multiple of {CELL}"):
        Projection(2, start=5)
    with pytest.raises(ConfigError, match=f"must begin at frame {CELL}"):
        part("Projection", 0, CELL).merge(part("Projection", 2 * CELL, 3 * CELL))
    with pytest.raises(ConfigError, match="5000 and of 4000"):
        Segmental(5000).merge(Segmental(4000))
    with pytest.raises(SpecError, match="equal blocks"):
        Spectral(Spec(44100, 2)).update(REFERENCE[:, :5], ESTIMATE[:, :6])


def test_a_comparison_merges_all_its_figures() -> None:
    halves = [Comparison(Spec(44100, 2), start=start) for start in (0, CELL)]
    halves[0].update(REFERENCE[:, :CELL], ESTIMATE[:, :CELL])
    halves[1].update(REFERENCE[:, CELL:], ESTIMATE[:, CELL:])
    halves[0].merge(halves[1])
    whole = Comparison(Spec(44100, 2))
    whole.update(REFERENCE, ESTIMATE)
    assert halves[0].result() == whole.result()


@pytest.mark.parametrize("scale", [1.0, 1e-300, 5e-324, 1e300])
def test_vectors_of_sums_are_exact(scale: float) -> None:
    numbers = np.random.default_rng(3).standard_normal((99, 4)) * scale
    sums = ExactSums(8)
    for row in numbers:
        sums.add(np.concatenate([row, -2 * row]))
        sums.add(np.concatenate([-row, row]))
    assert (sums.values()[:4] == 0).all()
    assert (sums.values()[4:] == [float(-total) for total in map(exactly, numbers.T)]).all()


def exactly(column: np.ndarray) -> float:
    from stream_restore.exact import ExactSum

    total = ExactSum()
    total.add(column)
    return float(total)


# As others have them


def test_means_are_removed_as_torchmetrics_does() -> None:
    found = part("Distortion", 0, FRAMES).result()
    r, e = (torch.tensor(x, dtype=torch.float64) for x in (REFERENCE, ESTIMATE))
    r, e = ((x - x.mean(dim=1, keepdim=True)).ravel() for x in (r, e))
    assert abs(found.si_sdr_zero_mean_db - float(tm_si_sdr(e, r))) < 1e-6
    assert abs(found.snr_db - float(tm_snr(e, r))) < 1e-6
    assert found.snr_db > found.sdr_db + 1


def test_one_channel_is_projected_as_three_libraries_do() -> None:
    found = projected(REFERENCE[:1], ESTIMATE[:1])
    r, e = REFERENCE[0].astype(np.float64), ESTIMATE[0].astype(np.float64)
    theirs = museval.metrics.bss_eval(
        r[None], e[None], window=np.inf, compute_permutation=False, bsseval_sources_version=True
    )
    assert abs(found - float(theirs[0][0, 0])) < 1e-3
    assert abs(found - float(fast_bss_eval.sdr(r[None], e[None], filter_length=512)[0])) < 1e-3
    assert abs(found - float(tm_sdr(torch.tensor(e), torch.tensor(r), filter_length=512))) < 1e-3


def test_two_channels_are_projected_as_museval_does() -> None:
    r, e = (x.T[None, :20_000].astype(np.float64) for x in (REFERENCE, ESTIMATE))
    theirs = museval.metrics.bss_eval(r, e, window=np.inf, compute_permutation=False, bsseval_sources_version=True)
    assert abs(projected(REFERENCE[:, :20_000], ESTIMATE[:, :20_000]) - float(theirs[0][0, 0])) < 1e-3


def test_log_spectral_distance_and_bands_are_those_of_scipy_spectra() -> None:
    spec, split = Spec(44100, 2), 5000.0
    spectral = Spectral(spec, split)
    spectral.update(REFERENCE, ESTIMATE)
    found = spectral.result()
    padded = (np.pad(x.astype(np.float64), ((0, 0), (2048, 4096))) for x in (REFERENCE, ESTIMATE))
    frequencies, _, r = scipy.signal.stft(next(padded), 44100, nperseg=2048, noverlap=1536, boundary=None)
    _, _, e = scipy.signal.stft(next(padded), 44100, nperseg=2048, noverlap=1536, boundary=None)
    # Column k is centred at frame 512*k - 1024 of the recording; SciPy's spectra are divided by the window's sum.
    heard = slice(2, 2 + FRAMES // 512 + 1)
    levels = [10 * np.log10(np.maximum(4 * np.abs(x[..., heard]) ** 2, 1e-10)) for x in (r, e)]
    distances = np.sqrt(np.square(levels[0] - levels[1]).mean(axis=1))
    assert abs(found.lsd_db - distances.mean()) < 1e-6
    weight = np.where((frequencies == 0) | (frequencies == 22050), 1, 2)
    for value, band in ((found.sdr_below_db, frequencies < split), (found.sdr_above_db, frequencies >= split)):
        signal, rest = ((np.abs(x) ** 2).sum(axis=(0, 2)) @ (weight * band) for x in (r, r - e))
        assert abs(value - 10 * np.log10(signal / rest)) < 1e-6


def test_bands_hold_what_was_put_into_them() -> None:
    time = np.arange(44100) / 44100
    low, high = (np.sin(2 * np.pi * hertz * time, dtype=np.float32)[None] for hertz in (1000, 12000))
    spectral = Spectral(Spec(44100, 1), 7000)
    spectral.update(low + high, (0.9 * low + 0.5 * high).astype(np.float32))
    assert spectral.result().sdr_below_db == pytest.approx(20.0, abs=0.01)
    assert spectral.result().sdr_above_db == pytest.approx(20 * np.log10(2), abs=0.01)


def test_segments_are_the_figures_of_their_frames() -> None:
    found = part("Segmental", 0, FRAMES).result()
    for index, value in enumerate(found.sdr_db):
        alone = Distortion()
        alone.update(*(x[:, 5000 * index : 5000 * (index + 1)] for x in (REFERENCE, ESTIMATE)))
        assert value == alone.result().sdr_db
    assert len(found.sdr_db) == -(-FRAMES // 5000)
    assert found.mean_db == pytest.approx(np.clip(found.sdr_db, -10, 35).mean(), abs=1e-12)


# Defined answers


@pytest.mark.parametrize(
    ("factor", "bss_db", "lsd_db"), [(1.0, inf, 0.0), (-1.0, inf, 0.0), (0.5, inf, 6.02), (0.0, -inf, None)]
)
def test_defined_answers(factor: float, bss_db: float, lsd_db: float | None) -> None:
    comparison = Comparison(Spec(44100, 2))
    comparison.update(REFERENCE, np.float32(factor) * REFERENCE)
    found = comparison.result()
    assert found.bss_sdr_db == bss_db
    assert lsd_db is None or found.spectral.lsd_db == pytest.approx(lsd_db, abs=0.01)
    assert (found.spectral.sdr_below_db == inf) == (factor == 1)


def test_what_no_delayed_copy_explains_has_a_defined_answer() -> None:
    early, late = np.zeros((2, 1, 5000), np.float32)
    early[0, 10] = late[0, 4000] = 1
    comparison = Comparison(Spec(44100, 1))
    comparison.update(late, early)
    found = comparison.result()
    assert (found.bss_sdr_db, found.metrics.si_sdr_db, found.metrics.si_sdr_zero_mean_db < -60) == (-inf, -inf, True)


def test_a_silent_reference_has_defined_answers() -> None:
    comparison = Comparison(Spec(44100, 2))
    comparison.update(0 * REFERENCE, ESTIMATE)
    found = comparison.result()
    assert isnan(found.bss_sdr_db)
    assert isnan(found.metrics.si_sdr_zero_mean_db)
    assert found.spectral.sdr_below_db == -inf
    assert found.segments.mean_db == -10


@pytest.mark.parametrize("frames", [0, 1])
def test_next_to_nothing_has_defined_answers(frames: int) -> None:
    comparison = Comparison(Spec(44100, 1))
    comparison.update(*2 * (np.ones((1, frames), np.float32),))
    found = comparison.result()
    assert found.metrics.sdr_db == inf if frames else isnan(found.metrics.sdr_db)
    assert found.bss_sdr_db == inf if frames else isnan(found.bss_sdr_db)
    assert found.spectral.lsd_db == 0 if frames else isnan(found.spectral.lsd_db)
    assert len(found.segments.sdr_db) == frames


def test_a_reference_with_two_frequencies_has_an_answer() -> None:
    # Delayed copies of a sine span two dimensions only: the normal equations are singular.
    sine = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100, dtype=np.float32)[None]
    noise = 0.1 * example_signal(1, 44100)
    assert 20 < projected(sine, sine + noise) < 40


def peak_bytes(seconds: int) -> int:
    comparison = Comparison(Spec(8000, 1), every_seconds=10)
    blocks = [example_signal(1, 8000, seed) for seed in (1, 2)]
    tracemalloc.start()
    for _ in range(seconds):
        comparison.update(*blocks)
    comparison.result()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_duration() -> None:
    peak_bytes(5)  # imports
    assert peak_bytes(200) < peak_bytes(20) + 200_000


# Delay


@pytest.mark.parametrize("delay", [0, 1, -1, 1102, -1102, 2000, -2000])
def test_a_delay_is_found_whatever_the_blocks(delay: int) -> None:
    sound = REFERENCE[:, :20_000]
    late = np.pad(sound, ((0, 0), (max(delay, 0), 0)))[:, max(-delay, 0) :]
    found = set()
    for step in (20_000, 4000, 777):
        finder = DelayFinder(2, most=2000)
        for start in range(0, 24_000, step):
            finder.update(sound[:, start : start + step], -0.25 * late[:, start : start + step])
        found.add(finder.result())
    assert len(found) == 1
    assert found.pop().frames == delay


def test_memory_of_a_delay_does_not_grow() -> None:
    finder, sizes = DelayFinder(1, most=500), []
    for seed in range(60):
        finder.update(*2 * (example_signal(1, 3000, seed),))
        sizes.append(finder._reference.nbytes + finder._estimate.nbytes)
    assert max(sizes[30:]) <= max(sizes[:30])
