"""The degradation chain equals SciPy on the whole signal, step by step and together."""

from typing import Any

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, firwin, lfilter, resample_poly, sosfilt, sosfiltfilt

from stream_restore.degradation import AddNoise, Degradation, Quantise, mean_power
from stream_restore.degradation.filters import CausalLowPass, ZeroPhaseLowPass, butterworth, decay_frames
from stream_restore.engine.noise import Noise, tpdf
from stream_restore.engine.resample import PolyphaseResampler, SoxrResampler
from stream_restore.engine.stage import Stage
from stream_restore.errors import ConfigError
from stream_restore.measure import Distortion
from stream_restore.spec import Audio, Spec
from stream_restore.testing import example_signal


def streamed(stage: Stage[Any], signal: Audio, block: int = 3001) -> Audio:
    blocks = [stage.process(signal[:, at : at + block]) for at in range(0, signal.shape[1], block)]
    return np.concatenate([*blocks, stage.flush()], axis=1)


def wide(signal: Audio) -> NDArray[np.float64]:
    return signal.astype(np.float64)


@pytest.mark.parametrize(
    ("cutoff", "order", "rate"), [(7000, 6, 32000), (7000, 6, 44100), (100, 2, 8000), (3000, 9, 16000)]
)
def test_causal_low_pass_equals_sosfilt(cutoff: float, order: int, rate: int) -> None:
    signal = example_signal(2, 20_000)
    wanted = sosfilt(butter(order, cutoff, fs=rate, output="sos"), wide(signal))
    assert (streamed(CausalLowPass(Spec(rate, 2), cutoff, order), signal) == wanted.astype(np.float32)).all()


@pytest.mark.parametrize(
    ("cutoff", "order", "rate"),
    [(7000, 6, 32000), (7000, 6, 44100), (100, 2, 8000), (3000, 9, 16000), (100, 24, 44100), (60, 12, 96000)],
)
@pytest.mark.parametrize("frames", [100, 4095, 40_000])
def test_zero_phase_low_pass_equals_sosfiltfilt(cutoff: float, order: int, rate: int, frames: int) -> None:
    signal = example_signal(2, frames)
    wanted = sosfiltfilt(butter(order, cutoff, fs=rate, output="sos"), wide(signal))
    assert np.abs(streamed(ZeroPhaseLowPass(Spec(rate, 2), cutoff, order), signal) - wanted).max() <= 2e-7


def test_zero_phase_low_pass_keeps_a_constant() -> None:
    signal = np.full((1, 20_000), 0.5, np.float32)
    assert np.abs(streamed(ZeroPhaseLowPass(Spec(32000, 1), 7000), signal) - signal).max() <= 1e-7


@pytest.mark.parametrize("frames", [1, 2, 5, 21])
def test_zero_phase_low_pass_of_a_few_frames_extends_by_what_there_is(frames: int) -> None:
    signal = example_signal(1, frames)
    sos = butter(6, 7000, fs=32000, output="sos")
    wanted = sosfiltfilt(sos, wide(signal), padlen=frames - 1)
    assert np.abs(streamed(ZeroPhaseLowPass(Spec(32000, 1), 7000), signal) - wanted).max() <= 1e-7


def test_the_look_ahead_leaves_out_less_than_minus_120_db() -> None:
    sos = butterworth(7000, 6, 32000)
    response = sosfilt(sos, np.eye(1, 100_000)[0])
    assert np.abs(response[decay_frames(sos) :]).sum() < 1e-6


@pytest.mark.parametrize("cutoff", [0.01, 1e-300])
def test_a_filter_that_rings_too_long_to_look_ahead_is_refused(cutoff: float) -> None:
    with pytest.raises(ConfigError, match="zero-phase filter rings for more than 1048576 frames; raise it"):
        ZeroPhaseLowPass(Spec(44100, 1), cutoff)
    CausalLowPass(Spec(44100, 1), cutoff)


@pytest.mark.parametrize(("bits", "order"), [(8, 2.5), (8.5, 6), (1, 6), (8, 25)])
def test_bits_and_orders_are_whole_numbers_within_bounds(bits: Any, order: Any) -> None:
    with pytest.raises(ConfigError, match="must be"):
        Degradation(bits=bits, order=order, snr_db=None).stage(Spec(44100, 1))


