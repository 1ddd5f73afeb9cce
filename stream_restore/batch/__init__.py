"""Many recordings: which they are, the workers that restore them side by side, and a report on all."""

from .batch import Batch, Summary
from .cluster import Cluster
from .item import Item
from .recordings import SUFFIXES, Recording, find_recordings, read_list
from .report import write_report

__all__ = [
    "SUFFIXES",
    "Batch",
    "Cluster",
    "Item",
    "Recording",
    "Summary",
    "find_recordings",
    "read_list",
    "write_report",
]
