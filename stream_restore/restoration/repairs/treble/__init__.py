"""Treble that a steep low-pass took, made anew."""

from .cutoff import CutoffFinder
from .levels import Levels
from .treble import Treble

__all__ = ["CutoffFinder", "Levels", "Treble"]
