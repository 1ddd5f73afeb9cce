"""`check_stage`: a test of the contract of a stage, for authors of stages.

>>> from stream_restore.degradation.filters import CausalLowPass
>>> from stream_restore.spec import Spec
>>> check_stage(lambda: CausalLowPass(Spec(8000, 1), cutoff_hz=1000), grid=64, aligned_within=8)
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from math import floor
from typing import Any

import numpy as np

from .engine.stage import Stage
from .errors import FinishedError
from .spec import Audio

__all__ = ["check_stage", "example_signal", "partitions"]

Factory = Callable[[], Stage[Any]]


def partitions(frames: int, grid: int, seed: int = 0) -> dict[str, list[int]]:
    """Named ways to cut `frames` into block lengths, empty blocks included.

    >>> partitions(3, grid=2)["one frame at a time"]
    [1, 1, 1]
    """
    rng = np.random.default_rng(seed)
    marks = np.sort(rng.integers(0, frames + 1, 9)).tolist()
    return {
        "whole": [frames],
        "one frame at a time": [1] * frames,
        "sevens": _equal(frames, 7),
        "empty first": [0, 0, frames],
        "empty in the middle": [frames // 2, 0, frames - frames // 2],
        "empty last": [frames, 0],
        "grid - 1": _equal(frames, max(1, grid - 1)),
        "grid": _equal(frames, grid),
        "grid + 1": _equal(frames, grid + 1),
        f"random, seed {seed}": [b - a for a, b in zip([0, *marks], [*marks, frames], strict=True)],
    }


def example_signal(channels: int, frames: int, seed: int = 0) -> Audio:
    """Read-only noise at -12 dBFS whose neighbouring frames are alike, as in music; shape (channels, frames)."""
    noise = np.random.default_rng(seed).standard_normal((channels, frames + 8))
    smooth = sum(noise[:, k : k + frames] for k in range(8)) / np.sqrt(8)
    signal = (0.25 * np.asarray(smooth)).astype(np.float32)
    signal.setflags(write=False)
    return signal


def check_stage(
    factory: Factory,
    *,
    grid: int = 4096,
    lengths: Sequence[int] | None = None,
    aligned_within: int | None = 2,
    seed: int = 0,
) -> None:
    """Assert that the stages which `factory` makes obey every rule of the contract.

    Args:
        factory: makes a new stage with the same parameters at each call.
        grid: frames on which the stage works at a time; the cuts and lengths go around it.
        lengths: of the signals; by default 0, 1, 2, grid - 1, grid, grid + 1 and a few grids.
        aligned_within: frames by which the best match of output and input may be off, at the lower of the two rates; a
            causal filter needs some. None leaves alignment out, for outputs that do not resemble the input.
        seed: of signals and of the random cut.

    Raises:
        AssertionError: if a rule is violated; names the rule, the length and the cut.
    """
    stage = factory()
    for frames in lengths or (0, 1, 2, grid - 1, grid, grid + 1, 3 * grid + grid // 3):
        signal = example_signal(stage.input.channels, frames, seed)
        whole = np.concatenate(list(_run(factory(), signal, [frames])), axis=1)
        _check_length(stage, frames, whole)
        for name, cuts in partitions(frames, grid, seed).items():
            _check_partition(factory, signal, cuts, whole, f"{frames} frames, {name}")
    _check_reset(factory(), grid, seed)
    _check_restart(factory, grid, seed)
    _check_range(factory, grid, seed)
    _check_finished(factory(), grid)
    _check_memory(factory(), grid, seed)
    if aligned_within is not None:
        _check_alignment(factory(), grid, aligned_within, seed)


def _equal(frames: int, size: int) -> list[int]:
    return [min(size, frames - start) for start in range(0, frames, size)] or [0]


def _blocks(signal: Audio, cuts: Sequence[int]) -> Iterator[Audio]:
    for stop, length in zip(accumulate(cuts), cuts, strict=True):
        yield signal[:, stop - length : stop]


def _run(stage: Stage[Any], signal: Audio, cuts: Sequence[int]) -> Iterator[Audio]:
    """Process and flush. Blocks are read-only, then overwritten, which reveals a stage that kept one."""
    for block in _blocks(signal, cuts):
        lent = block.copy()
        lent.setflags(write=False)
        out = stage.process(lent)
        assert not np.shares_memory(out, lent), f"ownership: {type(stage).__name__} returned its own block"
        lent.setflags(write=True)
        lent.fill(np.nan)
        yield out
    yield stage.flush()


def _check_length(stage: Stage[Any], frames: int, whole: Audio) -> None:
    wanted = (stage.output.channels, stage.output_frames(frames))
    assert whole.shape == wanted, f"length: {frames} frames gave shape {whole.shape}, expected {wanted}"
    assert whole.dtype == np.float32, f"samples are {whole.dtype}, expected float32"


def _check_partition(factory: Factory, signal: Audio, cuts: Sequence[int], whole: Audio, case: str) -> None:
    stage, given, kept = factory(), 0, []
    returned = 0
    for out, length in zip(_run(stage, signal, cuts), [*cuts, 0], strict=True):
        given += length
        kept.append(out.copy())
        returned += out.shape[1]
        least = floor(max(0, given - stage.latency) * stage.ratio)
        assert least <= returned <= stage.output_frames(given), (
            f"latency: {case}: {returned} frames returned after {given} given, expected {least} to"
            f" {stage.output_frames(given)}"
        )
        if out.flags.writeable:
            out.fill(np.nan)  # what was returned belongs to the caller
    _assert_same(np.concatenate(kept, axis=1), whole, f"partition: {case}")


def _assert_same(got: Audio, wanted: Audio, case: str) -> None:
    assert got.shape == wanted.shape, f"{case}: shape {got.shape}, expected {wanted.shape}"
    different = np.flatnonzero((got != wanted).any(axis=0))
    assert not different.size, (
        f"{case}: {different.size} of {got.shape[1]} frames differ, the first at frame {different[0]}:"
        f" {got[:, different[0]]} instead of {wanted[:, different[0]]}"
    )


def _check_reset(stage: Stage[Any], grid: int, seed: int) -> None:
    first = example_signal(stage.input.channels, 2 * grid + 1, seed + 1)
    second = example_signal(stage.input.channels, grid + 1, seed + 2)
    fresh = list(_run(stage, second, [grid + 1]))
    stage.reset()
    stage.process(first)
    stage.reset()  # in mid-stream
    again = list(_run(stage, second, [grid + 1]))
    _assert_same(np.concatenate(again, axis=1), np.concatenate(fresh, axis=1), "reset: a second stream")


def _check_restart(factory: Factory, grid: int, seed: int) -> None:
    """Stop after the first block, and in mid-stream; go on with a new stage from the checkpoint."""
    stage = factory()
    frames = 2 * grid + 2 * stage.latency + 7
    signal = example_signal(stage.input.channels, frames, seed + 3)
    whole = np.concatenate(list(_run(stage, signal, [frames])), axis=1)
    for stop in (0, 1, grid + 1, frames - grid // 2):
        first, second = factory(), factory()
        before = first.process(signal[:, :stop])
        second.process(signal[:, :3])
        second.resume({path: array.copy() for path, array in first.checkpoint().items()})
        after = list(_run(second, signal[:, stop:], [frames - stop]))
        _assert_same(np.concatenate([before, *after], axis=1), whole, f"restart: after {stop} of {frames} frames")


def _check_range(factory: Factory, grid: int, seed: int) -> None:
    """Begin late, at places of any kind, with nothing of what lies further back than `lookback`."""
    stage = factory()
    late = stage.lookback or 0
    frames = late + 2 * grid + stage.latency // 2
    signal = example_signal(stage.input.channels, frames, seed + 4)
    whole = np.concatenate(list(_run(stage, signal, [frames])), axis=1)
    for place in {0, 1, grid - 1, late + grid + 1, late + 2 * grid, frames - 1}:
        frame = min(int(place * stage.ratio), whole.shape[1])
        stage = factory()
        begun = stage.start_at(frame)
        case = f"range: from output frame {frame} on, input from frame {begun.input} on"
        assert begun.output <= frame, f"{case}: begins with output frame {begun.output}"
        if stage.lookback is not None:
            assert begun.input >= max(0, frame / stage.ratio - stage.lookback), (
                f"{case}: looks further back than it says"
            )
        cuts = np.arange(begun.input, frames, grid // 2 + 1)
        out = [stage.advance(begun.state, signal[:, cut : cut + grid // 2 + 1]) for cut in cuts]
        late_run = np.concatenate([*out, stage.drain(begun.state)], axis=1)
        _assert_same(late_run[:, frame - begun.output :], whole[:, frame:], case)


def _check_finished(stage: Stage[Any], grid: int) -> None:
    list(_run(stage, example_signal(stage.input.channels, grid), [grid]))
    for call in (stage.flush, lambda: stage.process(example_signal(stage.input.channels, 1))):
        message = _finished_message(call)
        assert "reset" in message, (
            f"flush: a call after the end should raise FinishedError and name reset, got {message!r}"
        )


def _finished_message(call: Callable[[], object]) -> str:
    try:
        call()
    except FinishedError as error:
        return str(error)
    return ""


def _check_memory(stage: Stage[Any], grid: int, seed: int) -> None:
    """Over the second half of a long stream the state is at most twice as large as over the first.

    Twice, because a buffer may meet its fullest moment late and doubles then; a state that keeps its input
    grows far beyond that.
    """
    cells = 8 * (2 + -(-stage.latency // grid))
    sizes = []
    for cell in range(2 * cells):
        stage.process(example_signal(stage.input.channels, grid, seed + cell))
        sizes.append(stage.state_bytes())
    early, late = max(sizes[: cells // 2]), max(sizes[cells:])
    assert late <= 2 * early, f"memory: the state grew from {early} to {late} bytes over {2 * cells * grid} frames"


def _check_alignment(stage: Stage[Any], grid: int, within: int, seed: int) -> None:
    """The cross-correlation of output and input, both at the lower rate, peaks at lag 0 +- `within`."""
    signal = example_signal(stage.input.channels, 4 * grid + 4 * stage.latency, seed)
    out = np.concatenate(list(_run(stage, signal, [signal.shape[1]])), axis=1)
    lower = min(stage.input.sample_rate, stage.output.sample_rate)
    given = _at_rate(signal.mean(axis=0), stage.input.sample_rate, lower)
    returned = _at_rate(out[: max(1, len(signal))].mean(axis=0), stage.output.sample_rate, lower)
    size = 2 * max(len(given), len(returned))
    match = np.fft.irfft(np.conj(np.fft.rfft(given, size)) * np.fft.rfft(returned, size))
    lag = int((np.argmax(match) + size // 2) % size - size // 2)
    assert abs(lag) <= within, (
        f"alignment: the output comes {lag} frames late (at {lower} Hz), at most {within} allowed"
    )


def _at_rate(samples: Any, rate: int, lower: int) -> Any:
    """Samples at the instants of a lower rate, by linear interpolation: enough to find a lag."""
    times = np.arange(int(len(samples) * lower / rate)) * (rate / lower)
    return np.interp(times, np.arange(len(samples)), samples)
