"""Which repairs there are, in the order in which they act."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from ...errors import ConfigError
from ...models.treble import treble_levels
from ...spec import Spec
from .clicks import Declick
from .clipping import Declip
from .hum import Dehum
from .repair import Repair
from .scratches import Descratch
from .treble import Treble

__all__ = ["AFTER_NETWORK", "CLASSICAL", "DEFAULT", "NAMES", "make_repairs", "ordered", "refuse_unknown"]

Makers = Mapping[str, Callable[[Spec, float], Repair[Any]]]


def _treble(input: Spec, strength: float) -> Treble:
    return Treble(input, strength, treble_levels())


CLASSICAL: Makers = {
    "clipping": Declip,
    "scratches": Descratch,
    "clicks": Declick,
    "hum": Dehum,
}
"""Repairs before the network: how each is made, for recordings of a kind, at a strength of 0 to 1."""

AFTER_NETWORK: Makers = {"treble": _treble}

NAMES = (*CLASSICAL, "noise", *AFTER_NETWORK)
"""All repairs in the order in which they act; `noise` is the network."""

DEFAULT = ("clipping", "clicks", "hum", "noise")
"""Repairs that leave released music as it was. Some of that was cut off by a codec, which `treble` takes for damage.
What is meant, and as short and as loud as a scratch, and does not die away, `scratches` takes."""


def refuse_unknown(names: Collection[str]) -> None:
    """Refuse names of repairs that do not exist.

    Raises:
        ConfigError: if there is one; lists those that exist.
    """
    for name in names:
        if name not in NAMES:
            raise ConfigError(f"there is no repair {name!r}; there are {', '.join(NAMES)}")


def ordered(names: Collection[str]) -> tuple[str, ...]:
    """The names in the order in which repairs act, each once.

    Raises:
        ConfigError: if a name is unknown.

    >>> ordered(["noise"])
    ('noise',)
    """
    refuse_unknown(names)
    return tuple(name for name in NAMES if name in names)


def make_repairs(
    input: Spec, names: Collection[str], strengths: Mapping[str, float], makers: Makers = CLASSICAL
) -> list[Repair[Any]]:
    """The repairs of `makers` among `names`, in order.

    Raises:
        ConfigError: if a name is unknown, or a strength lies outside 0 to 1.
    """
    refuse_unknown([*names, *strengths])
    return [make(input, strengths.get(name, 1.0)) for name, make in makers.items() if name in names]
