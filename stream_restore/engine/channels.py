"""Stages that combine channels: the input beside a stage's output, and mixing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ConfigError
from ..spec import Audio, Spec
from .grid import FrameByFrame
from .stage import Stage, Start
from .window import Window

__all__ = ["Mix", "SameLength", "WithInput", "identity"]


@dataclass
class _WithInputState:
    dry: Window
    wet: Window
    inner: Any


class WithInput(Stage[_WithInputState]):
    """The input and a stage's output, frame by frame: input channels first.

    The output is as long as the input. The output of a stage whose length differs (resampling down and up rounds twice)
    is cut, or padded with silence.

    Raises:
        ConfigError: if the stage changes the sample rate.
    """

    def __init__(self, stage: Stage[Any]) -> None:
        if stage.output.sample_rate != stage.input.sample_rate:
            raise ConfigError(f"Beside needs a stage that keeps the sample rate, got {stage.input} to {stage.output}")
        self.stage = stage
        channels = stage.input.channels + stage.output.channels
        super().__init__(stage.input, Spec(stage.input.sample_rate, channels), stage.latency)

    def initial_state(self) -> _WithInputState:
        return _WithInputState(
            Window(self.stage.input.channels), Window(self.stage.output.channels), self.stage.initial_state()
        )

    @property
    def lookback(self) -> int | None:
        return self.stage.lookback

    def start_at(self, frame: int) -> Start[_WithInputState]:
        inner = self.stage.start_at(frame)
        dry = Window(self.stage.input.channels, start=inner.input)
        wet = Window(self.stage.output.channels, start=inner.output)
        return Start(_WithInputState(dry, wet, inner.state), inner.input, inner.output)

    def advance(self, state: _WithInputState, block: Audio) -> Audio:
        state.dry.append(block)
        state.dry.forget(state.wet.start)
        state.wet.append(self.stage.advance(state.inner, block))
        return self._take(state, min(state.dry.stop, state.wet.stop))

    def drain(self, state: _WithInputState) -> Audio:
        state.wet.append(self.stage.drain(state.inner))
        return self._take(state, state.dry.stop)

    def settle(self, state: _WithInputState) -> None:
        self.stage.settle(state.inner)

    def describe(self, state: _WithInputState) -> dict[str, Mapping[str, float]]:
        return self.stage.describe(state.inner)

    def _take(self, state: _WithInputState, stop: int) -> Audio:
        start = state.wet.start
        stop = max(start, stop)
        both = np.concatenate([state.dry.read(start, stop), state.wet.read(start, stop)])
        state.dry.forget(stop)
        state.wet.forget(stop)
        return both


class Mix(FrameByFrame[None]):
    """Each output channel is a weighted sum of input channels, plus a constant.

    Args:
        input: what is mixed.
        matrix: the weights, shape (outputs, inputs).
        offset: the constants, shape (outputs,) or one for all.

    Sums run channel by channel in float64. A matrix product would sum in an order that depends on the length
    of the block.

    Raises:
        ConfigError: if the matrix does not fit the channels.

    >>> Mix(Spec(8000, 2), [[0.5, 0.5]]).process(np.array([[1.0, 2.0], [3.0, 2.0]]))
    array([[2., 2.]], dtype=float32)
    """

    def __init__(self, input: Spec, matrix: ArrayLike, offset: ArrayLike = 0.0) -> None:
        self.matrix = np.atleast_2d(np.asarray(matrix, np.float64))
        if self.matrix.shape[1] != input.channels:
            raise ConfigError(f"a mix of {input.channels} channels needs as many columns, got {self.matrix.shape}")
        self.offset = np.broadcast_to(np.asarray(offset, np.float64), len(self.matrix))
        super().__init__(input, Spec(input.sample_rate, len(self.matrix)))

    def initial_state(self) -> None:
        return None

    def advance(self, state: None, block: Audio) -> Audio:
        out = np.repeat(self.offset[:, None], block.shape[1], axis=1)
        for channel, row in zip(out, self.matrix, strict=True):
            for gain, samples in zip(row, block, strict=True):
                if gain:
                    channel += gain * samples.astype(np.float64)
        with np.errstate(over="ignore"):  # what is too loud becomes infinite; the sink reports where
            return out.astype(np.float32)


def identity(input: Spec) -> Mix:
    """A stage that changes nothing.

    >>> identity(Spec(8000, 2)).process(np.array([[1.0], [2.0]]))
    array([[1.],
           [2.]], dtype=float32)
    """
    return Mix(input, np.eye(input.channels))


class SameLength(WithInput):
    """A stage that keeps the rate, with an output exactly as long as its input: what `WithInput` puts beside it."""

    def __init__(self, stage: Stage[Any]) -> None:
        super().__init__(stage)
        self.output = stage.output

    def advance(self, state: _WithInputState, block: Audio) -> Audio:
        return super().advance(state, block)[self.input.channels :]

    def drain(self, state: _WithInputState) -> Audio:
        return super().drain(state)[self.input.channels :]
