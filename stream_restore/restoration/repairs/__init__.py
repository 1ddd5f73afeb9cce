"""Repairs: stages that take one kind of damage away, each by the method that is best for it."""

from .composition import NAMES, make_repairs, ordered
from .declip import Declip
from .dehum import Dehum
from .repair import Repair

__all__ = ["NAMES", "Declip", "Dehum", "Repair", "make_repairs", "ordered"]
