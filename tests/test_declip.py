"""Peaks that were cut off come back; all other samples stay, bit for bit."""

import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from cheap import COMMAND
from numpy.typing import NDArray
from plucked_notes import RATE, SECONDS, TIME, Samples, music, run, sdr
from scipy.signal import butter, firwin, sosfilt

from stream_restore.errors import ConfigError
from stream_restore.restoration import Restoration
from stream_restore.restoration.repairs import Declip
from stream_restore.restoration.repairs.clipping.aspade import ACCURATE, FIRST, more, solve
from stream_restore.restoration.repairs.clipping.likeliest import FLOOR, likeliest
from stream_restore.restoration.repairs.clipping.social import ITERATIONS, LEVELS, MOMENTUM, persistent
from stream_restore.spec import Audio, Spec
from stream_restore.testing import partitions


def declipped(sound: Audio, rate: int = RATE) -> Audio:
    return run(Declip(Spec(rate, len(sound))), sound)


def gain(clean: Audio, clipped: Audio) -> float:
    return sdr(clean, declipped(clipped)) - sdr(clean, clipped)


@pytest.mark.parametrize("level", [0.1, 0.2, 0.3])
def test_peaks_come_back_and_all_else_stays(level: float) -> None:
    clean = music()
    clipped = clean.clip(-level, level)
    stage = Declip(Spec(RATE, 1))
    out = run(stage, clipped)
    cut = np.abs(clean) > level
    assert gain(clean, clipped) > 12
    assert (out[~cut] == clipped[~cut]).all()
    assert (np.abs(out[cut]) >= level).all()
    assert stage.report()["samples"] == cut.sum()


@pytest.mark.parametrize("rate", [8000, 44100, 96000])
def test_a_sine_has_its_peak_again(rate: int) -> None:
    sine = np.sin(2 * np.pi * 431 * np.arange(4 * rate) / rate)[None].astype(np.float32)
    out = declipped(sine.clip(-0.7, 0.7), rate)
    inner = slice(rate // 2, -rate // 2)
    assert np.abs(out[:, inner]).max() == pytest.approx(1.0, abs=0.07)
    assert sdr(sine[:, inner], out[:, inner]) > 35


def test_it_is_ahead_of_ffmpegs_filter(tmp_path: Path) -> None:
    clean = music()
    clipped = clean.clip(-0.2, 0.2)
    soundfile.write(tmp_path / "clipped.wav", clipped.T, RATE, subtype="FLOAT")
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", "clipped.wav", "-af", "adeclip", "-c:a", "pcm_f32le", "theirs.wav"],
        cwd=tmp_path,
        check=True,
    )
    theirs = soundfile.read(tmp_path / "theirs.wav", dtype="float32", always_2d=True)[0].T
    assert sdr(clean, declipped(clipped)) > sdr(clean, theirs[:, : clean.shape[1]]) + 6


def solved_alone(frame: Samples, clipped: NDArray[np.bool_], steps: int) -> Samples:
    """A-SPADE as the paper has it, one frame, in float64."""
    size = len(frame)

    def analysed(samples: Samples) -> NDArray[np.complex128]:
        return np.asarray(np.fft.fft(np.concatenate([samples, np.zeros(size)])) / np.sqrt(2 * size))

    estimate, dual, kept = frame, np.zeros(2 * size, complex), FIRST
    while kept <= size:
        wanted = analysed(estimate) + dual
        # Coefficients of a real signal come in pairs, but for the first and the middle one.
        strongest = set(np.argsort(-np.abs(wanted[: size + 1]))[:kept])
        sparse = np.array([c if min(k, 2 * size - k) in strongest else 0 for k, c in enumerate(wanted)])
        free = np.fft.ifft(sparse - dual).real[:size] * np.sqrt(2 * size)
        estimate = np.where(clipped, np.sign(frame) * np.maximum(np.sign(frame) * free, np.abs(frame)), frame)
        error = analysed(estimate) - sparse
        if np.linalg.norm(error) <= ACCURATE * np.linalg.norm(frame):
            break
        dual, kept = dual + error, kept + more(kept, steps)
    return estimate


@pytest.mark.parametrize("steps", [2, 8])
def test_frames_are_solved_as_the_paper_has_it(steps: int) -> None:
    window = np.sqrt(np.hanning(257)[:-1])
    frames = np.stack([music()[0, at : at + 256].clip(-0.15, 0.15) * window for at in range(0, 25600, 1280)])
    level = 0.15 * window * (1 - 1e-6)
    clipped = (np.abs(frames) >= level) & (window > 0)
    ours = solve(frames.astype(np.float32), clipped, steps)
    for our, frame, mask in zip(ours, frames, clipped, strict=True):
        assert our == pytest.approx(solved_alone(frame, mask, steps), abs=5e-3)


