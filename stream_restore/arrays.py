"""Sound in memory: NumPy arrays and generators of blocks, as sources that stages and figures read, and back again.

What comes out is what a float32 WAV on the disk would give, sample by sample: the same stages get the same sound, and
their output does not depend on how it is cut into blocks.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from io import RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from .audio import Format, Source, format_position, spool
from .audio.pcm.wav_writer import WavHead
from .audio.samples.coding import encode
from .audio.source import MAX_CHANNELS, MAX_RATE
from .degradation.degradation import Degradation, mean_power
from .engine.loop import BLOCK, Progress, Ticker, stream
from .engine.stage import Stage
from .errors import ConfigError, SinkError, SpecError
from .models import Model
from .ranges import Range, restrict
from .restoration import Restoration, measure
from .spec import Audio, Spec

if TYPE_CHECKING:
    from typing_extensions import TypeIs

__all__ = ["ArraySource", "Blocks", "Samples", "Sound", "byte_stream", "degraded", "is_sound", "restored"]

Samples: TypeAlias = NDArray[np.floating[Any]]
"""Sound at full scale +-1, shape (channels, frames), or (frames,) for a single channel."""
Blocks: TypeAlias = Iterator[Samples]
"""A generator of blocks that follow each other, all of one number of channels."""
Sound: TypeAlias = Samples | Blocks
Prepare: TypeAlias = Callable[[Source, Ticker], tuple[Source, Stage[Any]]]
"""Makes the stage for a source, and what it reads; may read the source to its end, but must rewind it."""

FLOAT = Format("wav", "f32")
MOST_CHANNELS = 8
"""Arrays with more channels than this and fewer frames than channels are refused as transposed."""


def is_sound(given: object) -> "TypeIs[Sound]":
    """Whether this is sound in memory, not a file name or a byte stream.

    Raises:
        ConfigError: if it is neither.

    >>> is_sound(np.zeros(4)), is_sound("tape.wav")
    (True, False)
    """
    if isinstance(given, str | Path) or hasattr(given, "read"):
        return False
    if hasattr(given, "__array__") or isinstance(given, Iterator):
        return True
    raise ConfigError(
        f"sound is a file's name, a binary stream, a NumPy array or a generator of blocks, got {type(given).__name__};"
        " np.asarray makes an array of a list of samples, iter a generator of a list of blocks"
    )


def restored(
    sound: Sound,
    sample_rate: float | None,
    restoration: Restoration,
    network: Model | None,
    normalise: bool,
    range: Range | None,
    progress: Progress | None,
) -> Audio | Iterator[Audio]:
    """`api.restore` of sound in memory."""

    def prepare(source: Source, ticker: Ticker) -> tuple[Source, Stage[Any]]:
        known = restoration.with_profile_of(source, network)
        if normalise:
            level = measure(stream(source, known.before_network(source.spec), ticker))
            source.rewind()
            known = replace(known, level=level)
        stage = known.stage(source.spec, network)
        return restrict(source, stage, range) if range else (source, stage)

    twice = normalise or isinstance(restoration.noise_profile, tuple)
    return _processed(sound, sample_rate, prepare, 2 if twice else 1, progress)


def degraded(
    sound: Sound,
    sample_rate: float | None,
    degradation: Degradation,
    power: float | None,
    range: Range | None,
    progress: Progress | None,
) -> Audio | Iterator[Audio]:
    """`api.degrade` of sound in memory."""
    measured = degradation.snr_db is not None and power is None

    def prepare(source: Source, ticker: Ticker) -> tuple[Source, Stage[Any]]:
        signal_power = power
        if measured:
            signal_power = mean_power(stream(source, degradation.before_noise(source.spec), ticker))
            source.rewind()
        stage = degradation.stage(source.spec, signal_power)
        return restrict(source, stage, range) if range else (source, stage)

    return _processed(sound, sample_rate, prepare, 2 if measured else 1, progress)


def byte_stream(sound: Sound, sample_rate: float | None, name: str) -> BinaryIO:
    """The same sound as a float32 WAV in a pipe.

    Raises:
        SpecError: as `ArraySource`.
    """
    if isinstance(sound, Iterator):
        return cast("BinaryIO", _WavBytes(_BlockSource(sound, sample_rate, name)))
    return cast("BinaryIO", _WavBytes(ArraySource(sound, sample_rate, name)))


class ArraySource(Source):
    """An array as a source. Only the block being read is copied.

    Args:
        samples: see `Samples`; float16, float64 and what NumPy can make an array of become float32, block by block.
        sample_rate: in Hz, a whole number.
        name: for messages.

    Attributes:
        is_flat: whether the array had the shape (frames,).

    Raises:
        SpecError: if samples are not floats, channels come last, or the rate is invalid; the message says what to do.
    """

    def __init__(self, samples: Samples, sample_rate: float | None, name: str = "the array") -> None:
        self._samples, self.is_flat = _rows(samples, name)
        channels, frames = self._samples.shape
        super().__init__(name, Spec(_rate(sample_rate), channels), frames, FLOAT, rereadable=True)

    def close(self) -> None:
        """Nothing to release."""

    def _pull(self, frames: int) -> Audio:
        return _float32(self._samples[:, self._position : self._position + frames])

    def _restart(self) -> None:
        """The base class holds the position."""


class _BlockSource(Source):
    """A generator of blocks as a source. It holds a copy of one block: generators may reuse theirs."""

    def __init__(self, blocks: Blocks, sample_rate: float | None, name: str) -> None:
        self._blocks, rate = blocks, _rate(sample_rate)
        first, self.is_flat = _rows(next(blocks, np.zeros(0)), name)
        self._held = np.array(_float32(first))
        super().__init__(name, Spec(rate, len(first)), None, FLOAT, rereadable=False)

    def close(self) -> None:
        """The generator belongs to the caller."""

    def waiting(self) -> int:
        """Frames that can be read without advancing the generator, which is advanced first if there are none."""
        while not self._held.shape[1] and (block := next(self._blocks, None)) is not None:
            self._held = self._checked(block)
        return int(self._held.shape[1])

    def _pull(self, frames: int) -> Audio:
        self.waiting()
        block, self._held = self._held[:, :frames], self._held[:, frames:]
        return block

    def _checked(self, block: Samples) -> Audio:
        rows, is_flat = _rows(block, self.name)
        if len(rows) != self.spec.channels or is_flat != self.is_flat:
            expected = "(frames,)" if self.is_flat else f"({self.spec.channels}, frames)"
            raise SpecError(f"{self.name}: a block of shape {np.shape(block)} follows blocks of shape {expected}")
        return np.array(_float32(rows))

    def _restart(self) -> None:
        raise AssertionError  # it is not rereadable


class _WavBytes(RawIOBase):
    """A WAV of unknown length; the reader checks for non-finite samples."""

    def __init__(self, source: ArraySource | _BlockSource) -> None:
        self.name = source.name
        self._source = source
        self._ahead = memoryview(WavHead(source.spec, FLOAT).start())

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._ahead:
            block = self._source._pull(BLOCK)
            self._source._position += block.shape[1]
            self._ahead = memoryview(encode(block, "f32"))
        count = min(len(buffer), len(self._ahead))
        buffer[:count] = self._ahead[:count]
        self._ahead = self._ahead[count:]
        return count


def _processed(
    sound: Sound, sample_rate: float | None, prepare: Prepare, passes: int, progress: Progress | None
) -> Audio | Iterator[Audio]:
    if isinstance(sound, Iterator):
        _rate(sample_rate)  # what is wrong with it is said now, and not when the first block is asked for
        return _processed_blocks(sound, sample_rate, prepare, passes, progress)
    given = ArraySource(sound, sample_rate)
    ticker = Ticker(progress, given.frames, passes)
    source, stage = prepare(given, ticker)
    out = np.empty((stage.output.channels, stage.output_frames(source.frames or 0)), np.float32)
    done = 0
    for block in _finite(stream(source, stage, ticker), stage.output):
        out[:, done : done + block.shape[1]] = block
        done += block.shape[1]
    return out[0] if given.is_flat else out


def _processed_blocks(
    blocks: Blocks, sample_rate: float | None, prepare: Prepare, passes: int, progress: Progress | None
) -> Iterator[Audio]:
    """Blocks as they become ready; if a first pass is needed, once all input is in a temporary file."""
    with ExitStack() as stack:
        given = _BlockSource(blocks, sample_rate, "the generator")
        ticker = Ticker(progress, None, passes)
        source = stack.enter_context(spool(given)) if passes > 1 else given
        source, stage = prepare(source, ticker)
        out = _stream_at_once(given, stage, ticker) if source is given else stream(source, stage, ticker)
        for block in _finite(out, stage.output):
            if block.shape[1]:
                yield block[0] if given.is_flat else block


def _stream_at_once(source: _BlockSource, stage: Stage[Any], ticker: Ticker) -> Iterator[Audio]:
    """As `engine.loop.stream`, but blocks are passed on as they come, for low latency."""
    while frames := source.waiting():
        yield stage.process(source.read(frames))
        ticker(frames)
    yield stage.flush()


def _finite(blocks: Iterator[Audio], spec: Spec) -> Iterator[Audio]:
    """The same blocks; non-finite samples are refused, as sinks do."""
    done = 0
    for block in blocks:
        if not np.isfinite(block).all():
            first = done + int(np.flatnonzero(~np.isfinite(block).all(axis=0))[0])
            raise SinkError(
                f"the result has a sample that is not finite at {format_position(first, spec.sample_rate)};"
                " a model or an option makes the sound too loud for numbers"
            )
        done += block.shape[1]
        yield block


def _rate(sample_rate: float | None) -> int:
    if sample_rate is None:
        raise SpecError("an array does not say its sample rate: give sample_rate=, in Hz")
    if not 1 <= sample_rate <= MAX_RATE or sample_rate != int(sample_rate):
        raise SpecError(f"sample_rate must be a whole number of Hz from 1 to {MAX_RATE}, got {sample_rate}")
    return int(sample_rate)


def _rows(samples: Any, name: str) -> tuple[Samples, bool]:
    """The samples in two dimensions, channels first, and whether they had only one dimension."""
    if not hasattr(samples, "__array__"):
        raise SpecError(
            f"{name}: blocks are NumPy arrays, got {type(samples).__name__}; np.asarray makes one of a list"
        )
    array = np.asarray(samples)
    _refuse_other_than_floats(array, name)
    if array.ndim not in (1, 2):
        raise SpecError(f"{name}: has the shape {array.shape}; give (channels, frames), or (frames,) for one channel")
    rows = np.atleast_2d(array)
    channels, frames = rows.shape
    if channels > max(MOST_CHANNELS, frames) and frames:
        raise SpecError(
            f"{name}: of shape {array.shape}, would be {channels} channels of {frames} frames; channels come first:"
            " give its transpose, array.T"
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise SpecError(f"{name}: has {channels} channels; give from 1 to {MAX_CHANNELS}, as (channels, frames)")
    return rows, array.ndim == 1


def _refuse_other_than_floats(array: NDArray[Any], name: str) -> None:
    if np.issubdtype(array.dtype, np.floating):
        return
    cure = "give floats at full scale +-1"
    if np.issubdtype(array.dtype, np.signedinteger):
        cure += f": array.astype(np.float32) / {1 << (8 * array.dtype.itemsize - 1)}"
    elif array.dtype == np.uint8:
        cure += ": (array.astype(np.float32) - 128) / 128"
    raise SpecError(f"{name}: holds {array.dtype}; {cure}")


def _float32(samples: Samples) -> Audio:
    with np.errstate(over="ignore"):  # what becomes infinite is refused by who reads it
        return samples.astype(np.float32, copy=False)
