"""The contract of a stage, and `Chain`, which joins stages.

A stage turns a stream of blocks into a stream of blocks. A subclass implements three methods on a state
that is an ordinary value (best a small dataclass):

    initial_state() -> state         a new stream
    advance(state, block) -> Audio   the output that is ready after this block
    drain(state) -> Audio            the remaining output at the end

and sets its parameters before calling `super().__init__`. The base class provides `process`, `flush`,
`reset`, `output_frames` and `state_bytes`. With r = output rate / input rate, n frames given so far and m
frames returned so far, every stage obeys:

partition    for any cuts of x, empty ones included, concat(process(b) for b) + flush() is the same
             array, bit for bit
length       at the end m == output_frames(n): the nearest integer to n*r; a chain composes its stages
alignment    output frame k is the sound at k / output rate; there is no leading delay
latency      after every call floor(max(0, n - latency)*r) <= m <= output_frames(n)
memory       state_bytes() has a bound that does not depend on n
flush        ends the stream once; later calls raise FinishedError; the tail uses the live state
reset        at any time; afterwards the stage equals a new one: it makes the state again
restart      a new stage that resumes from a checkpoint continues as the first would have, bit for bit
range        from start_at(k) on, output frame k and those behind it are the same, bit for bit, as in a stream from
             frame 0; the input of the last `lookback` frames before k/r is enough, or all of it if that is None
ownership    a block is never modified and never kept by reference
determinism  no clocks and no unseeded randomness

"Bit for bit" is possible because whatever depends on the length of an array (FFT, BLAS, a network, a
pairwise sum) works only on blocks of a fixed size anchored at frame 0; because recursions go frame by
frame; and because random numbers are a function of seed and absolute frame. A stage that is not ready
returns fewer frames. `stream_restore.testing.check_stage` tests every rule.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, FinishedError, SpecError
from ..spec import Audio, Spec, empty, nearest
from .state import Arrays, load_state_dict, state_dict

__all__ = ["Chain", "Stage", "Start", "StateT", "state_bytes"]

StateT = TypeVar("StateT")

PIECE = 65536
"""Frames processed at once: a large block must not enlarge the state."""


class Start(NamedTuple, Generic[StateT]):
    """How a stream begins in mid-recording: see `Stage.start_at`.

    Attributes:
        state: of a stream that was given nothing yet.
        input: the first input frame to be given.
        output: the output frame that it returns first.
    """

    state: StateT
    input: int
    output: int


class Stage(ABC, Generic[StateT]):
    """A stream of blocks in, a stream of blocks out. The module's docstring defines the contract.

    Attributes:
        input: spec of input blocks.
        output: spec of output blocks.
        latency: frames at the input rate by which the output may lag; an upper bound.
    """

    def __init__(self, input: Spec, output: Spec, latency: int = 0) -> None:
        self.input = input
        self.output = output
        self.latency = latency
        self.reset()

    @property
    def ratio(self) -> Fraction:
        """Output rate over input rate."""
        return Fraction(self.output.sample_rate, self.input.sample_rate)

    @abstractmethod
    def initial_state(self) -> StateT:
        """The state of a stream before its first frame."""

    @abstractmethod
    def advance(self, state: StateT, block: Audio) -> Audio:
        """Take `block` into `state`; return the frames that are ready, shape (output channels, any)."""

    @abstractmethod
    def drain(self, state: StateT) -> Audio:
        """The frames that remain when the stream ends, shape (output channels, any)."""

    def process(self, block: Audio) -> Audio:
        """Process the next block, shape (input channels, frames); return the frames that are ready.

        Raises:
            SpecError: if the number of dimensions or channels is wrong, or the samples are not floats.
            FinishedError: if the stream was flushed.
        """
        self._check_open()
        block = self._checked(block)
        starts = range(0, max(1, block.shape[1]), PIECE)
        pieces = [self.advance(self._state, block[:, start : start + PIECE]) for start in starts]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)

    def flush(self) -> Audio:
        """End the stream; return the remaining frames.

        Raises:
            FinishedError: if the stream was flushed before.
        """
        self._check_open()
        self._finished = True
        return self.drain(self._state)

    @property
    def lookback(self) -> int | None:
        """Frames at the input rate by which the output may depend on the past, an upper bound.

        None, the default, is no bound: a recursive filter's output depends on all that came before.
        """
        return None

    def start_at(self, frame: int) -> Start[StateT]:
        """Where and how a stream can begin whose output is wanted from output frame `frame` on.

        Output frames from `Start.output` to `frame` need not be right; those from `frame` on are those of a stream that
        began at frame 0. By default it does begin there: a stage whose `lookback` is bounded must override this.
        """
        return Start(self.initial_state(), 0, 0)

    def reset(self) -> None:
        """Forget the stream and begin a new one."""
        self._state = self.initial_state()
        self._finished = False

    def settle(self, state: StateT) -> None:
        """Finish pending work, such as that of other threads, so that `state` is complete."""

    def checkpoint(self) -> dict[str, NDArray[Any]]:
        """The state as named arrays. They may share memory with the state: save them before the next block."""
        self._check_open()
        self.settle(self._state)
        return state_dict(self._state)

    def resume(self, checkpoint: Arrays) -> None:
        """Continue from the `checkpoint` of a stage with the same parameters.

        Raises:
            StreamError: if the checkpoint belongs to another stage.
        """
        self.reset()
        self._state = load_state_dict(self._state, checkpoint)

    def output_frames(self, frames: int) -> int:
        """Length of the whole output for an input of `frames`."""
        return nearest(frames * self.ratio)

    def state_bytes(self) -> int:
        """Bytes of audio that the state holds now."""
        return state_bytes(self._state)

    def findings(self) -> dict[str, Mapping[str, float]]:
        """Findings of analysing stages so far, by name; also after `flush`."""
        return self.describe(self._state)

    def describe(self, state: StateT) -> dict[str, Mapping[str, float]]:
        """`findings` of a stream with this state; empty by default."""
        return {}

    def _check_open(self) -> None:
        if self._finished:
            raise FinishedError(f"{type(self).__name__} was flushed; call reset() to start a new stream")

    def _checked(self, block: Audio) -> Audio:
        block = np.asarray(block)
        if block.ndim != 2 or block.shape[0] != self.input.channels:
            raise SpecError(
                f"{type(self).__name__} takes blocks of shape ({self.input.channels}, frames), got {block.shape}"
            )
        if not np.issubdtype(block.dtype, np.floating):
            raise SpecError(f"{type(self).__name__} takes float samples at full scale +-1, got {block.dtype}")
        return block.astype(np.float32, copy=False)


@dataclass
class _ChainState:
    parts: list[Any]
    excess: list[int]
    """Frames that a stage will still be given before the first that it needs, if it began in mid-recording."""


class Chain(Stage[_ChainState]):
    """Stages one after the other, as one stage. Every property is derived from the parts.

    In mid-recording, stages up to the last one of unbounded `lookback` begin at frame 0; those behind it begin late.

    Raises:
        ConfigError: if there are no stages.
        SpecError: if an output does not match the next input; the message names both.
    """

    def __init__(self, *stages: Stage[Any]) -> None:
        if not stages:
            raise ConfigError("a Chain needs at least one stage")
        for left, right in pairwise(stages):
            if left.output != right.input:
                raise SpecError(
                    f"{type(left).__name__} gives {left.output} but {type(right).__name__} takes {right.input}"
                )
        self.stages = stages
        super().__init__(stages[0].input, stages[-1].output, _latency(stages))

    @property
    def lookback(self) -> int | None:
        total, rate = Fraction(0), Fraction(1)
        for stage in self.stages:
            if stage.lookback is None:
                return None
            total += stage.lookback / rate
            rate *= stage.ratio
        return ceil(total)

    def start_at(self, frame: int) -> Start[_ChainState]:
        starts: list[Start[Any]] = []
        for stage in reversed(self.stages):
            starts.insert(0, stage.start_at(frame))
            frame = starts[0].input
        excess = [0, *(after.input - before.output for before, after in pairwise(starts))]
        return Start(_ChainState([start.state for start in starts], excess), frame, starts[-1].output)

    def initial_state(self) -> _ChainState:
        return _ChainState([stage.initial_state() for stage in self.stages], [0] * len(self.stages))

    def advance(self, state: _ChainState, block: Audio) -> Audio:
        for number, stage in enumerate(self.stages):
            block = stage.advance(state.parts[number], _without_excess(state, number, block))
        return block

    def drain(self, state: _ChainState) -> Audio:
        tail = empty(self.input.channels)
        for number, (stage, own) in enumerate(zip(self.stages, state.parts, strict=True)):
            tail = np.concatenate([stage.advance(own, _without_excess(state, number, tail)), stage.drain(own)], axis=1)
        return tail

    def settle(self, state: _ChainState) -> None:
        for stage, own in zip(self.stages, state.parts, strict=True):
            stage.settle(own)

    def describe(self, state: _ChainState) -> dict[str, Mapping[str, float]]:
        found: dict[str, Mapping[str, float]] = {}
        for stage, own in zip(self.stages, state.parts, strict=True):
            found |= stage.describe(own)
        return found

    def output_frames(self, frames: int) -> int:
        for stage in self.stages:
            frames = stage.output_frames(frames)
        return frames


def _without_excess(state: _ChainState, number: int, block: Audio) -> Audio:
    """What a stage is given of a block."""
    dropped = min(state.excess[number], block.shape[1])
    state.excess[number] -= dropped
    return block[:, dropped:]


def _latency(stages: Sequence[Stage[Any]]) -> int:
    """Latency of a chain in frames at its input.

    A stage that returned at least floor((n - a)*r) frames is followed by one that lags b frames at the
    rate between them. The floor loses less than one frame there unless r is whole, so the two together lag at most
    a + (b + 1)/r, or a + b/r.
    """
    total, rate = 0, Fraction(1)
    for stage in stages:
        lost = 0 if rate.denominator == 1 else 1
        total += ceil((stage.latency + lost) / rate) if stage.latency or lost else 0
        rate *= stage.ratio
    return total


def state_bytes(state: object) -> int:
    """Bytes held by the arrays in `state`, at any depth.

    >>> state_bytes([np.zeros(3), {"past": np.zeros((2, 2), np.float32)}])
    40
    """
    size = getattr(state, "nbytes", None)
    if isinstance(size, int):
        return size
    if is_dataclass(state):
        return sum(state_bytes(getattr(state, field.name)) for field in fields(state))
    if isinstance(state, Mapping):
        return sum(map(state_bytes, state.values()))
    if isinstance(state, Sequence) and not isinstance(state, str | bytes):
        return sum(map(state_bytes, state))
    return 0
