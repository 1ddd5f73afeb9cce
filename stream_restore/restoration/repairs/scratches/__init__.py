"""Scratches: found by what is before and after them, bridged from both sides."""

from .descratch import Descratch

__all__ = ["Descratch"]
