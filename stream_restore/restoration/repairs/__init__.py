"""Repairs: stages that take one kind of damage away, each by the method that is best for it."""

from .activity import Activity, ActivityMeter
from .clicks import Declick
from .clipping import Declip
from .composition import DEFAULT, NAMES, make_repairs, ordered
from .hum import Dehum
from .repair import Repair
from .treble import Treble

__all__ = [
    "DEFAULT",
    "NAMES",
    "Activity",
    "ActivityMeter",
    "Declick",
    "Declip",
    "Dehum",
    "Repair",
    "Treble",
    "make_repairs",
    "ordered",
]
