"""Writing of containers by libsndfile."""

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import BinaryIO

import numpy as np
import soundfile

from ...errors import ConfigError, SinkError
from ...spec import Spec
from ..formats import CODECS, WORDS, Format, word_of
from ..ogg.pages import OggPages
from ..outputs.output import Output
from ..samples.coding import Quantiser, Values
from ..samples.fixed_blocks import FixedBlocks
from ..sink import Sink
from ..tags.attach import attach
from .timestamps import strip_timestamps

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
    **{codec: codec.upper() for codec in CODECS},
}
"""libsndfile's name of each encoding."""

_BLOCK = 4096
"""Frames per call: the output of libvorbis depends on it."""

_TAGS = ("title", "copyright", "artist", "comment", "date", "album", "genre")


class SndfileSink(Sink):
    """A file that libsndfile writes; it receives samples in their final word, so it never clips."""

    def __init__(self, output: Output, spec: Spec, form: Format, quantiser: Quantiser, force: bool) -> None:
        super().__init__(output, spec, form, quantiser, force)
        self._word = word_of(form.encoding) or WORDS["f32"]
        self._blocks = FixedBlocks(spec.channels, _BLOCK, self._stored_type())
        self._file = self._opened(output, spec, form)

    def _opened(self, output: Output, spec: Spec, form: Format) -> soundfile.SoundFile:
        try:
            _refuse_other_rate(output.name, spec, form)
            file = _begin(OggPages(output) if form.container == "ogg" else output, spec, form)
        except soundfile.LibsndfileError as error:
            raise ConfigError(
                f"{output.name}: {form.container} cannot hold {form.encoding} at {spec.sample_rate} Hz with "
                f"{spec.channels} channels ({error.error_string}); wav can"
            ) from error
        for name in (name for name in _TAGS if name in form.tags):
            with suppress(soundfile.LibsndfileError):  # not every container supports every tag
                setattr(file, name, form.tags[name])
        return file

    def _store(self, values: Values) -> None:
        self._put(self._blocks.add(self._wide(values)))

    def _put(self, blocks: Iterator[Values]) -> None:
        for block in blocks:
            interleaved = np.ascontiguousarray(block.T)
            self._guarded(partial(self._file.write, interleaved))

    def _stored_type(self) -> type[np.float32] | type[np.int16] | type[np.int32]:
        if self._word.kind == "float":
            return np.float32
        return np.int16 if self._word.bits <= 16 else np.int32

    def _wide(self, values: Values) -> Values:
        """Shift integers to the upper bits of the 16 or 32 that libsndfile takes."""
        if self._word.kind == "float":
            return values
        return values << ((16 if self._word.bits <= 16 else 32) - self._word.bits)

    def _finish(self) -> None:
        self._put(self._blocks.rest())
        self._guarded(self._file.close)
        strip_timestamps(self._output, self.format.container)
        self.warnings += attach(self._output, self.format, self.spec)

    def _release(self) -> None:
        with suppress(soundfile.SoundFileError):
            self._file.close()

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except (soundfile.SoundFileError, AssertionError) as error:
            self._output.check()
            raise SinkError(f"{self.name}: cannot write: {error}") from error


def _begin(file: BinaryIO | Output | OggPages, spec: Spec, form: Format) -> soundfile.SoundFile:
    return soundfile.SoundFile(
        file, "w", spec.sample_rate, spec.channels, SUBTYPES[form.encoding], format=form.container.upper()
    )


def _refuse_other_rate(name: str, spec: Spec, form: Format) -> None:
    """Refuse a rate that the container would change.

    Some containers round rates or support just one, which libsndfile does not report; so one test frame is written.
    """
    if form.container == "raw":
        return
    trial = io.BytesIO()
    with _begin(trial, spec, form) as file:
        file.write(np.zeros((1, spec.channels), np.int16))
    trial.seek(0)
    with soundfile.SoundFile(trial) as file:
        told = file.samplerate
    if told != spec.sample_rate:
        raise ConfigError(f"{name}: {form.container} cannot say {spec.sample_rate} Hz, only {told}; wav can")
