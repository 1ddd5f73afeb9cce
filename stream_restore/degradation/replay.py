"""The output of a stage from an earlier pass, in place of computing it again."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, TypeAlias

from ..engine.stage import Stage, Start
from ..spec import Audio

__all__ = ["Recorded", "Replay"]

Recorded: TypeAlias = Callable[[int, int], Audio]
"""Called with first and last frame (exclusive), gives what was recorded, shape (channels, frames)."""


@dataclass
class _ReplayState:
    taken: int = 0
    given: int = 0


class Replay(Stage[_ReplayState]):
    """Counts its input, and gives the recorded output of `stage` for it.

    Args:
        stage: what the recording is the output of; not used, only asked how long its output is.
        recorded: that output.
    """

    def __init__(self, stage: Stage[Any], recorded: Recorded) -> None:
        self._stage, self._recorded = stage, recorded
        super().__init__(stage.input, stage.output)

    def initial_state(self) -> _ReplayState:
        return _ReplayState()

    @property
    def lookback(self) -> int:
        return ceil(1 / self.ratio)

    def start_at(self, frame: int) -> Start[_ReplayState]:
        taken = floor(frame / self.ratio)
        given = floor(taken * self.ratio)
        return Start(_ReplayState(taken, given), taken, given)

    def advance(self, state: _ReplayState, block: Audio) -> Audio:
        state.taken += block.shape[1]
        return self._give(state, floor(state.taken * self.ratio))

    def drain(self, state: _ReplayState) -> Audio:
        return self._give(state, self.output_frames(state.taken))

    def output_frames(self, frames: int) -> int:
        return self._stage.output_frames(frames)

    def _give(self, state: _ReplayState, stop: int) -> Audio:
        out = self._recorded(state.given, stop)
        state.given = stop
        return out
