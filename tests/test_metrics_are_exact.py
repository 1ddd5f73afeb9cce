"""Running SDR and SI-SDR: torchmetrics' figures, exact under any cut and any merging, with defined answers."""

from fractions import Fraction
from itertools import accumulate
from math import inf, isnan, nan

import numpy as np
import pytest
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio as tm_si_sdr
from torchmetrics.functional.audio import signal_noise_ratio as tm_snr

from stream_restore.engine.exact_sum import ExactSum
from stream_restore.errors import SpecError
from stream_restore.measure import Distortion, Metrics
from stream_restore.spec import Audio
from stream_restore.testing import example_signal, partitions

REFERENCE = example_signal(2, 10_000, seed=1)
ESTIMATE = (0.9 * REFERENCE + 0.05 * example_signal(2, 10_000, seed=2)).astype(np.float32)


def measured(reference: Audio, estimate: Audio) -> Metrics:
    distortion = Distortion()
    distortion.update(reference, estimate)
    return distortion.result()


def test_figures_equal_torchmetrics_in_float64() -> None:
    r, e = (torch.tensor(x.ravel(), dtype=torch.float64) for x in (REFERENCE, ESTIMATE))
    found = measured(REFERENCE, ESTIMATE)
    assert abs(found.sdr_db - float(tm_snr(e, r))) < 1e-9
    assert abs(found.si_sdr_db - float(tm_si_sdr(e, r))) < 1e-9


@pytest.mark.parametrize("name", partitions(2000, 256))
def test_any_cut_gives_the_same_figures(name: str) -> None:
    distortion, cuts = Distortion(), partitions(2000, 256)[name]
    for stop, length in zip(accumulate(cuts), cuts, strict=True):
        distortion.update(REFERENCE[:, stop - length : stop], ESTIMATE[:, stop - length : stop])
    assert distortion.result() == measured(REFERENCE[:, :2000], ESTIMATE[:, :2000])


def test_merging_in_any_order_gives_the_same_figures() -> None:
    parts = []
    for start in range(0, 10_000, 1234):
        part = Distortion()
        part.update(REFERENCE[:, start : start + 1234], ESTIMATE[:, start : start + 1234])
        parts.append(part)
    merged = Distortion()
    for part in reversed(parts):
        merged.merge(part)
    assert merged.result() == measured(REFERENCE, ESTIMATE)


def test_a_known_sdr() -> None:
    # Error and reference are orthogonal, with energies 1 and 1/1000.
    reference = np.array([[1.0, 0.0]], np.float32)
    found = measured(reference, np.array([[1.0, 2.0**-5]], np.float32))
    assert found.sdr_db == found.si_sdr_db == pytest.approx(100 * np.log10(2), abs=1e-12)
    assert found.scale == 1


def test_nearly_identical_signals_lose_no_digits() -> None:
    # One unit in the last place of one sample: the difference of energies in floats would be noise.
    estimate = REFERENCE.copy()
    estimate[0, 0] = np.nextafter(estimate[0, 0], np.float32(1))
    r, e = ([Fraction(float(v)) for v in x.ravel()] for x in (REFERENCE, estimate))
    ratio = sum(v * v for v in r) / sum((a - b) ** 2 for a, b in zip(r, e, strict=True))
    assert measured(REFERENCE, estimate).sdr_db == pytest.approx(10 * np.log10(float(ratio)), abs=1e-12)


@pytest.mark.parametrize(
    ("estimate", "sdr_db", "si_sdr_db", "scale"),
    [
        ([1.0, 0.5, 0.0], inf, inf, 1.0),
        ([2.0, 1.0, 0.0], 0.0, inf, 2.0),
        ([-1.0, -0.5, 0.0], -20 * np.log10(2), inf, -1.0),
        ([0.0, 0.0, 0.0], 0.0, -inf, 0.0),
        ([0.0, 0.0, 1.0], 10 * np.log10(1.25 / 2.25), -inf, 0.0),
    ],
    ids=["identical", "scaled", "sign-flipped", "silent estimate", "orthogonal"],
)
def test_defined_answers(estimate: list[float], sdr_db: float, si_sdr_db: float, scale: float) -> None:
    found = measured(np.array([[1.0, 0.5, 0.0]], np.float32), np.array([estimate], np.float32))
    assert (found.si_sdr_db, found.scale) == (si_sdr_db, scale)
    assert found.sdr_db == pytest.approx(sdr_db)


def test_ratios_beyond_what_floats_hold_have_figures() -> None:
    found = measured(np.array([[3e38, 1e-45, 0]], np.float32), np.array([[0, 1e-45, 3e38]], np.float32))
    # re^2 / (rr*ee - re^2), which float64 does not hold.
    wanted = 40 * np.log10(float(np.float32(1e-45))) - 40 * np.log10(float(np.float32(3e38)))
    assert found.si_sdr_db == pytest.approx(wanted, rel=1e-9)
    assert found.sdr_db == pytest.approx(10 * np.log10(0.5))


@pytest.mark.parametrize(("estimate", "sdr_db"), [(1.0, -inf), (0.0, nan)], ids=["sound", "silence"])
def test_a_silent_reference_has_no_si_sdr(estimate: float, sdr_db: float) -> None:
    found = measured(np.zeros((1, 4), np.float32), np.full((1, 4), estimate, np.float32))
    assert isnan(found.si_sdr_db)
    assert found.sdr_db == sdr_db or (isnan(sdr_db) and isnan(found.sdr_db))


def test_different_shapes_are_refused() -> None:
    with pytest.raises(SpecError, match=r"\(1, 3\).*\(1, 4\)"):
        Distortion().update(np.zeros((1, 3), np.float32), np.zeros((1, 4), np.float32))


@pytest.mark.parametrize("scale", [1.0, 1e-300, 5e-324, 1e300])
def test_exact_sums_are_exact(scale: float) -> None:
    rng = np.random.default_rng(3)
    numbers = rng.standard_normal(5000) * 10.0 ** rng.integers(-8, 8, 5000) * scale
    total = ExactSum()
    total.add(numbers)
    assert total.fraction() == sum(map(Fraction, numbers.tolist()))


def test_exact_sums_of_a_long_constant() -> None:
    total = ExactSum()
    for _ in range(3):
        total.add(np.full(1 << 20, np.nextafter(1.0, 0)))
    assert total.fraction() == 3 * (1 << 20) * Fraction(float(np.nextafter(1.0, 0)))


def test_exact_sums_refuse_what_is_not_finite() -> None:
    with pytest.raises(ValueError, match="finite"):
        ExactSum().add(np.array([1.0, inf]))
