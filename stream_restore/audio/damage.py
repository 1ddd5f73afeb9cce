"""What happens where a recording is damaged, and the account of it."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ..errors import ConfigError
from .positions import format_timestamp

__all__ = ["Concealed", "OnDamage", "checked"]

OnDamage: TypeAlias = Literal["conceal", "stop"]
"""conceal: silence of the length of what is lost, and a warning; stop: an error at the first place."""

_NAMED = 5


def checked(on_damage: OnDamage) -> OnDamage:
    """The same, if it is one.

    Raises:
        ConfigError: if it is neither conceal nor stop.
    """
    if on_damage not in ("conceal", "stop"):
        raise ConfigError(f"on_damage takes conceal or stop, got {on_damage!r}")
    return on_damage


@dataclass
class Concealed:
    """The places of a recording at which silence stands for sound that is lost.

    Attributes:
        places: their number.
        frames: of silence in all.
        first: position and length in frames of the first few.
    """

    places: int = 0
    frames: int = 0
    first: list[tuple[int, int]] = field(default_factory=list)

    def add(self, position: int, frames: int) -> None:
        """Note `frames` of silence at `position`; what follows directly on the place before belongs to it."""
        self.frames += frames
        if self.first and self.places <= _NAMED and sum(self.first[-1]) == position:
            self.first[-1] = (self.first[-1][0], self.first[-1][1] + frames)
            return
        self.places += 1
        if self.places <= _NAMED:
            self.first.append((position, frames))

    def message(self, sample_rate: int) -> str:
        """One line for the user.

        >>> Concealed(1, 800, [(16000, 800)]).message(8000)
        'is damaged in 1 place, 0.100 s in all are silent: at 0:00:02.000 (0.100 s)'
        """
        named = [f"{format_timestamp(at / sample_rate)} ({length / sample_rate:.3f} s)" for at, length in self.first]
        more = [f"{self.places - len(named)} more"] if self.places > len(named) else []
        count = f"{self.places} place{'s' if self.places != 1 else ''}"
        total = f"{self.frames / sample_rate:.3f} s in all are silent"
        return f"is damaged in {count}, {total}: at {', '.join([*named, *more])}"
