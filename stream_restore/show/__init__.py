"""Pictures of sound: mel spectrograms, tiles, and the viewer, a page that a browser opens from disk."""

from .picture import Difference, Mel, draw
from .tiles import Axes, Tiles
from .viewer import Track, write_viewer

__all__ = [
    "Axes",
    "Difference",
    "Mel",
    "Tiles",
    "Track",
    "draw",
    "write_viewer",
]
