"""When repairs acted: how many frames they changed, over time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...engine.stage import Stage
from ...engine.window import Window
from ...spec import Audio
from .repair import Repair

__all__ = ["Activity", "ActivityMeter"]

SLOTS = 2048
FRAMES = 256
"""Of a slot, in the beginning."""


@dataclass
class Activity:
    """Frames that were changed in each of at most `SLOTS` slots; when there is no room, pairs are joined.

    Attributes:
        frames: length of a slot.
        total: frames so far.
        counts: of each slot, shape (SLOTS,).
    """

    frames: int = FRAMES
    total: int = 0
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(SLOTS, np.int64))

    def add(self, changed: NDArray[np.bool_]) -> None:
        """Accumulate which of the next frames were changed, shape (frames,)."""
        stop = self.total + len(changed)
        while stop > SLOTS * self.frames:
            self.counts = np.concatenate([self.counts.reshape(-1, 2).sum(axis=1), np.zeros(SLOTS // 2, np.int64)])
            self.frames *= 2
        np.add.at(self.counts, (self.total + np.flatnonzero(changed)) // self.frames, 1)
        self.total = stop

    def shares(self) -> list[float]:
        """The part of each slot that was changed, to eight decimals: one frame in a day shows."""
        used = -(-self.total // self.frames)
        lengths = np.minimum(self.frames, self.total - self.frames * np.arange(used))
        return [round(float(share), 8) for share in self.counts[:used] / lengths]


class ActivityMeter:
    """Accumulates where each of some repairs acts on a recording, one after another.

    Args:
        stages: in order, made for the recording; what is no repair acts unseen.
    """

    state_names = ("_states", "_given", "_found")

    def __init__(self, stages: Sequence[Stage[Any]]) -> None:
        self._stages = stages
        self._states = [stage.initial_state() for stage in stages]
        self._given = [Window(stage.input.channels) for stage in stages]
        self._found = [Activity() for _ in stages]

    def add(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames)."""
        for number, stage in enumerate(self._stages):
            self._given[number].append(block)
            block = self._compared(number, stage.advance(self._states[number], block))

    def close(self) -> dict[str, Activity]:
        """What was found by name; ends the recording."""
        for number, stage in enumerate(self._stages):
            tail = self._compared(number, stage.drain(self._states[number]))
            for after in range(number + 1, len(self._stages)):
                self._given[after].append(tail)
                tail = self._compared(after, self._stages[after].advance(self._states[after], tail))
        return {
            stage.name: found
            for stage, found in zip(self._stages, self._found, strict=True)
            if isinstance(stage, Repair)
        }

    def _compared(self, number: int, out: Audio) -> Audio:
        """Beside what was given, of which it is as much as has come out."""
        given = self._given[number]
        before = given.read(given.start, given.start + out.shape[1])
        self._found[number].add(np.any(before != out, axis=0))
        given.forget(given.start + out.shape[1])
        return out
