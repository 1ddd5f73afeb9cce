"""A stage for a part of a recording, which it begins as late as its memory allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from ..spec import Audio, empty
from .stage import Stage

__all__ = ["RangeStage"]


@dataclass
class _State:
    inner: Any
    output: int
    """The next output frame of the stage."""


class RangeStage(Stage[_State]):
    """A stage that begins in mid-recording and returns the frames [start, stop) of its output, and nothing else.

    Its first output frame is frame `start`, so it is not aligned with its input, which begins at frame `first`.

    Args:
        stage: what would process the whole recording.
        start, stop: output frames; stop is None for all there are.

    Attributes:
        first, last: the input frames that it must be given; last is None for all there are.
    """

    def __init__(self, stage: Stage[Any], start: int, stop: int | None) -> None:
        self._stage, self._start, self._stop = stage, start, stop
        self.first = stage.start_at(start).input
        before = ceil(start / stage.ratio) - self.first
        self.last = None if stop is None else ceil(stop / stage.ratio) + stage.latency
        super().__init__(stage.input, stage.output, stage.latency + before)

    def initial_state(self) -> _State:
        begun = self._stage.start_at(self._start)
        return _State(begun.state, begun.output)

    def advance(self, state: _State, block: Audio) -> Audio:
        return self._cut(state, self._stage.advance(state.inner, block))

    def drain(self, state: _State) -> Audio:
        if self._stop is not None and state.output >= self._stop:
            return empty(self.output.channels)
        return self._cut(state, self._stage.drain(state.inner))

    def settle(self, state: _State) -> None:
        self._stage.settle(state.inner)

    def describe(self, state: _State) -> dict[str, Mapping[str, float]]:
        return self._stage.describe(state.inner)

    def output_frames(self, frames: int) -> int:
        whole = self._stage.output_frames(self.first + frames)
        return max(0, (whole if self._stop is None else min(whole, self._stop)) - self._start)

    def _cut(self, state: _State, out: Audio) -> Audio:
        before = max(0, self._start - state.output)
        end = out.shape[1] if self._stop is None else max(before, self._stop - state.output)
        state.output += out.shape[1]
        return out[:, before:end]
