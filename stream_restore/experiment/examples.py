"""Librosa's example recordings: from its cache, or downloaded once."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from ..errors import ConfigError, SourceError

__all__ = ["NAMES", "librosa_examples"]

NAMES = ("vibeace", "brahms", "fishin", "trumpet", "libri3")
"""Music of three kinds, one instrument and speech; the first is the clip of the paper's table."""


def librosa_examples(tell: Callable[[str], None]) -> list[Path]:
    """The recordings `NAMES` in high quality, as files. The environment variable LIBROSA_DATA_DIR names another cache.

    Args:
        tell: called with a message for each that is not available.

    Raises:
        ConfigError: if librosa is not installed; the message names the extra.
        SourceError: if none is available.
    """
    try:
        util = import_module("librosa.util")
    except ImportError as error:
        raise ConfigError(
            f"librosa's recordings need librosa, which cannot be imported ({error}): pip install 'stream_restore[eval]'"
        ) from error
    found = []
    for name in NAMES:
        try:
            found.append(Path(util.example(name, hq=True)))
        except (OSError, ValueError) as error:
            tell(f"librosa's recording {name!r} is neither in its cache nor to be downloaded: {error}")
    if not found:
        raise SourceError("none of librosa's recordings could be had; name clips, or a cache with LIBROSA_DATA_DIR")
    return found
