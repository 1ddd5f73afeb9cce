"""Repairs: stages that take one kind of damage away, each by the method that is best for it."""

from typing import TYPE_CHECKING

from ..._on_demand import on_demand

if TYPE_CHECKING:
    from .activity import Activity, ActivityMeter
    from .clicks import Declick
    from .clipping import Declip
    from .composition import DEFAULT, NAMES, make_repairs, ordered
    from .hum import Dehum
    from .repair import Repair
    from .scratches import Descratch
    from .treble import Treble

__all__ = [
    "DEFAULT",
    "NAMES",
    "Activity",
    "ActivityMeter",
    "Declick",
    "Declip",
    "Dehum",
    "Descratch",
    "Repair",
    "Treble",
    "make_repairs",
    "ordered",
]

__getattr__ = on_demand(
    __name__,
    {
        "activity": ["Activity", "ActivityMeter"],
        "clicks": ["Declick"],
        "clipping": ["Declip"],
        "composition": ["DEFAULT", "NAMES", "make_repairs", "ordered"],
        "hum": ["Dehum"],
        "repair": ["Repair"],
        "scratches": ["Descratch"],
        "treble": ["Treble"],
    },
)