def test_missing_samples_are_the_likeliest_for_the_spectrum() -> None:
    size, rng = 64, np.random.default_rng(0)
    frames = music()[0, 20000 : 20000 + 20 * size].reshape(20, size) * np.hanning(size)
    missing = np.zeros(frames.shape, bool)
    for row in missing:
        row[rng.choice(size, 10, replace=False)] = True
    guess = np.where(missing, frames + 0.02 * rng.standard_normal(frames.shape), frames)
    ours = likeliest(frames.astype(np.float32), missing, guess.astype(np.float32))
    analysis = np.fft.rfft(np.eye(size), 2 * size, axis=0, norm="ortho")
    # Each coefficient counts twice but for the first and the middle one, which are their own mirror images.
    twice = np.full(size + 1, 2.0)
    twice[[0, -1]] = 1.0
    for our, frame, mask, first in zip(ours, frames, missing, guess, strict=True):
        power = np.pad(np.abs(analysis @ first) ** 2, 1, mode="edge")
        variance = np.convolve(power, np.ones(3) / 3, mode="valid")
        weights = twice / (variance + FLOOR * variance.mean())
        normal = (analysis.conj().T * weights @ analysis).real
        wanted = np.linalg.solve(normal[np.ix_(mask, mask)], -normal[np.ix_(mask, ~mask)] @ frame[~mask])
        assert our[mask] == pytest.approx(wanted, abs=1e-3 * np.abs(frame).max())
        assert (our[~mask] == frame[~mask].astype(np.float32)).all()


def shrunk_alone(sound: Samples, clipped: NDArray[np.bool_], size: int, neighbours: int) -> Samples:
    """Social sparsity as the paper has it, one channel, coefficient by coefficient, in float64."""
    hop, reach = size // 2, neighbours // 2
    window = np.sqrt(np.hanning(size + 1)[:-1])

    def analysed(samples: Samples) -> NDArray[np.complex128]:
        padded = np.pad(samples, hop)
        starts = range(0, len(padded) - hop, hop)
        return np.array([np.fft.rfft(padded[at : at + size] * window, norm="ortho") for at in starts])

    def synthesised(spectra: NDArray[np.complex128]) -> Samples:
        out = np.zeros(len(sound) + size)
        for number, spectrum in enumerate(spectra):
            out[number * hop : number * hop + size] += np.fft.irfft(spectrum, norm="ortho") * window
        return out[hop:-hop]

    moved = last = analysed(sound)
    largest = np.abs(moved).max()
    for level in np.repeat(LEVELS, ITERATIONS) * largest:
        guess = synthesised(moved)
        beyond = np.sign(sound) * np.maximum(np.sign(sound) * guess, np.abs(sound))
        step = moved + analysed(np.where(clipped, beyond, sound) - guess)
        power = np.pad(np.abs(step) ** 2, ((reach, reach), (0, 0)))
        around = sum(power[number : number + len(step)] for number in range(neighbours)) / neighbours
        kept = step * np.maximum(0, 1 - level**2 / np.maximum(around, 1e-30))
        last, moved = kept, kept + MOMENTUM * (kept - last)
    return synthesised(last)


@pytest.mark.parametrize("neighbours", [1, 3, 7])
def test_spectra_are_shrunk_as_the_paper_has_it(neighbours: int) -> None:
    clipped = music()[0, 20000:24096].clip(-0.1, 0.1)
    cut = np.abs(clipped) >= 0.1
    ours = persistent(clipped[None], cut[None], 256, neighbours)[0]
    assert ours == pytest.approx(shrunk_alone(clipped.astype(np.float64), cut, 256, neighbours), abs=3e-5)


def test_two_channels_help_each_other_and_more_go_alone() -> None:
    first, second = music(1)[0], music(2)[0]
    clean = np.stack([first + 0.1 * second, 0.9 * first - 0.1 * second])
    clipped = clean.clip([[-0.1], [-0.2]], [[0.1], [0.2]])
    apart = np.concatenate([declipped(channel[None]) for channel in clipped])
    assert sdr(clean, declipped(clipped)) > sdr(clean, apart) + 0.5
    three = np.concatenate([clipped, 0.5 * music(3).clip(-0.2, 0.2)])
    assert (declipped(three) == np.concatenate([declipped(channel[None]) for channel in three])).all()


