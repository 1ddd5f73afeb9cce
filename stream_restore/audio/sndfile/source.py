"""Reading by libsndfile of formats that FFmpeg does not read, or not exactly: MATLAB, HTK, Sound Designer etc."""

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
    """Audio that libsndfile reads from a seekable file, given by its path if a second file beside it is needed.

    Args:
        raw: format of a file without a header.

    Raises:
        SourceError: if libsndfile cannot open it.
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
        frames = None if raw else found.frames  # headerless codecs do not store their length
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
        """Read a constant number of frames: some of libsndfile's readers lose frames at other block sizes."""
        try:
            sound = self._file.read(PIECE, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise SourceError(f"{self.name}: cannot be decoded at {self._here()}: {error.error_string}") from error
        if not len(sound) and self.frames is not None and self._position < self.frames:
            self._ends_early(self.frames)
        return np.ascontiguousarray(sound.T)


def _said(raw: RawFormat) -> dict[str, Any]:
    """Arguments of `soundfile.SoundFile` for a file without a header."""
    rate, channels = raw.spec.sample_rate, raw.spec.channels
    return {"samplerate": rate, "channels": channels, "subtype": SUBTYPES[raw.encoding], "format": "RAW"}


def _close(file: BinaryIO | Path) -> None:
    if not isinstance(file, Path):
        file.close()
