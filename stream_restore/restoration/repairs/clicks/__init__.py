"""Clicks: where they are, and what was beneath."""

from .declick import Declick

__all__ = ["Declick"]
