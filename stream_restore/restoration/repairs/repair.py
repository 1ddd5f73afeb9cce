"""What every repair is: a stage that keeps rate, channels and length, and says what it did."""

from abc import abstractmethod
from collections.abc import Mapping
from math import isfinite
from typing import ClassVar, TypeVar

from ...engine import Stage
from ...errors import ConfigError
from ...spec import Spec

__all__ = ["Repair"]

StateT = TypeVar("StateT")


class Repair(Stage[StateT]):
    """Takes one kind of damage away, or gives back what one kind took.

    The output is x + strength * (repair(x) - x): 0 is the input, 1 the repair. A detector that is not sure leaves the
    recording as it is.

    Attributes:
        name: of the repair, as `--repair` takes it.
        strength: scales what the repair changes, 0 to 1.

    Raises:
        ConfigError: a strength outside 0 to 1.
    """

    name: ClassVar[str]

    def __init__(self, input: Spec, latency: int, strength: float = 1.0) -> None:
        if not (isfinite(strength) and 0 <= strength <= 1):
            raise ConfigError(f"strength of {self.name} must lie between 0 and 1, got {strength}")
        self.strength = strength
        super().__init__(input, input, latency)

    @abstractmethod
    def summary(self, state: StateT) -> Mapping[str, float]:
        """What was found and changed so far: counts and levels by name, the unit in the name."""

    def describe(self, state: StateT) -> dict[str, Mapping[str, float]]:
        return {self.name: self.summary(state)}

    def report(self) -> Mapping[str, float]:
        """`summary` of the stream under way, or of the one that was flushed."""
        return self.summary(self._state)