@pytest.mark.parametrize(
    ("rate", "other"), [(32000, 16000), (16000, 32000), (44100, 16000), (16000, 44100), (48000, 44100), (11025, 11025)]
)
@pytest.mark.parametrize("frames", [1, 1000, 30_000])
def test_resampling_equals_resample_poly(rate: int, other: int, frames: int) -> None:
    signal = example_signal(2, frames)
    ours = streamed(PolyphaseResampler(Spec(rate, 2), other), signal)
    theirs = resample_poly(wide(signal), other, rate, axis=1)[:, : ours.shape[1]]
    assert (ours == theirs.astype(np.float32)).all()
    assert abs(ours.shape[1] - frames * other / rate) <= 0.5


def test_resampling_equals_its_own_formula() -> None:
    """Independent of SciPy's polyphase code: insert zeros, filter, pick."""
    up, down, signal = 3, 4, example_signal(1, 200)
    taps = up * firwin(81, 1 / down, window=("kaiser", 5.0))
    stuffed = np.zeros(up * 200 + 40)
    stuffed[: up * 200 : up] = signal[0]
    wanted = lfilter(taps, [1.0], stuffed)[40::down][: up * 200 // down]
    assert np.abs(streamed(PolyphaseResampler(Spec(4000, 1), 3000), signal) - wanted).max() <= 1e-7


@pytest.mark.parametrize(("rate", "other"), [(44100, 48000), (48000, 44100), (8000, 44100), (96000, 44100)])
def test_soxr_in_cells_equals_soxr_of_the_whole(rate: int, other: int) -> None:
    signal = example_signal(2, 100_000)
    ours = streamed(SoxrResampler(Spec(rate, 2), other), signal)
    theirs = soxr.resample(signal.T, rate, other, quality="HQ").T
    # soxr starts with a jump that lasts a few frames of the lower rate; ours has silence before frame 0.
    begun = 16 * max(1, other // rate)
    common = slice(begun, min(ours.shape[1], theirs.shape[1]))
    assert np.abs(ours[:, common] - theirs[:, common]).max() <= 1e-6


@pytest.mark.parametrize(("rate", "other"), [(44100, 192_000), (44100, 44056), (96000, 44100)])
def test_soxr_in_cells_has_no_seams(rate: int, other: int) -> None:
    tone = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(100_000) / rate))[None].astype(np.float32)
    ours = streamed(SoxrResampler(Spec(rate, 1), other), tone)[0]
    wanted = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(len(ours)) / other)
    assert np.abs(ours - wanted)[2000:-2000].max() <= 1e-6


@pytest.mark.parametrize(("rate", "other"), [(44100, 48000), (32000, 16000), (8000, 44100)])
def test_up_and_down_again_returns_every_length(rate: int, other: int) -> None:
    low, high = sorted((rate, other))
    up, down = PolyphaseResampler(Spec(low, 1), high), PolyphaseResampler(Spec(high, 1), low)
    assert all(down.output_frames(up.output_frames(n)) == n for n in range(20_000))


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_the_error_of_dithered_quantisation_does_not_know_the_signal(bits: int) -> None:
    step = 1 / (2 ** (bits - 1) - 1)
    for level in (0.0, 0.25, 0.5):  # of a step: without dither its mean would be wrong by as much
        signal = np.full((1, 200_000), level * step, np.float32)
        error = (streamed(Quantise(Spec(8000, 1), bits), signal) - signal) / step
        assert abs(error.mean()) < 0.01
        assert abs(np.square(error).mean() - 3 / 12) < 0.01  # 1/12 of rounding and 2/12 of triangular dither


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_samples_are_rounded_as_in_double_precision(bits: int) -> None:
    steps, signal = 2 ** (bits - 1) - 1, 0.9 * example_signal(2, 50_000)
    dither = Noise(0, 1, 2, tpdf).read(0, 50_000)
    wanted = np.clip(np.rint(wide(signal) * steps + dither), -steps, steps) / steps
    assert (streamed(Quantise(Spec(8000, 2), bits), signal) == wanted.astype(np.float32)).all()