STORED = {
    "as it was cut": lambda cut, rng: cut,
    "scaled": lambda cut, rng: 0.37 * cut,
    "shifted": lambda cut, rng: cut + 0.02,
    "in 16 bits": lambda cut, rng: np.round(cut * 32768) / 32768,
    "dithered to 16 bits": lambda cut, rng: (
        np.round(cut * 32768 + rng.random(cut.shape) - rng.random(cut.shape)) / 32768
    ),
    "upside down": lambda cut, rng: -cut,
}


@pytest.mark.parametrize("name", STORED)
def test_the_level_is_found_whatever_was_done_afterwards(name: str) -> None:
    clean = music()

    def stored(sound: Audio) -> Audio:
        return np.asarray(STORED[name](sound.astype(np.float64), np.random.default_rng(0)), np.float32)

    shift = 0.02 if name == "shifted" else 0.0
    out, clipped, wanted = declipped(stored(clean.clip(-0.2, 0.2))), stored(clean.clip(-0.2, 0.2)), stored(clean)
    assert sdr(wanted - shift, out - shift) > sdr(wanted - shift, clipped - shift) + 9


BLURRED = {
    "resampled": lambda sound: soxr.resample(sound.T, RATE, 0.92 * RATE).T,
    "in noise": lambda sound: sound + 0.001 * np.random.default_rng(0).standard_normal(sound.shape),
}


@pytest.mark.parametrize("name", BLURRED)
def test_the_level_is_found_where_no_two_tops_are_equal(name: str) -> None:
    clean, clipped = (np.asarray(BLURRED[name](sound), np.float32) for sound in (music(), music().clip(-0.2, 0.2)))
    assert gain(clean, clipped) > 8


@pytest.mark.parametrize("bits", [8, 16])
def test_dither_that_was_cut_off_at_full_scale_with_the_peaks_hides_none(bits: int) -> None:
    clean, full, rng = 5 * music(), 2 ** (bits - 1), np.random.default_rng(0)
    noise = rng.random(clean.shape) - rng.random(clean.shape)
    clipped = np.asarray((clean.clip(-1, 1) * full + noise).round().clip(-full, full - 1) / full, np.float32)
    assert gain(clean, clipped) > 9


def test_the_level_may_change_and_differ_between_channels_and_sides() -> None:
    clean = np.concatenate([music(1), music(2), music(3)])
    fade = np.where(TIME < SECONDS / 2, 1.0, 0.4)
    clipped = clean.copy()
    clipped[0] = np.clip(clean[0], -0.2, 0.2) * fade
    clipped[1] = np.minimum(clean[1], 0.15)
    wanted = clean * np.stack([fade, np.ones(len(fade)), np.ones(len(fade))]).astype(np.float32)
    out = declipped(clipped)
    assert sdr(wanted[0], out[0]) > sdr(wanted[0], clipped[0]) + 8
    assert sdr(wanted[1], out[1]) > sdr(wanted[1], clipped[1]) + 9
    assert (out[1, clean[1] < 0] == clipped[1, clean[1] < 0]).all()
    assert (out[2] == clipped[2]).all()


def limited(sound: Samples) -> Samples:
    """What a limiter without distortion makes: every peak as high as the next, none cut off."""
    size = 400
    peaks = np.abs(np.pad(sound, size, mode="edge"))
    highest = np.lib.stride_tricks.sliding_window_view(peaks, 2 * size + 1).max(axis=1)
    return np.asarray(0.5 * sound / np.maximum(0.1, highest))


def low_passed(sound: Samples, hertz: float) -> Samples:
    return np.asarray(sosfilt(butter(2, hertz, fs=RATE, output="sos"), sound))


