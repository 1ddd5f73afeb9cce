"""What libsndfile reads and FFmpeg does not, or not as exactly: MATLAB's, HTK, Sound Designer and the like."""

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile

from ...errors import SourceError
from ...spec import Audio, empty
from ..formats import Format
from ..pcm.raw import RawFormat
from ..source import PIECE, Source, checked_spec
from .sink import SUBTYPES

__all__ = ["SndfileSource"]

_WORDS = {subtype: word for word, subtype in SUBTYPES.items()}


class SndfileSource(Source):
    """Sound that libsndfile reads from a seekable file, by its path where it needs another beside it.

    Args:
        raw: what it is, without a header.

    Raises:
        SourceError: libsndfile cannot open it.
    """

    def __init__(self, name: str, file: BinaryIO | Path, rereadable: bool, raw: RawFormat | None = None) -> None:
        try:
            self._file = soundfile.SoundFile(file, **_said(raw) if raw else {})
        except soundfile.LibsndfileError as error:
            _close(file)
            raise SourceError(f"{name}: is no sound that can be read ({error.error_string})") from error
        self._raw = file
        self._held = empty(self._file.channels)
        found = self._file
        spec = checked_spec(name, found.samplerate, found.channels)
        tags = {tag: text for tag, text in found.copy_metadata().items() if tag != "software"}
        encoding = _WORDS.get(found.subtype, found.subtype.lower())
        frames = None if raw else found.frames  # a codec without a header has its length nowhere
        super().__init__(name, spec, frames, Format(found.format.lower(), encoding, tags), rereadable)

    def close(self) -> None:
        self._file.close()
        _close(self._raw)

    def _restart(self) -> None:
        self._file.seek(0)
        self._held = empty(self.spec.channels)

    def _pull(self, frames: int) -> Audio:
        if not self._held.shape[1]:
            self._held = self._next()
        taken, self._held = self._held[:, :frames], self._held[:, frames:]
        return taken

    def _next(self) -> Audio:
        """Always as many frames at once: some of libsndfile's readers lose frames at other cuts."""
        try:
            sound = self._file.read(PIECE, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise SourceError(f"{self.name}: cannot be decoded at {self._here()}: {error.error_string}") from error
        if not len(sound) and self.frames is not None and self._position < self.frames:
            self._ends_early(self.frames)
        return np.ascontiguousarray(sound.T)


def _said(raw: RawFormat) -> dict[str, Any]:
    """What `soundfile.SoundFile` wants to hear about a file without a header."""
    rate, channels = raw.spec.sample_rate, raw.spec.channels
    return {"samplerate": rate, "channels": channels, "subtype": SUBTYPES[raw.encoding], "format": "RAW"}


def _close(file: BinaryIO | Path) -> None:
    if not isinstance(file, Path):
        file.close()
