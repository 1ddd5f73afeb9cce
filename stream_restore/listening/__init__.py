"""A formal listening test after Recommendation ITU-R BS.1534-3 (MUSHRA): building, serving and analysis."""

from .analysis import Analysis, analyse, write_analysis
from .ratings import Rating, read_csv

__all__ = ["Analysis", "Rating", "analyse", "read_csv", "write_analysis"]
