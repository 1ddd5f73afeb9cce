"""Containers that libsndfile writes, into files."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import soundfile

from ..errors import SinkError
from ..spec import Spec
from .formats import WORDS, Format
from .output import Output
from .pcm import Quantiser, Values
from .sink import Sink

__all__ = ["SUBTYPES", "SndfileSink"]

SUBTYPES = {
    "u8": "PCM_U8",
    "s8": "PCM_S8",
    "s16": "PCM_16",
    "s24": "PCM_24",
    "s32": "PCM_32",
    "f32": "FLOAT",
    "f64": "DOUBLE",
    "ulaw": "ULAW",
    "alaw": "ALAW",
    "vorbis": "VORBIS",
}
"""libsndfile's name of each word."""

_TAGS = ("title", "copyright", "artist", "comment", "date", "album", "genre")


class SndfileSink(Sink):
    """A file that libsndfile writes; numbers go to it in their final word, so that it has nothing to clip."""

    def __init__(self, output: Output, spec: Spec, form: Format, quantiser: Quantiser, force: bool) -> None:
        super().__init__(output, spec, form, quantiser, force)
        self._word = WORDS.get(form.encoding, WORDS["f32"])
        self._file = self._opened(output, spec, form)

    def _opened(self, output: Output, spec: Spec, form: Format) -> soundfile.SoundFile:
        try:
            file = soundfile.SoundFile(
                output,
                "w",
                spec.sample_rate,
                spec.channels,
                SUBTYPES[form.encoding],
                format=form.container.upper(),
            )
        except soundfile.LibsndfileError as error:
            raise SinkError(
                f"{output.name}: {form.container} cannot hold {form.encoding} at {spec.sample_rate} Hz with "
                f"{spec.channels} channels ({error.error_string}); wav can"
            ) from error
        for name in set(_TAGS) & set(form.tags):
            with suppress(soundfile.LibsndfileError):  # not every container has a place for every tag
                setattr(file, name, form.tags[name])
        return file

    def _store(self, values: Values) -> None:
        self._guarded(lambda: self._file.write(np.ascontiguousarray(self._wide(values).T)))

    def _wide(self, values: Values) -> Values:
        """Integers at the top of the 16 or 32 bits that libsndfile takes."""
        if self._word.kind == "float":
            return values
        if self._word.bits <= 16:
            return (values << (16 - self._word.bits)).astype(np.int16)
        return values << (32 - self._word.bits)

    def _finish(self) -> None:
        self._guarded(self._file.close)

    def _release(self) -> None:
        with suppress(soundfile.SoundFileError):
            self._file.close()

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except (soundfile.SoundFileError, AssertionError) as error:
            self._output.check()
            raise SinkError(f"{self.name}: cannot write: {error}") from error
