"""The highest sample of a stream, as it passes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..engine.grid import FrameByFrame
from ..spec import Audio, Spec

__all__ = ["PeakMeter"]


@dataclass
class _Peak:
    highest: float = 0.0


class PeakMeter(FrameByFrame[_Peak]):
    """Changes nothing; finds the highest magnitude of a sample, as "peak" of "output".

    Args:
        input: what passes.
        channels: those that are measured, from the first on.

    >>> meter = PeakMeter(Spec(8000, 2), channels=1)
    >>> passed = meter.process(np.array([[0.25, -0.5], [0.0, 1.0]]))
    >>> meter.findings()
    {'output': {'peak': 0.5}}
    """

    def __init__(self, input: Spec, channels: int) -> None:
        self._channels = channels
        super().__init__(input, input)

    def initial_state(self) -> _Peak:
        return _Peak()

    def advance(self, state: _Peak, block: Audio) -> Audio:
        state.highest = max(state.highest, float(np.abs(block[: self._channels]).max(initial=0.0)))
        return block.copy()

    def describe(self, state: _Peak) -> dict[str, Mapping[str, float]]:
        return {"output": {"peak": state.highest}}
