"""The interface of all audio sinks."""

from abc import ABC, abstractmethod
from typing import NamedTuple, Self

import numpy as np

from ..errors import ConfigError, SinkError, SpecError, StreamError
from ..spec import Audio, Spec
from .formats import CONTAINERS, Format, word_of
from .outputs.output import Output
from .positions import format_position
from .samples.coding import Quantiser, Values
from .tags.left_out import left_out

__all__ = ["Position", "Sink"]


class Position(NamedTuple):
    """Progress of a sink: frames written, and how many of their samples were clipped."""

    frames: int
    clipped: int


class Sink(ABC):
    """Writes audio from its first frame to its last. The bytes do not depend on the division into blocks.

    A file is NAME.part until `close` renames it. As a context manager a sink closes, or aborts if an exception is
    raised.

    Attributes:
        name: for messages.
        spec: sample rate and channels.
        format: container, encoding and tags of the output.
        warnings: messages for the user about this output; complete once it is closed.
    """

    def __init__(self, output: Output, spec: Spec, form: Format, quantiser: Quantiser, force: bool) -> None:
        self.name = output.name
        self.spec = spec
        self.format = form
        self.warnings: list[str] = []
        self._output = output
        self._quantiser = quantiser
        self._force = force
        self._frames = 0
        self._open = True
        self._kept = False

    @property
    def clipped(self) -> int:
        """Samples so far that exceeded the range of the output."""
        return self._quantiser.clipped

    @property
    def position(self) -> Position:
        """Frames written and samples clipped so far."""
        return Position(self._frames, self.clipped)

    def go_on(self, position: Position) -> None:
        """Continue at `position` of an earlier sink, which was opened as `continuable`, and keep its NAME.part.

        Raises:
            ConfigError: if the output is a pipe.
        """
        if not self._output.seekable():
            raise ConfigError(f"{self.name}: is no file, and cannot be continued")
        self._frames, clipped = position
        self._quantiser.go_on(self._frames, clipped)
        self.keep()

    def write(self, block: Audio) -> None:
        """Append a block of shape (channels, frames).

        Raises:
            SpecError: if the number of channels is wrong.
            SinkError: if the disk is full, the container's limit is exceeded, or a sample is not finite (the message
                gives its time); ClosedPipeError: if the reader closed the pipe.
            StreamError: if the sink is closed.
        """
        if not self._open:
            raise StreamError(f"{self.name}: is closed; open another sink")
        if block.ndim != 2 or block.shape[0] != self.spec.channels:
            raise SpecError(f"{self.name}: takes blocks of {self.spec.channels} channels, got shape {block.shape}")
        self._refuse_non_finite(block)
        self._frames += block.shape[1]
        refuse_too_long(self.name, self.spec, self.format, self._frames)
        self.store(self._quantiser(block))

    def store(self, values: Values) -> None:
        """Append samples of the output's word, shape (channels, frames); `write` calls this after quantising.

        Raises:
            SinkError: if writing fails, see `write`.
        """
        self._store(values)
        self._output.check()

    def close(self) -> None:
        """Finish: flush to the disk, then rename the file to its final name. Idempotent.

        Raises:
            SinkError: if the disk is full; NAME.part is deleted, unless kept.
        """
        if not self._open:
            return
        self._open = False
        try:
            self._finish()
            self.warnings += left_out(self.format, self.spec, pipe=not self._output.seekable())
            self._publish()
        except BaseException:
            self._let_go()
            raise

    def sync(self) -> None:
        """Flush what was written so far to the disk.

        Raises:
            SinkError: if the system reports an error.
        """
        self._output.sync()

    def keep(self) -> None:
        """From now on keep NAME.part after an error, because the caller can resume from it."""
        self._kept = True

    def abort(self) -> None:
        """Stop without finishing and delete NAME.part, unless kept. Idempotent."""
        if self._open:
            self._open = False
            self._release()
            self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _refuse_non_finite(self, block: Audio) -> None:
        if np.isfinite(block).all():
            return
        channel, frame = min(np.argwhere(~np.isfinite(block)).tolist(), key=lambda found: found[1])
        where = format_position(self._frames + frame, self.spec.sample_rate)
        raise SinkError(
            f"{self.name}: {block[channel, frame]} at {where}, channel {channel + 1}, was to be written;"
            " a model or an option makes the sound too loud for numbers"
        )

    @abstractmethod
    def _store(self, values: Values) -> None:
        """Write samples of the output's word, shape (channels, frames)."""

    @abstractmethod
    def _finish(self) -> None:
        """Write the remaining data."""

    def _publish(self) -> None:
        self._output.commit(self._force)

    def _let_go(self) -> None:
        self._output.leave() if self._kept else self._output.discard()

    def _release(self) -> None:  # noqa: B027 - not every sink holds any
        """Release library objects without finishing."""


def refuse_too_long(name: str, spec: Spec, form: Format, frames: int) -> None:
    """Refuse a length that the container's size fields cannot represent.

    Raises:
        SinkError: if `frames` exceeds the limit; the message names containers without it.
    """
    limit, word = CONTAINERS[form.container].limit, word_of(form.encoding)
    if limit is None or word is None:
        return
    if frames * spec.channels * word.size > limit:
        raise SinkError(f"{name}: {form.container} holds no more than {limit} bytes; wav, caf, w64 and flac hold more")
