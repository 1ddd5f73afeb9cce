"""Every running figure: as other libraries have it, with defined answers."""

import tracemalloc
from math import inf, isnan

import fast_bss_eval
import museval
import numpy as np
import pytest
import scipy.signal
import torch
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio as tm_si_sdr
from torchmetrics.functional.audio import signal_distortion_ratio as tm_sdr
from torchmetrics.functional.audio import signal_noise_ratio as tm_snr

from stream_restore.measure import Distortion, Projection, Spectral
from stream_restore.measure.comparison import Comparison
from stream_restore.measure.fixed_windows import CELL
from stream_restore.spec import Audio, Spec
from stream_restore.testing import example_signal

FRAMES = 3 * CELL + 1234
REFERENCE = example_signal(2, FRAMES, seed=1)
"""Noise alike music, with an echo, an offset and noise in its estimate."""
ESTIMATE = (
    0.8 * REFERENCE + 0.3 * np.roll(REFERENCE[::-1], 9, axis=1) + 0.1 * example_signal(2, FRAMES, seed=2) + 0.05
).astype(np.float32)


def projected(reference: Audio, estimate: Audio) -> float:
    projection = Projection(len(reference))
    projection.update(reference, estimate)
    return projection.result()


# As others have them


def test_means_are_removed_as_torchmetrics_does() -> None:
    distortion = Distortion()
    distortion.update(REFERENCE, ESTIMATE)
    found = distortion.result()
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
