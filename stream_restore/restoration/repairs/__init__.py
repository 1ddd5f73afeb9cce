"""Repairs: stages that take one kind of damage away, each by the method that is best for it."""

from .repair import Repair

__all__ = ["Repair"]
