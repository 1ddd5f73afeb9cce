"""A formal listening test after Recommendation ITU-R BS.1534-3 (MUSHRA): what listeners said, and what that shows."""

from .analysis import Analysis, analyse
from .ratings import Rating, read_csv
from .report import write_analysis

__all__ = ["Analysis", "Rating", "analyse", "read_csv", "write_analysis"]
