"""Clipping: the level found, and the peaks above it made anew."""

from .declip import Declip

__all__ = ["Declip"]
