"""What a recording is, what is wrong with it, and what would mend it."""

from .inspection import Inspection, inspect

__all__ = ["Inspection", "inspect"]
