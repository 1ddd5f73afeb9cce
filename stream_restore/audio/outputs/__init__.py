"""Outputs that are complete or absent: files renamed when complete, pipes, locks."""

from .atomic_file import make_folder
from .lock import Lock, refuse_busy
from .output import Output, open_output, refuse_same_file
from .upload import open_upload, refuse_existing_object

__all__ = [
    "Lock",
    "Output",
    "make_folder",
    "open_output",
    "open_upload",
    "refuse_busy",
    "refuse_existing_object",
    "refuse_same_file",
]
