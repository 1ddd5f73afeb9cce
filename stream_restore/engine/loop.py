"""The processing loop: from a source through a stage into sinks. The only caller of `flush`."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias

from ..errors import SourceError, SpecError
from ..spec import Audio, Spec
from .stage import Stage

__all__ = ["BLOCK", "Progress", "Readable", "Ticker", "Writable", "run", "skip", "stream"]

BLOCK = 1 << 15
"""Frames read at once: memory and speed depend on it, the result does not."""


Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with the frames done and the total of all passes; None if the length is unknown."""


class Ticker:
    """Counts frames over one or more passes through a recording of about `estimate` frames."""

    def __init__(self, progress: Progress | None, estimate: int | None, passes: int) -> None:
        self._progress = progress
        self._total = estimate * passes if estimate else None
        self._done = 0

    def expect(self, estimate: int | None) -> None:
        """From here on it is another number of frames to the end."""
        self._total = self._done + estimate if estimate else None

    def __call__(self, frames: int) -> None:
        self._done += frames
        if self._progress:
            self._progress(self._done, self._total)


class Readable(Protocol):
    """Sound that can be read: a `stream_restore.audio.Source`, or anything of the same shape."""

    @property
    def spec(self) -> Spec: ...
    def read(self, frames: int) -> Audio:
        """The next `frames` frames, fewer only at the end, none after it."""
        ...


class Writable(Protocol):
    """A place for sound: a `stream_restore.audio.Sink`, or anything of the same shape."""

    @property
    def spec(self) -> Spec: ...
    def write(self, block: Audio) -> None: ...


def stream(
    source: Readable,
    stage: Stage[Any],
    progress: Callable[[int], None] | None = None,
    block_frames: int = BLOCK,
) -> Iterator[Audio]:
    """The output of a stage for a source, block by block.

    Args:
        progress: told the number of frames of each block after it was processed.

    Raises:
        SpecError: if the source's spec is not the stage's input.
    """
    if source.spec != stage.input:
        raise SpecError(f"the source gives {source.spec}, the stage takes {stage.input}")
    while (block := source.read(block_frames)).shape[1]:
        yield stage.process(block)
        if progress:
            progress(block.shape[1])
    yield stage.flush()


def run(
    source: Readable,
    stage: Stage[Any],
    sinks: Sequence[Writable],
    progress: Callable[[int], None] | None = None,
    block_frames: int = BLOCK,
) -> None:
    """Read a source to its end; each sink gets its share of the stage's output channels, in order.

    Raises:
        SpecError: if the sinks do not add up to the output of the stage.
    """
    channels = sum(sink.spec.channels for sink in sinks)
    if channels != stage.output.channels or any(s.spec.sample_rate != stage.output.sample_rate for s in sinks):
        raise SpecError(f"the stage gives {stage.output}, the sinks take {[sink.spec for sink in sinks]}")
    for block in stream(source, stage, progress, block_frames):
        first = 0
        for sink in sinks:
            sink.write(block[first : first + sink.spec.channels])
            first += sink.spec.channels


def skip(source: Readable, frames: int) -> None:
    """Read and discard the frames that an earlier run has read.

    Raises:
        SourceError: if the source has fewer frames.
    """
    left = frames
    while left > 0:
        block = source.read(min(BLOCK, left)).shape[1]
        if not block:
            name = getattr(source, "name", "the recording")
            raise SourceError(f"{name}: has only {frames - left} frames now, an earlier run read {frames}")
        left -= block
