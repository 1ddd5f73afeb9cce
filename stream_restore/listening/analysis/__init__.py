"""What the ratings of a listening test show, and what they do not."""

from .outcome import Analysis, analyse
from .report import write_analysis

__all__ = ["Analysis", "analyse", "write_analysis"]
