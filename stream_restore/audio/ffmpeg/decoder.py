"""Decodes a stream so that all sound stands at its time, whatever is damaged."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import av.error
import numpy as np

from ...errors import SourceError
from ...spec import Audio, Spec, nearest
from ..bytestream import Readable
from ..damage import Concealed
from ..formats import WORDS, Format
from ..ogg.watch import OggWatch
from ..positions import format_position, format_timestamp
from ..samples.coding import scaled
from ..source import PIECE
from .container import Packets, chosen_stream, open_container
from .conversion import Converter, key_of
from .timeline import LONGEST_SECONDS, Timeline

__all__ = ["Decoder"]

_WORDS = {"u8": "u8", "s16": "s16", "s32": "s32", "flt": "f32", "dbl": "f64"}
_LOUDEST, _LOUDEST_BEHIND = 8.0, 2.0
"""Peak of a lossy codec's output beyond which it is no sound, but what the codec made of damaged data; and in the
packets behind a place that is damaged, on which later ones of MP3 are based."""
_BEHIND = 8


class Decoder:
    """The sound of a stream, in blocks as FFmpeg decodes them.

    Where packets are lost or cannot be decoded before another that can, there is silence; if the decoder `stops`, that
    is an error. Undecodable data at the end is a warning. The links of a chain of Oggs follow one another, and what has
    another rate or other channels than `spec` is converted.

    Attributes:
        container: the one that is open.
        given: frames so far.
        padding: frames of padding in the latest block.
    """

    def __init__(
        self,
        name: str,
        file: Readable,
        container: Any,
        stream: Any,
        spec: Spec,
        form: Format,
        stops: bool,
        warn: Callable[[str], None],
    ) -> None:
        self._name, self._file, self._spec, self._format = name, file, spec, form
        self._stops, self._warn = stops, warn
        self._layout = stream.codec_context.layout.name
        self.given = self.padding = 0
        self._sounded = False
        self._concealed = Concealed()
        self._converter: Converter | None = None
        self._begin(container, stream)

    def _begin(self, container: Any, stream: Any) -> None:
        self.container, self._stream = container, stream
        self._start = self.given
        self._since_loss = _BEHIND
        self._packets = Packets(self._file, container, stream, patient=not self._stops)
        self._timeline = Timeline(container.format.name, self._spec.sample_rate)

    def blocks(self) -> Iterator[Audio]:
        """Yield the blocks, shape (channels, frames), of all links of a chain; of other containers there is one.

        Raises:
            SourceError: if nothing can be decoded; if the decoder stops, where something cannot.
        """
        while True:
            yield from self._link()
            if not self._go_on():
                break
        self._refuse_damage()
        if self._concealed.places:
            self._warn(self._concealed.message(self._spec.sample_rate))

    def _link(self) -> Iterator[Audio]:
        try:
            for frames in self._packets:
                if self._stops and self._packets.failure is not None:
                    raise self._undecodable(self._packets.failure)
                for frame in frames:
                    yield from self._silence(self._missing(frame))
                    self._packets.found()
                    yield from self._sound(frame)
        except av.error.FFmpegError as error:
            raise self._undecodable(error.strerror or str(error)) from error
        yield from self._converted_rest()
        self._end_link()

    def _end_link(self) -> None:
        failure = self._packets.failure
        damage = self._file.damage if isinstance(self._file, OggWatch) else None
        if not self._sounded and (failure or damage or self._concealed.places):
            raise self._undecodable(failure or damage or "nothing in it is sound")
        if failure is not None:
            self._warn(f"cut short at {self._here()}: what follows cannot be decoded ({failure})")
        if isinstance(self._file, OggWatch) and not self._file.ended:
            self._warn(f"ends at {self._here()} without a last page; it may be cut short")
        for position, seconds in self._timeline.jumps:
            self._warn(
                f"its time stamps jump by {format_timestamp(seconds)} at"
                f" {format_position(position, self._spec.sample_rate)}: more than {LONGEST_SECONDS} s is taken for a"
                " splice, and nothing is put there"
            )

    def _go_on(self) -> bool:
        """Open the next link of a chain that has sound."""
        while isinstance(self._file, OggWatch) and self._file.next_link():
            self.container.close()
            try:
                self.container = open_container(self._name, self._file)
                self._begin(self.container, chosen_stream(self._name, self.container))
                return True
            except SourceError as error:
                if self._stops:
                    raise
                self._warn(f"a link that follows {self._here()} of its chain is left out ({error})")
            while self._file.read(PIECE):
                pass
        return False

    def _missing(self, frame: Any) -> int:
        """Frames missing before a frame."""
        packets, position = self._packets, self.given + (self._converter.held if self._converter else 0)
        if packets.first_lost is not None:
            self._timeline.begin(packets.first_lost, self._stream.start_time, position)
        loose = isinstance(self._file, OggWatch) and self._file.incomplete
        missing = self._timeline.missing(frame, position, packets.lost, loose)
        if missing and self._stops:
            raise self._undecodable(f"{missing} frames are missing")
        self._since_loss = 0 if missing else self._since_loss + 1
        return missing

    def _silence(self, frames: int) -> Iterator[Audio]:
        if frames:
            yield from self._converted_rest()
            self._concealed.add(self.given, frames)
        while frames > 0:
            size = min(frames, PIECE)
            frames -= size
            yield self._counted(np.zeros((self._spec.channels, size), np.float32))

    def _sound(self, frame: Any) -> Iterator[Audio]:
        self._refuse_damage()
        if self._converter is not None and self._converter.key != key_of(frame):
            yield from self._converted_rest()
        self.padding = self._padding_of(frame)
        same = (frame.sample_rate, frame.layout.nb_channels) == (self._spec.sample_rate, self._spec.channels)
        yield self._counted(self._plausible(self._samples(frame) if same else self._converted(frame)))

    def _samples(self, frame: Any) -> Audio:
        stored = frame.to_ndarray()
        if not frame.format.is_planar:
            stored = stored.reshape(-1, self._spec.channels).T
        return scaled(stored, _WORDS[frame.format.packed.name])

    def _plausible(self, block: Audio) -> Audio:
        """The block; silence if it is what a lossy codec made of damaged data, and no sound."""
        loudest = _LOUDEST if self._since_loss >= _BEHIND else _LOUDEST_BEHIND
        lossless = self._format.encoding in WORDS
        if lossless or self._stops or not block.size or np.abs(block).max() <= loudest:  # NaN is not
            self._sounded = self._sounded or block.size > 0
            return block
        self._concealed.add(self.given, block.shape[1])
        return np.zeros_like(block)

    def _converted(self, frame: Any) -> Audio:
        if self._converter is None:
            change = f"changes to {frame.sample_rate} Hz and {frame.layout.nb_channels} channels at {self._here()}"
            if self._stops:
                raise SourceError(f"{self._name}: {change}; split it there")
            self._warn(f"{change}; converted to {self._spec.sample_rate} Hz and {self._spec.channels} channels")
            self._converter = Converter(frame, self._spec, self._layout)
        return self._converter.convert(frame)

    def _converted_rest(self) -> Iterator[Audio]:
        if self._converter is not None:
            rest, self._converter = self._converter.rest(), None
            yield self._counted(rest)

    def _counted(self, block: Audio) -> Audio:
        end = self._end
        if end is not None:
            block = block[:, : max(0, end - self.given)]
        self.given += block.shape[1]
        return block

    def _padding_of(self, frame: Any) -> int:
        """Padding frames in a block of AAC; in an MP4 the duration of the last block excludes them."""
        if self._format.container != "m4a" or frame.time_base != Fraction(1, self._spec.sample_rate):
            return 0
        return max(0, frame.samples - frame.duration) if frame.duration else 0

    @property
    def _end(self) -> int | None:
        """The frame at which the padding of Vorbis begins; FFmpeg finds it only if the audio has more than one page."""
        length = self._file.length if isinstance(self._file, OggWatch) else None
        context = self._stream.codec_context
        if length is None or context.codec.canonical_name != "vorbis":
            return None
        return self._start + nearest(Fraction(length * self._spec.sample_rate, context.sample_rate))

    def _refuse_damage(self) -> None:
        if self._stops and isinstance(self._file, OggWatch) and self._file.damage is not None:
            raise self._undecodable(self._file.damage)

    def _here(self) -> str:
        return format_position(self.given, self._spec.sample_rate)

    def _undecodable(self, reason: str) -> SourceError:
        cure = "; --on-damage conceal, or `ffmpeg -i IN OUT.flac`, keeps what it can" if self._stops else ""
        return SourceError(f"{self._name}: cannot be decoded at {self._here()}: {reason}{cure}")
