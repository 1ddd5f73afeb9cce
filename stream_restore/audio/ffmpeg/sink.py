"""Encoding by FFmpeg, through PyAV: FLAC, ALAC, WavPack, MP3, AAC and Opus; Matroska and films."""

import struct
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from typing import Any, cast

import av
import av.error
import numpy as np
import soxr
from av.packet import PacketSideData, packet_sidedata_type_from_literal

from ...errors import ConfigError, SinkError
from ...spec import Spec
from ..formats import WORDS, Format
from ..outputs.output import Output
from ..outputs.tta_file import MOST_FRAMES, complete_tta, shortened
from ..positions import format_position
from ..samples.coding import Quantiser, Values
from ..samples.fixed_blocks import FixedBlocks
from ..sink import Sink
from ..source import Film
from ..tags.attach import attach
from ..tags.comments import chapter_comments
from .film import StreamCopy

__all__ = ["AvSink", "TtaSink"]

_MUXERS = {"m4a": "ipod", "alac": "ipod", "aac": "adts"}
_CODECS = {"opus": "libopus", "mp3": "libmp3lame", "aac": "aac", "u8": "pcm_u8"}
_LOSSLESS = {"flac": "flac", "alac": "alac", "wv": "wavpack", "tta": "tta"}
"""The only codec of some containers."""
_BITS_PER_SECOND = 96_000
"""Per channel, for AAC and Opus: generally regarded as transparent, so that encoding does not undo the restoration."""
_BEST = 0
"""LAME's best variable bit rate quality, about 260 kbit/s for stereo. At constant rates below 256 kbit/s LAME
attenuates the signal, by 0.26 dB at 192 kbit/s and by 0.45 dB below."""

_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
_STORED = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}
"""The array type by sample type of FFmpeg."""
_TYPES = {"u8": "u8", "s16": "s16", "s24": "s32", "s32": "s32", "f64": "dbl"}
"""The sample type of FFmpeg by word of this package; encoders of other encodings take floats."""

_BLOCK = 4096
"""Frames encoded at once if the codec accepts any number."""
_FEWEST = 16
"""Frames of a block that all of FFmpeg's encoders have room for."""


class AvSink(Sink):
    """One audio stream in a container, encoded in blocks of fixed size, so that the input's block sizes have no effect.

    A rate that the codec does not support (Opus: 44100 Hz) is converted to the next higher one by soxr.

    `film`: what to copy beside the sound, as far as the container can hold it.

    Raises:
        ConfigError: if the codec does not support so many channels or so high a rate.
        SourceError: if the film cannot be read again.
    """

    def __init__(
        self, output: Output, spec: Spec, form: Format, quantiser: Quantiser, force: bool, film: Film | None = None
    ) -> None:
        super().__init__(output, spec, form, quantiser, force)
        codec = _codec(form)
        self._rate = _rate(output.name, codec, spec.sample_rate)
        self._resampler = _resampler(spec, self._rate)
        self._type = _sample_type(codec, form.encoding)
        self._container = _container(self._target(output), form, film)
        self._copy = StreamCopy(film, self._container, output.name) if film is not None else None
        self._stream = self._begun(codec, form)
        frames = self._stream.codec_context.frame_size or _BLOCK
        self._blocks = FixedBlocks(spec.channels, frames, _STORED[self._type.rstrip("p")])
        self._sent = 0
        self._start = 0
        if self._copy is not None:
            self.warnings = self._copy.warnings
            self._start = round(self._copy.start * self._rate)

    def _begun(self, codec: str, form: Format) -> Any:
        layout = _LAYOUTS.get(self.spec.channels, "")
        try:
            stream: Any = self._container.add_stream(codec, rate=self._rate, layout=layout)
            stream.codec_context.format = self._type
            if codec == "libmp3lame":
                stream.codec_context.qscale, stream.codec_context.global_quality = True, _BEST
            elif form.encoding not in WORDS:
                stream.codec_context.bit_rate = _BITS_PER_SECOND * self.spec.channels
            if codec == "wavpack" and form.encoding == "s24":
                stream.codec_context.options = {"bits_per_raw_sample": "24"}
            if self._copy is not None:
                stream.metadata.update(self._copy.sound)
            self._container.metadata.update(form.tags)
            if form.container in ("flac", "opus"):  # FFmpeg writes no chapters there, or rounds their seconds up
                self._container.metadata.update(chapter_comments(form.extras.chapters))
            elif form.extras.chapters:
                self._container.set_chapters(list(form.extras.chapters))
            self._container.start_encoding()
        except (av.error.FFmpegError, ValueError) as error:
            self._output.discard()
            self._release()
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
        self._put(map(self._long_enough, self._blocks.rest()))
        self._encode(None)
        if self._copy is not None:
            self._copy.rest()
        self._guarded(self._complete)
        self.warnings += attach(self._output, self.format, self.spec)
        self._release()

    def _long_enough(self, block: Values) -> Values:
        """The last block; silence behind one that is so short that FFmpeg's encoder of ALAC ends the process."""
        return _padded(block) if self.format.container == "alac" and self.spec.channels > 2 else block

    def _target(self, output: Output) -> Any:
        """Where FFmpeg writes the container."""
        return output

    def _mux(self, packet: Any) -> None:
        self._container.mux_one(packet)

    def _complete(self) -> None:
        self._container.close()

    def _release(self) -> None:
        if self._copy is not None:
            self._copy.close()
        with suppress(av.error.FFmpegError):
            self._container.close()

    def _wide(self, values: Values) -> Values:
        """FFmpeg takes 24-bit samples as the upper bits of 32, and 8 bits without a sign."""
        if self.format.encoding == "u8":
            return values + 128
        return values << 8 if self.format.encoding == "s24" else values

    def _put(self, blocks: Iterator[Values]) -> None:
        for block in blocks:
            if self._copy is not None:
                self._copy.until(Fraction(self._start + self._sent, self._rate))
            self._encode(self._frame(block))

    def _frame(self, sound: Values) -> av.AudioFrame:
        rows = sound if self._type.endswith("p") else sound.T.reshape(1, -1)
        layout = self._stream.codec_context.layout.name
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(rows), format=self._type, layout=layout)
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._start + self._sent
        self._sent += sound.shape[1]
        return frame

    def _encode(self, frame: av.AudioFrame | None) -> None:
        self._guarded(lambda: self._put_packets(self._stream.encode(frame)))

    def _put_packets(self, packets: Iterable[Any]) -> None:
        for packet in packets:
            self._mux(self._trimmed(packet))

    def _trimmed(self, packet: Any) -> Any:
        """A packet that says how much of it is padding, if Matroska gets the last of AAC."""
        size: int = self._stream.codec_context.frame_size
        padding = size - (packet.duration or size)
        if self.format.encoding == "aac" and self.format.container == "matroska" and padding > 0:
            skipped = cast(Any, PacketSideData)(packet_sidedata_type_from_literal("skip_samples"), 10)
            skipped.update(struct.pack("<IIBB", 0, padding, 0, 0))
            packet.set_sidedata(skipped)
        return packet

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except (av.error.FFmpegError, OSError) as error:
            self._output.check()
            raise SinkError(
                f"{self.name}: cannot encode at {format_position(self._sent, self._rate)}: {error}"
            ) from error


