"""Repairs: stages that take one kind of damage away, each by the method that is best for it."""

from .composition import NAMES, make_repairs, ordered
from .dehum import Dehum
from .repair import Repair

__all__ = ["NAMES", "Dehum", "Repair", "make_repairs", "ordered"]
