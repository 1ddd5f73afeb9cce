"""Analysis of the ratings of a listening test."""

from .outcome import Analysis, analyse
from .report import write_analysis

__all__ = ["Analysis", "analyse", "write_analysis"]
