"""What every source of sound promises."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import numpy as np

from ..errors import SourceError, StreamError
from ..spec import Audio, Spec, empty
from .formats import Format
from .positions import format_position

__all__ = ["MAX_CHANNELS", "MAX_RATE", "PIECE", "Source", "checked_spec"]

MAX_CHANNELS = 1024
MAX_RATE = 1_536_000
PIECE = 1 << 16
"""Most frames decoded at once, so that memory follows what comes and not what is asked for."""


def checked_spec(name: str, sample_rate: int, channels: int) -> Spec:
    """The spec a header claims.

    Raises:
        SourceError: no rate or channels, or more than any recording has.
    """
    if not 1 <= sample_rate <= MAX_RATE:
        raise SourceError(f"{name}: its header claims {sample_rate} Hz; from 1 to {MAX_RATE} Hz can be read")
    if not 1 <= channels <= MAX_CHANNELS:
        raise SourceError(f"{name}: its header claims {channels} channels; from 1 to {MAX_CHANNELS} can be read")
    return Spec(sample_rate, channels)


class Source(ABC):
    """Sound read from its first frame to its last.

    Attributes:
        name: for messages.
        spec: sample rate and channels.
        frames: how many there are, exactly; None when unknown or not to be believed.
        estimate: how many there will be, roughly, for a progress bar; None when unknown.
        format: how it is stored.
        rereadable: whether `rewind` works and opening the same path again gives the same sound.
        warnings: what a person should know about this recording; complete once it is read to its end.
    """

    def __init__(self, name: str, spec: Spec, frames: int | None, format: Format, rereadable: bool) -> None:
        self.name = name
        self.spec = spec
        self.frames = frames
        self.estimate = frames
        self.format = format
        self.rereadable = rereadable
        self.warnings: list[str] = []
        self._position = 0

    def read(self, frames: int) -> Audio:
        """The next `frames` frames, fewer only at the end, (channels, 0) after it.

        Raises:
            SourceError: the sound cannot be decoded, or holds a non-finite sample; says where.
        """
        blocks = [empty(self.spec.channels)]
        while frames > 0:
            block = self._pull(min(frames, PIECE))
            if not block.shape[1]:
                break
            self._refuse_non_finite(block)
            self._position += block.shape[1]
            frames -= block.shape[1]
            blocks.append(block)
        return blocks[1] if len(blocks) == 2 else np.concatenate(blocks, axis=1)

    def rewind(self) -> None:
        """Start again at the first frame.

        Raises:
            StreamError: a pipe; `spool` makes it rereadable.
        """
        if not self.rereadable:
            raise StreamError(f"{self.name}: a pipe cannot be read twice; spool it first")
        self._position = 0
        self._restart()

    @abstractmethod
    def close(self) -> None:
        """Let go of files; any time, any number of times."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _pull(self, frames: int) -> Audio:
        """From 1 to `frames` frames, none only at the end."""

    @abstractmethod
    def _restart(self) -> None:
        """Go back to the first frame; only called when rereadable."""

    def _here(self) -> str:
        return format_position(self._position, self.spec.sample_rate)

    def _ends_early(self, declared: int) -> None:
        self._warn(f"ends at {self._here()}, its header says {declared}; read to its real end")

    def _warn(self, text: str) -> None:
        message = f"{self.name}: {text}"
        if message not in self.warnings:  # a second reading finds the same
            self.warnings.append(message)

    def _refuse_non_finite(self, block: Audio) -> None:
        finite = np.isfinite(block)
        if not finite.all():
            first = int(np.flatnonzero(~finite.all(axis=0))[0])
            where = format_position(self._position + first, self.spec.sample_rate)
            channel = int(np.flatnonzero(~finite[:, first])[0])
            value = block[channel, first]
            raise SourceError(f"{self.name}: {value} at {where}, channel {channel + 1}; every sample must be a number")
