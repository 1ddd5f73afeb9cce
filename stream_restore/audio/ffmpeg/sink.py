"""Encoding by FFmpeg, through PyAV: FLAC, ALAC, MP3, AAC and Opus."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np
import soxr

from ...errors import ConfigError, SinkError
from ...spec import Spec
from ..formats import Format
from ..outputs.output import Output
from ..positions import format_position
from ..samples.coding import Quantiser, Values
from ..samples.fixed_blocks import FixedBlocks
from ..sink import Sink
from ..tags.attach import attach
from ..tags.comments import chapter_comments

__all__ = ["AvSink"]

_MUXERS = {"m4a": "ipod", "alac": "ipod", "aac": "adts"}
_CODECS = {"opus": "libopus", "mp3": "libmp3lame", "aac": "aac"}
_BITS_PER_SECOND = 96_000
"""Per channel, for AAC and Opus: generally regarded as transparent, so that encoding does not undo the restoration."""
_BEST = 0
"""LAME's best variable bit rate quality, about 260 kbit/s for stereo. At constant rates below 256 kbit/s LAME
attenuates the signal, by 0.26 dB at 192 kbit/s and by 0.45 dB below."""

_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_STORED = {"s16": np.int16, "s32": np.int32, "s24": np.int32, "flt": np.float32}
"""The array type by word of this package or sample type of FFmpeg."""

_BLOCK = 4096
"""Frames encoded at once if the codec accepts any number."""


class AvSink(Sink):
    """One audio stream in a container, encoded in blocks of fixed size, so that the input's block sizes have no effect.

    A rate that the codec does not support (Opus: 44100 Hz) is converted to the next higher one by soxr.

    Raises:
        ConfigError: if the codec does not support so many channels or so high a rate.
    """

    def __init__(self, output: Output, spec: Spec, form: Format, quantiser: Quantiser, force: bool) -> None:
        super().__init__(output, spec, form, quantiser, force)
        codec = form.container if form.encoding in _STORED else form.encoding
        codec = _CODECS.get(codec, codec)
        self._rate = _rate(output.name, codec, spec.sample_rate)
        self._resampler = _resampler(spec, self._rate)
        self._type = _sample_type(codec, form.encoding)
        self._container = _container(output, form)
        self._stream = self._begun(codec, form)
        frames = self._stream.codec_context.frame_size or _BLOCK
        self._blocks = FixedBlocks(spec.channels, frames, _STORED[self._type.rstrip("p")])
        self._sent = 0

    def _begun(self, codec: str, form: Format) -> Any:
        layout = _LAYOUTS.get(self.spec.channels, "")
        try:
            stream: Any = self._container.add_stream(codec, rate=self._rate, layout=layout)
            stream.codec_context.format = self._type
            if codec == "libmp3lame":
                stream.codec_context.qscale, stream.codec_context.global_quality = True, _BEST
            elif form.encoding not in _STORED:
                stream.codec_context.bit_rate = _BITS_PER_SECOND * self.spec.channels
            self._container.metadata.update(form.tags)
            if form.container in ("flac", "opus"):  # FFmpeg writes no chapters there, or rounds their seconds up
                self._container.metadata.update(chapter_comments(form.extras.chapters))
            elif form.extras.chapters:
                self._container.set_chapters(list(form.extras.chapters))
            self._container.start_encoding()
        except (av.error.FFmpegError, ValueError) as error:
            self._output.discard()
            raise ConfigError(
                f"{self.name}: {form.container} cannot hold {self.spec.channels} channels "
                f"at {self.spec.sample_rate} Hz ({error}); wav can"
            ) from error
        return stream

    def _store(self, values: Values) -> None:
        if self._resampler is not None:
            values = self._resampler.resample_chunk(np.ascontiguousarray(values.T)).T
        self._put(self._blocks.add(self._wide(values)))

    def _finish(self) -> None:
        if self._resampler is not None:
            nothing = np.zeros((0, self.spec.channels), np.float32)
            self._put(self._blocks.add(self._resampler.resample_chunk(nothing, last=True).T))
        self._put(self._blocks.rest())
        self._encode(None)
        self._guarded(self._container.close)
        self.warnings += attach(self._output, self.format, self.spec)

    def _release(self) -> None:
        with suppress(av.error.FFmpegError):
            self._container.close()

    def _wide(self, values: Values) -> Values:
        """FFmpeg takes 24-bit samples as the upper bits of 32."""
        return values << 8 if self.format.encoding == "s24" else values

    def _put(self, blocks: Iterator[Values]) -> None:
        for block in blocks:
            self._encode(self._frame(block))

    def _frame(self, sound: Values) -> av.AudioFrame:
        rows = sound if self._type.endswith("p") else sound.T.reshape(1, -1)
        layout = self._stream.codec_context.layout.name
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(rows), format=self._type, layout=layout)
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._sent
        self._sent += sound.shape[1]
        return frame

    def _encode(self, frame: av.AudioFrame | None) -> None:
        self._guarded(lambda: self._container.mux(self._stream.encode(frame)))

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except (av.error.FFmpegError, OSError) as error:
            self._output.check()
            raise SinkError(
                f"{self.name}: cannot encode at {format_position(self._sent, self._rate)}: {error}"
            ) from error


def _rate(name: str, codec: str, sample_rate: int) -> int:
    offered = av.Codec(codec, "w").audio_rates
    if not offered or sample_rate in offered:
        return sample_rate
    higher = [rate for rate in offered if rate >= sample_rate]
    if not higher:
        raise ConfigError(f"{name}: {codec} goes up to {max(offered)} Hz, got {sample_rate}; wav and flac go higher")
    return min(higher)


def _resampler(spec: Spec, rate: int) -> soxr.ResampleStream | None:
    if rate == spec.sample_rate:
        return None
    return soxr.ResampleStream(spec.sample_rate, rate, spec.channels, dtype="float32", quality="VHQ")


def _sample_type(codec: str, encoding: str) -> str:
    wanted = {"s16": "s16", "s24": "s32"}.get(encoding, "flt")
    offered = [form.name for form in av.Codec(codec, "w").audio_formats or ()]
    return wanted if wanted in offered else wanted + "p"


def _container(output: Output, form: Format) -> Any:
    options = {}
    if form.container in ("m4a", "alac") and not output.seekable():
        options = {"movflags": "frag_keyframe+empty_moov"}  # other MP4 files need a seek to be finished
    container: Any = av.open(output, "w", format=_MUXERS.get(form.container, form.container), options=options)
    container.flags |= av.container.Flags.bitexact.value  # no dates, no random numbers
    return container