def test_quantised_samples_are_steps_within_full_scale() -> None:
    out = streamed(Quantise(Spec(8000, 1), 8), 4 * example_signal(1, 10_000))
    levels = out * 127
    assert np.abs(levels - np.rint(levels)).max() < 1e-4
    assert np.abs(out).max() == 1


def test_noise_has_the_power_asked_for() -> None:
    signal = np.zeros((2, 300_000), np.float32)
    noise = streamed(AddNoise(Spec(8000, 2), snr_db=13, power=0.5), signal)
    assert abs(10 * np.log10(0.5 / np.square(noise).mean()) - 13) < 0.05
    assert abs(np.corrcoef(noise[0], noise[1]).item(1)) < 0.01


def test_noise_and_dither_are_the_same_from_any_starting_point() -> None:
    signal = example_signal(1, 9000)
    stage = AddNoise(Spec(8000, 1), snr_db=0, power=1.0, seed=7)
    state = stage.initial_state()
    state.frame = 5000
    assert (stage.advance(state, signal[:, 5000:]) == streamed(stage, signal)[:, 5000:]).all()


def offline(signal: NDArray[np.float64], phase: str, rate: int) -> NDArray[np.float64]:
    """The chain of the paper on the whole signal, without quantisation and noise."""
    run = sosfiltfilt if phase == "zero" else sosfilt
    low = run(butter(6, 7000, fs=rate, output="sos"), signal)
    there = resample_poly(low, 16000, rate, axis=1)
    return np.asarray(resample_poly(there, rate, 16000, axis=1)[:, : signal.shape[1]])


@pytest.mark.parametrize("phase", ["zero", "causal"])
@pytest.mark.parametrize("rate", [32000, 44100])
def test_the_chain_equals_scipy_without_noise(phase: Any, rate: int) -> None:
    signal = example_signal(2, 50_001)
    chain = Degradation(phase=phase, bits=None, snr_db=None).stage(Spec(rate, 2))
    assert np.abs(streamed(chain, signal) - offline(wide(signal), phase, rate)).max() <= 1e-6


@pytest.mark.parametrize("snr", [0, 10, 20])
def test_the_chain_has_the_snr_of_an_offline_chain(snr: float) -> None:
    signal, spec = example_signal(1, 200_000), Spec(32000, 1)
    degradation = Degradation(snr_db=snr)
    power = mean_power([streamed(degradation.before_noise(spec), signal)])
    ours = streamed(degradation.stage(spec, power), signal)
    rng = np.random.default_rng(0)
    there = resample_poly(sosfiltfilt(butter(6, 7000, fs=32000, output="sos"), wide(signal)), 1, 2, axis=1)
    dither = rng.random(there.shape) - rng.random(there.shape)
    there = np.clip(np.rint(there * 127 + dither), -127, 127) / 127
    there += rng.standard_normal(there.shape) * np.sqrt(np.square(there).mean() / 10 ** (snr / 10))
    theirs = resample_poly(there, 2, 1, axis=1).astype(np.float32)
    assert abs(sdr(signal, ours) - sdr(signal, theirs)) < 0.1


def sdr(reference: Audio, estimate: Audio) -> float:
    distortion = Distortion()
    distortion.update(reference, estimate)
    return distortion.result().sdr_db


def test_every_step_can_be_left_out() -> None:
    signal = example_signal(2, 5000)
    nothing = Degradation(cutoff_hz=None, sample_rate=None, bits=None, snr_db=None)
    assert (streamed(nothing.stage(Spec(44100, 2)), signal) == signal).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cutoff_hz": 16000.0}, "16000"),
        ({"cutoff_hz": 0.0}, "cutoff"),
        ({"order": 0}, "order"),
        ({"bits": 1}, "bits"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"phase": "linear"}, "phase"),
        ({"sample_rate": 2**21 + 1}, "ratio"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Degradation(**options).stage(Spec(32000, 1), power=1.0)


def test_noise_without_a_level_is_refused() -> None:
    with pytest.raises(ConfigError, match="measure"):
        Degradation().stage(Spec(32000, 1))