def pulses() -> Samples:
    """Two voices of a chip, through a low-pass: notes of pulses, which rest at some values."""
    rng, out = np.random.default_rng(1), np.zeros(len(TIME))
    for _ in range(2):
        pitch = np.repeat(110 * 2 ** (rng.integers(0, 36, 24) / 12), len(TIME) // 24)
        out += rng.uniform(0.3, 1) * (np.cumsum(pitch) / RATE % 1 < rng.choice([0.125, 0.25, 0.5]))
    return np.convolve(out, firwin(101, 0.27 * RATE, fs=RATE), mode="same") / 2


PULSE = np.where(TIME * 220 % 1 < 0.25, 0.5, -0.5)

UNCUT = {
    "music": music()[0],
    "silence": np.zeros(len(TIME)),
    "a sine": np.sin(2 * np.pi * 440 * TIME),
    "a slow sine of 8 bits": np.round(60 * np.sin(2 * np.pi * 50 * TIME)) / 128,
    "a square wave": np.sign(np.sin(2 * np.pi * 440 * TIME + 0.1)),
    "a square wave at another rate": soxr.resample(np.sign(np.sin(2 * np.pi * 440 * TIME + 0.1)), RATE, 0.92 * RATE),
    "a pulse through a low-pass": low_passed(PULSE, 2000),
    "a pulse through a low low-pass": low_passed(PULSE, 1000),
    "square waves of many pitches": low_passed(
        0.5
        * np.sign(
            np.sin(2 * np.pi * np.cumsum(np.repeat(np.random.default_rng(0).integers(80, 500, 24), 4000)) / RATE)
        ),
        3000,
    ),
    "a square wave in noise": np.sign(np.sin(2 * np.pi * 440 * TIME + 0.1))
    + np.random.default_rng(0).normal(0, 0.01, len(TIME)),
    "a pulse": 0.7 * (TIME % 0.004 < 0.001),
    "two voices of a chip": pulses(),
    "a triangle": 2 * np.abs(2 * (TIME * 330 % 1) - 1) - 1,
    "a saw": 2 * (TIME * 330 % 1) - 1,
    "noise": np.random.default_rng(0).normal(0, 0.1, len(TIME)),
    "even noise": np.random.default_rng(0).uniform(-0.5, 0.5, len(TIME)),
    "music through a limiter": limited(music()[0].astype(np.float64)),
}


@pytest.mark.parametrize("name", UNCUT)
def test_what_was_not_cut_off_comes_back_bit_for_bit(name: str) -> None:
    sound = np.asarray(UNCUT[name][None], np.float32)
    stage = Declip(Spec(RATE, 1))
    assert (run(stage, sound) == sound).all()
    assert stage.report() == {"samples": 0, "seconds": 0}


def test_a_clipped_recording_gives_the_same_output_for_any_partition() -> None:
    clipped = music().clip(-0.2, 0.2)
    whole = declipped(clipped)
    for name, cuts in partitions(clipped.shape[1], grid=16384).items():
        if name not in ("one frame at a time", "sevens"):
            stage, marks = Declip(Spec(RATE, 1)), np.cumsum([0, *cuts])
            out = [stage.process(clipped[:, a:b]) for a, b in pairwise(marks)]
            assert (np.concatenate([*out, stage.flush()], axis=1) == whole).all(), name


def test_a_stopped_stream_goes_on() -> None:
    clipped = music().clip(-0.2, 0.2)
    first, second = Declip(Spec(RATE, 1)), Declip(Spec(RATE, 1))
    before = first.process(clipped[:, : 4 * RATE])
    second.resume({path: array.copy() for path, array in first.checkpoint().items()})
    after = [second.process(clipped[:, 4 * RATE :]), second.flush()]
    assert (np.concatenate([before, *after], axis=1) == declipped(clipped)).all()
    assert second.report()["samples"] == np.count_nonzero(np.abs(clipped) >= np.float32(0.2))


def test_strength_scales_what_is_added() -> None:
    clipped = music().clip(-0.2, 0.2)
    whole, half = declipped(clipped), run(Declip(Spec(RATE, 1), strength=0.5), clipped)
    assert half == pytest.approx((whole + clipped) / 2, abs=1e-6)
    assert (half[whole == clipped] == clipped[whole == clipped]).all()


def test_peaks_that_integers_do_not_hold_are_counted_with_the_cure(tmp_path: Path) -> None:
    clipped = (music(loud=1.5)).clip(-1, 1)
    soundfile.write(tmp_path / "in.wav", clipped.T, RATE, subtype="PCM_16")

    def said(*options: str) -> str:
        command = [*COMMAND, "restore", "in.wav", "--repair", "clipping", "--force", "-o", "out.wav", *options]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stderr

    assert "samples clipped; --headroom DB makes room, --float32 keeps all" in said()
    assert "clipped" not in said("--float32")
    louder = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)[0].T
    assert np.abs(louder).max() > 1.2
    assert "clipped" not in said("--headroom", "6")
    lowered = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)[0].T
    assert lowered == pytest.approx(10 ** (-6 / 20) * louder, abs=1e-4)


def test_headroom_is_a_number_of_decibels() -> None:
    with pytest.raises(ConfigError, match="headroom_db must be 0 or more, got -1"):
        Restoration(headroom_db=-1)
