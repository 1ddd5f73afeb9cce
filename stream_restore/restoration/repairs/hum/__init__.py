"""Mains hum: its frequency followed along its harmonics, its lines taken out as far as they are steady."""

from .dehum import Dehum

__all__ = ["Dehum"]