class TtaSink(AvSink):
    """True Audio: the packets as they come; what stands around them in the end."""

    def __init__(self, output: Output, spec: Spec, form: Format, quantiser: Quantiser, force: bool) -> None:
        self._sizes = array("L")
        self._padding = 0
        super().__init__(output, spec, form, quantiser, force)

    def _target(self, output: Output) -> Any:
        return BytesIO()  # the muxer that is not used

    def _long_enough(self, block: Values) -> Values:
        self._padding = max(0, _FEWEST - block.shape[1])
        return _padded(block)

    def _mux(self, packet: Any) -> None:
        data = bytes(packet)
        if self._padding:  # only the last packet is that short
            data = shortened(data, _FEWEST - self._padding, self.spec.channels)
        self._sizes.append(len(data))
        self._output.write(data)

    def _complete(self) -> None:
        frames, bits = self._sent - self._padding, WORDS[self.format.encoding].bits
        if frames > MOST_FRAMES:
            raise SinkError(f"{self.name}: tta holds no more than {MOST_FRAMES} frames; wv and flac hold more")
        complete_tta(self._output, self.spec, bits, frames, self._sizes, self.format.tags)


def _padded(block: Values) -> Values:
    return np.pad(block, ((0, 0), (0, max(0, _FEWEST - block.shape[1]))))


def _codec(form: Format) -> str:
    """FFmpeg's name of an encoder; the one for 16 and 24 bits in Matroska is FLAC."""
    if form.encoding in WORDS and form.container in _LOSSLESS:
        return _LOSSLESS[form.container]
    if form.container == "matroska" and form.encoding in ("s16", "s24"):
        return "flac"
    return _CODECS.get(form.encoding, f"pcm_{form.encoding}le")


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
    wanted = _TYPES.get(encoding, "flt")
    offered = [form.name for form in av.Codec(codec, "w").audio_formats or ()]
    return wanted if wanted in offered else wanted + "p"


def _container(output: Any, form: Format, film: Film | None) -> Any:
    options = {}
    muxer = "mp4" if film is not None and form.container in ("m4a", "alac") else form.container
    if form.container in ("m4a", "alac") and not output.seekable():
        options = {"movflags": "frag_keyframe+empty_moov"}  # other MP4 files need a seek to be finished
    container: Any = av.open(output, "w", format=_MUXERS.get(muxer, muxer), options=options)
    container.flags |= av.container.Flags.bitexact.value  # no dates, no random numbers
    return container
