"""Inspection: format, damage and suggested repairs of a recording."""

from .inspection import Inspection, inspect

__all__ = ["Inspection", "inspect"]
