"""Outputs that are complete or absent: files renamed when complete, pipes, locks."""

from .atomic_file import make_folder
from .lock import Lock, refuse_busy
from .output import Output, open_output, refuse_same_file

__all__ = [
    "Lock",
    "Output",
    "make_folder",
    "open_output",
    "refuse_busy",
    "refuse_same_file",
]
