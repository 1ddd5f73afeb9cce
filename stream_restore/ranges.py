"""Part of a recording, restored as the whole run would have it: any ranges, joined, give its bytes.

The stages begin as late as they can, see `stream_restore.engine.stage.Stage.start_at`: what lies further back than they
look is neither decoded, where the input is of plain samples, nor computed. So a range costs its own length and at most
the `lookback` and `latency` of the stages, wherever it lies.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any, Literal

from .audio import Source, format_timestamp
from .engine.range_stage import RangeStage
from .engine.stage import Stage
from .errors import ConfigError, SourceError
from .spec import Audio, empty, nearest

__all__ = ["Range", "RangeSource", "restrict"]

_FORMS = (
    (re.compile(r"(\d+(?:\.\d+)?)s?"), (1,)),
    (re.compile(r"(\d+):([0-5]\d(?:\.\d+)?)"), (60, 1)),
    (re.compile(r"(\d+):([0-5]\d):([0-5]\d(?:\.\d+)?)"), (3600, 60, 1)),
)
"""Seconds, minutes and seconds, hours and so on; and how many seconds each of their numbers counts."""


@dataclass(frozen=True)
class Range:
    """The frames [start, stop) of a recording, or what sounds between two times.

    Attributes:
        start: where it begins.
        stop: where it ends; None: with the recording.
        unit: of both, "frames" or "seconds". A time counts as the frame that is nearest, halves up.

    Raises:
        ConfigError: if it begins before 0, or is empty.

    >>> Range.parse("1:30:2:00").frames(44100)
    (3969000, 5292000)
    >>> Range.parse("44100f:").frames(44100)
    (44100, None)
    """

    start: int | float | Fraction = 0
    stop: int | float | Fraction | None = None
    unit: Literal["frames", "seconds"] = "frames"

    def __post_init__(self) -> None:
        ends = [self.start] if self.stop is None else [self.start, self.stop]
        if self.unit not in ("frames", "seconds"):
            raise ConfigError(f"the unit of a range is frames or seconds, got {self.unit!r}")
        if not (all(map(isfinite, ends)) and ends[0] >= 0 and ends == sorted(set(ends))):
            raise ConfigError(f"a range begins at 0 or later and ends after that, got {self}")
        if self.unit == "frames" and any(end != int(end) for end in ends):
            raise ConfigError(f"a range of frames has whole numbers, got {self}")

    def __str__(self) -> str:
        ends = ("" if end is None else f"{float(end):.12g}" for end in (self.start, self.stop))
        return f"{':'.join(ends)} {self.unit}"

    @classmethod
    def parse(cls, text: str) -> "Range":
        """The range that START:END says, each a time as 90, 1:30 or 0:01:30.5, or a number of frames as 44100f.

        Either may be missing: from the beginning, to the end.

        Raises:
            ConfigError: if it says none, or more than one (0:10:30 may begin at 0 or at 0:10; 0s:10:30 says it).
        """
        readings = list(_readings(text))
        found = [each for each in readings if None in each[:2] or each[0] < each[1]] or readings[:1]
        if len(found) != 1:
            problem = "may be read in two ways; write seconds as 10s" if found else "is no range"
            raise ConfigError(
                f"{text[:100]!r} {problem}: START:END are times as 90, 1:30 or 0:01:30, or frames as 44100f"
            )
        start, stop, unit = found[0]
        return cls(start or 0, stop, unit)

    def frames(self, sample_rate: int) -> tuple[int, int | None]:
        """First frame, and the one behind the last.

        Raises:
            ConfigError: if no frame lies within.
        """
        scale = 1 if self.unit == "frames" else sample_rate
        start, stop = (None if end is None else nearest(Fraction(end) * scale) for end in (self.start, self.stop))
        if stop is not None and stop == start:
            raise ConfigError(f"no frame lies within {self} at {sample_rate} Hz")
        return start or 0, stop


def _readings(text: str) -> Iterator[tuple[Any, Any, Literal["frames", "seconds"]]]:
    """Every way to read a text as two positions with a colon between them; a missing one is None."""
    for colon in re.finditer(":", text):
        halves = text[: colon.start()].strip(), text[colon.end() :].strip()
        given = [half for half in halves if half]
        if given and all(re.fullmatch(r"\d+f", half) for half in given):
            start, stop = (int(half[:-1]) if half else None for half in halves)
            yield start, stop, "frames"
        elif given and None not in map(_seconds, given):
            begin, end = (_seconds(half) if half else None for half in halves)
            yield begin, end, "seconds"


def _seconds(text: str) -> Fraction | None:
    for form, scales in _FORMS:
        if match := form.fullmatch(text):
            return sum((Fraction(part) * scale for part, scale in zip(match.groups(), scales, strict=True)), Fraction())
    return None


class RangeSource(Source):
    """The frames [first, last) of a source, which is left to its owner to close.

    Args:
        source: at its start.
        first, last: what is read; last is None for all there is.
        wanted: the frames that are asked for, of which it is said if they are not there.

    Raises:
        SourceError: (from `read`) if the recording ends before the first frame that is wanted.
    """

    def __init__(self, source: Source, first: int, last: int | None, wanted: tuple[int, int | None]) -> None:
        self._source, self._first, self._last, self._wanted = source, first, last, wanted
        super().__init__(source.name, source.spec, self._within(source.frames), source.format, source.rereadable)
        self.estimate = self._within(source.estimate if last is None or source.estimate is not None else last)
        self.warnings = source.warnings
        self.format.extras.move()
        self._at = 0

    def close(self) -> None:
        """The source belongs to the caller."""

    def _within(self, frames: int | None) -> int | None:
        if frames is None:
            return None
        return max(0, (frames if self._last is None else min(frames, self._last)) - self._first)

    def _pull(self, frames: int) -> Audio:
        if self._at < self._first:
            self._at += self._source.skip(self._first - self._at)
        left = frames if self._last is None else min(frames, self._last - self._at)
        if left <= 0:
            return empty(self.spec.channels)
        block = self._source.read(left) if self._at >= self._first else empty(self.spec.channels)
        self._at += block.shape[1]
        if not block.shape[1]:
            self._ended()
        return block

    def _ended(self) -> None:
        start, stop = self._wanted
        here = format_timestamp(self.spec.seconds(self._at))
        if start and self._at <= start:
            raise SourceError(f"{self.name}: ends at {here}, before the range begins")
        if stop is not None and self._at < stop:
            self._warn(f"ends at {here}, before the range does")

    def _restart(self) -> None:
        self._source.rewind()
        self._at = 0


def restrict(source: Source, stage: Stage[Any], wanted: Range) -> tuple[Source, Stage[Any]]:
    """A source and a stage that together give a range of what the given ones would; the rate must stay the same.

    Findings and counts are of the range and of what had to be looked at around it.

    Raises:
        ConfigError: if no frame lies within the range.
    """
    start, stop = wanted.frames(source.spec.sample_rate)
    ranged = RangeStage(stage, start, stop)
    return RangeSource(source, ranged.first, ranged.last, (start, stop)), ranged
