"""`check_stage` finds every way to break the law: a stage that breaks one line fails by that line's name."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stream_restore.engine.stage import Chain, Stage, Start
from stream_restore.spec import Audio, Spec, empty
from stream_restore.testing import check_stage

SPEC = Spec(8000, 2)


class Lawful(Stage[list[Audio]]):
    """Gives back what it is given, one block late."""

    def __init__(self) -> None:
        super().__init__(SPEC, SPEC, latency=10_000)

    def initial_state(self) -> list[Audio]:
        return [empty(2)]

    def advance(self, state: list[Audio], block: Audio) -> Audio:
        held, state[0] = state[0], block.copy()
        return held

    def drain(self, state: list[Audio]) -> Audio:
        return state[0]


class KeepsReference(Lawful):
    def advance(self, state: list[Audio], block: Audio) -> Audio:
        held, state[0] = state[0], block
        return held


class ReturnsItsBlock(Lawful):
    def advance(self, state: list[Audio], block: Audio) -> Audio:
        return block

    def drain(self, state: list[Audio]) -> Audio:
        return empty(2)


class LosesTheTail(Lawful):
    def drain(self, state: list[Audio]) -> Audio:
        return empty(2)


class NormalisesBlocks(Lawful):
    """Depends on the cut."""

    def advance(self, state: list[Audio], block: Audio) -> Audio:
        return np.asarray(block / np.abs(block).max(initial=1e-9), np.float32)

    def drain(self, state: list[Audio]) -> Audio:
        return empty(2)


class LagsMore(Lawful):
    def __init__(self) -> None:
        super().__init__()
        self.latency = 0


class Delays(Lawful):
    """A leading delay of 20 frames, and the end cut off."""

    def initial_state(self) -> list[Audio]:
        return [np.zeros((2, 20), np.float32)]

    def advance(self, state: list[Audio], block: Audio) -> Audio:
        both = np.concatenate([state[0], block], axis=1)
        state[0] = both[:, -20:].copy()
        return both[:, :-20]

    def drain(self, state: list[Audio]) -> Audio:
        return empty(2)


class Remembers(Lawful):
    def advance(self, state: list[Audio], block: Audio) -> Audio:
        state.append(block.copy())
        return super().advance(state, block)


class ForgetsToReset(Lawful):
    def reset(self) -> None:
        if not hasattr(self, "_state"):
            super().reset()
        self._finished = False


class ForgetsWhatIsUnderWay(Lawful):
    """Its block in waiting lies outside of its state."""

    def initial_state(self) -> list[Audio]:
        self._waiting = empty(2)
        return []

    def advance(self, state: list[Audio], block: Audio) -> Audio:
        held, self._waiting = self._waiting, block.copy()
        return held

    def drain(self, state: list[Audio]) -> Audio:
        return self._waiting


class LooksBackFurther(Lawful):
    """The highest sample so far, which it says is a matter of one frame."""

    lookback = 0

    def initial_state(self) -> list[Audio]:
        return [np.full((2, 1), -9, np.float32)]

    def start_at(self, frame: int) -> Start[list[Audio]]:
        return Start(self.initial_state(), frame, frame)

    def advance(self, state: list[Audio], block: Audio) -> Audio:
        highest = np.maximum.accumulate(np.concatenate([state[0], block], axis=1), axis=1)
        state[0] = highest[:, -1:].copy()
        return highest[:, 1:].copy()

    def drain(self, state: list[Audio]) -> Audio:
        return empty(2)


class NeverFinishes(Lawful):
    def process(self, block: Audio) -> Audio:
        self._finished = False
        return super().process(block)


BREACHES: dict[str, Callable[[], Stage[Any]]] = {
    "ownership": ReturnsItsBlock,
    "partition": KeepsReference,
    "length": LosesTheTail,
    "partition: ": NormalisesBlocks,
    "latency": LagsMore,
    "alignment": Delays,
    "memory": Remembers,
    "reset": ForgetsToReset,
    "restart": ForgetsWhatIsUnderWay,
    "range": LooksBackFurther,
    "flush": NeverFinishes,
}


def test_a_lawful_stage_passes() -> None:
    check_stage(Lawful, grid=64)
    check_stage(lambda: Chain(Lawful(), Lawful()), grid=64)


@pytest.mark.parametrize("law", BREACHES)
def test_a_breach_is_found_and_named(law: str) -> None:
    with pytest.raises(AssertionError, match=law.strip(": ")):
        check_stage(BREACHES[law], grid=64)
