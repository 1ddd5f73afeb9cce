"""Choice of the excerpt: the seconds of a clip in which its conditions differ most."""

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import combinations
from math import isfinite
from pathlib import Path

import numpy as np

from ...audio import Source, open_source
from ...engine.loop import skip
from ...errors import ConfigError, SourceError
from ...measure.loudness import measure_loudness
from ...spec import Audio, Spec

__all__ = ["LONGEST_SECONDS", "Place", "find_excerpt", "read_excerpt"]

LONGEST_SECONDS = 12.0
"""The Recommendation's."""
STEPS = 10
"""A second."""
FLOOR_DB = -20.0
"""Below the loudness of the reference: in what is quieter still, differences count less."""

Place = tuple[int, int]
"""First frame and number of frames."""


def find_excerpt(paths: Sequence[Path], seconds: float = LONGEST_SECONDS, at: float | None = None) -> Place:
    """The excerpt in which recordings of one clip, the reference first, differ most, at equal loudness.

    What is summed over the excerpt is, of each tenth of a second, the mean RMS of the differences of all pairs, over
    the RMS of the reference. Reads every recording twice, in bounded memory.

    Args:
        seconds: its length, up to 12; a shorter clip is used as it is.
        at: start of the excerpt in seconds; None: where conditions differ most.

    Raises:
        ConfigError: if rates or channels differ, or the excerpt is too long or lies outside.
        SourceError: if a recording cannot be read, or has less than a tenth of a second of sound.
    """
    if not 0 < seconds <= LONGEST_SECONDS:
        raise ConfigError(f"an excerpt has up to {LONGEST_SECONDS:g} s, got {seconds:g}")
    with ExitStack() as stack:
        sources = [stack.enter_context(open_source(path, on_damage="stop")) for path in paths]
        spec = _spec(sources)
        length = spec.frames(seconds)
        if at is not None:
            return _given(sources[0], spec.frames(at), length)
        levels = [measure_loudness(source).integrated_lufs for source in sources]
        for source in sources:
            source.rewind()
        return _best(sources, levels, length)


def read_excerpt(path: Path, place: Place) -> Audio:
    """These frames of a recording.

    Raises:
        SourceError: if it has fewer.
    """
    start, frames = place
    with open_source(path, on_damage="stop") as source:
        skip(source, start)
        sound = source.read(frames)
    if sound.shape[1] < frames:
        raise SourceError(f"{path}: ends within the excerpt of {frames} frames from frame {start} on")
    return sound


def _spec(sources: Sequence[Source]) -> Spec:
    for source in sources:
        if source.spec != sources[0].spec:
            raise ConfigError(f"{source.name} has {source.spec}, the reference {sources[0].spec}: they must be alike")
    return sources[0].spec


def _given(reference: Source, start: int, length: int) -> Place:
    frames = 0
    while (block := reference.read(1 << 15)).shape[1]:
        frames += block.shape[1]
    if start >= frames:
        raise ConfigError(
            f"{reference.name}: ends after {reference.spec.seconds(frames):g} s, the excerpt begins later"
        )
    return start, min(length, frames - start)


def _best(sources: Sequence[Source], levels: Sequence[float], length: int) -> Place:
    """Slide over the steps, holding those of one excerpt."""
    step = max(1, sources[0].spec.sample_rate // STEPS)
    gains = [10 ** ((levels[0] - level) / 20) if isfinite(levels[0] - level) else 1.0 for level in levels]
    floor = 10 ** ((levels[0] + FLOOR_DB) / 20) if isfinite(levels[0]) else 1.0
    window: deque[float] = deque(maxlen=max(1, length // step))
    best, start, frames = -1.0, 0, 0
    while (blocks := _together(sources, step))[0].shape[1]:
        frames += blocks[0].shape[1]
        if blocks[0].shape[1] < step:
            break
        window.append(_difference(blocks, gains, floor))
        total = sum(window)
        if len(window) == window.maxlen and total > best:
            best, start = total, frames - step * len(window)
    if not frames:
        raise SourceError(f"{sources[0].name}: holds no sound that all conditions have")
    return start, min(length, frames - start)


def _together(sources: Sequence[Source], step: int) -> list[Audio]:
    blocks = [source.read(step) for source in sources]
    common = min(block.shape[1] for block in blocks)
    return [block[:, :common] for block in blocks]


def _difference(blocks: Sequence[Audio], gains: Sequence[float], floor: float) -> float:
    matched = [gain * block.astype(np.float64) for gain, block in zip(gains, blocks, strict=True)]
    apart = [float(np.sqrt(np.square(one - other).mean())) for one, other in combinations(matched, 2)]
    return float(np.mean(apart)) / (float(np.sqrt(np.square(matched[0]).mean())) + floor)
