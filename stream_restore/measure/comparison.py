"""All figures of one recording against another, and warnings where figures mislead."""

from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from math import isnan, log10, nan
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..audio import OnDamage, RawFormat, Source, open_source, spool
from ..engine.loop import BLOCK, Progress, Ticker
from ..errors import ConfigError, SourceError
from ..passes.journal import Journal
from ..passes.resumable_pass import run_pass
from ..spec import Audio, Spec
from .delay import Delay, DelayFinder
from .distortion import Distortion, Metrics
from .figures import FIGURES, Comparison, Figures

__all__ = ["FIGURES", "Comparison", "Figures", "Findings", "compare"]

LONGEST_DELAY_SECONDS = 2.0
GAIN_DB = 1.0
"""Least gain of SI-SDR or SDR by compensating a delay or a factor for a warning."""
UNRELATED = 0.05
"""Recordings with a correlation below this count as unrelated."""


@dataclass(frozen=True)
class Findings:
    """The result of `compare`.

    Attributes:
        spec: of both recordings.
        figures: after compensation, if that was asked for.
        delay: before compensation; its correlations are nan if it was not looked for.
        gain: factor applied to the estimate; 1 without compensation.
        shift: frames by which it was moved earlier; 0 without compensation.
        warnings: what makes the figures misleading.
    """

    spec: Spec
    figures: Figures
    delay: Delay
    gain: float
    shift: int
    warnings: tuple[str, ...]


def compare(
    reference: str | Path | BinaryIO,
    estimate: str | Path | BinaryIO,
    *,
    split_hz: float = 7000.0,
    every_seconds: float = 1.0,
    align: bool = False,
    only: Collection[str] = FIGURES,
    raw: RawFormat | None = None,
    on_damage: OnDamage = "conceal",
    progress: Progress | None = None,
    journal: Journal | None = None,
) -> Findings:
    """Compare two recordings of any length, and look for a delay, a factor and a sign flip.

    Args:
        split_hz: where the bands of `sdr_below_db` and `sdr_above_db` meet.
        every_seconds: length of a segment of `segments`.
        align: move the estimate by the delay and divide it by the factor (with its sign) that fit it to the
            reference best, and compare the frames that both then have. Reads both recordings three times; a
            pipe goes through a temporary file.
        only: compute these of `FIGURES`. Without "delay" none is looked for, unless to align, and none is warned of.
        raw: what headerless input is.
        on_damage: as for `stream_restore.audio.open_source`; what was concealed is among the warnings.
        progress: told (done, total) frames of all passes.
        journal: makes the comparison resumable; not with `align`.

    Raises:
        ConfigError: if rates or channels differ, or lengths differ without `align`, or a figure is unknown; the message
            says how.
        SourceError: if a recording cannot be read, or there is no sound to compare.
    """
    with ExitStack() as stack:
        pair = [stack.enter_context(open_source(each, raw=raw, on_damage=on_damage)) for each in (reference, estimate)]
        if align:
            pair = [stack.enter_context(spool(each)) for each in pair]
        wanted, got = pair
        _check_alike(wanted, got)
        ticker = Ticker(progress, wanted.estimate, passes=3 if align else 1)
        comparison = Comparison(wanted.spec, split_hz=split_hz, every_seconds=every_seconds, only=only)
        if align:
            return _aligned(wanted, got, comparison, ticker)
        return _as_they_are(wanted, got, comparison, _finder(wanted.spec) if "delay" in only else None, ticker, journal)


def _as_they_are(
    wanted: Source,
    got: Source,
    comparison: Comparison,
    finder: DelayFinder | None,
    ticker: Ticker,
    journal: Journal | None,
) -> Findings:
    for block, other in run_pass([wanted, got], [comparison, finder], journal, progress=ticker):
        if block.shape != other.shape:
            frames = comparison.frames + min(block.shape[1], other.shape[1])
            raise _lengths(wanted, got, frames, ended=wanted if block.shape[1] < other.shape[1] else got)
        comparison.update(block, other)
        if finder:
            finder.update(block, other)
    if not comparison.frames:
        raise SourceError(f"{wanted.name}: holds no sound to compare")
    figures, delay = comparison.result(), finder.result() if finder else Delay(0, nan, nan)
    warnings = _warnings(figures.metrics, delay, wanted.spec) + _of_reading(wanted, got)
    return Findings(wanted.spec, figures, delay, 1.0, 0, warnings)


def _aligned(wanted: Source, got: Source, comparison: Comparison, ticker: Ticker) -> Findings:
    """Find the delay, then the factor at that delay, then compare."""
    finder, spec = _finder(wanted.spec), wanted.spec
    for block, other in _pairs(wanted, got, 0, ticker):
        frames = max(block.shape[1], other.shape[1])
        finder.update(_lengthened(block, frames), _lengthened(other, frames))
    delay = finder.result()
    shift = delay.frames if _is_delayed(delay) else 0
    scale = _scale(wanted, got, shift, ticker)
    gain = 1 / scale if scale and not isnan(scale) else 1.0
    for block, other in _common(wanted, got, shift, ticker):
        comparison.update(block, (other * gain).astype(np.float32))
    figures = comparison.result()
    if not figures.metrics.frames:
        raise SourceError(f"{wanted.name}: holds no sound to compare with {got.name}")
    warnings = tuple(_meaningless(figures.metrics, delay)) + _of_reading(wanted, got)
    return Findings(spec, figures, delay, gain, shift, warnings)


def _scale(wanted: Source, got: Source, shift: int, ticker: Ticker) -> float:
    distortion = Distortion()
    for block, other in _common(wanted, got, shift, ticker):
        distortion.update(block, other)
    return distortion.result().scale


def _common(wanted: Source, got: Source, shift: int, ticker: Ticker) -> Iterator[tuple[Audio, Audio]]:
    """The common frames when the estimate is moved `shift` frames earlier."""
    for block, other in _pairs(wanted, got, shift, ticker):
        frames = min(block.shape[1], other.shape[1])
        yield block[:, :frames], other[:, :frames]


def _pairs(wanted: Source, got: Source, shift: int, ticker: Ticker) -> Iterator[tuple[Audio, Audio]]:
    """Blocks of both from the start to the end of the longer one."""
    wanted.rewind()
    got.rewind()
    for source, skipped in ((got, shift), (wanted, -shift)):
        while skipped > 0 and (block := source.read(min(skipped, BLOCK))).shape[1]:
            skipped -= block.shape[1]
    for block, other in run_pass([wanted, got], None, progress=ticker):
        yield block, other


def _lengthened(block: Audio, frames: int) -> Audio:
    """Padded with silence: a finder needs blocks of equal length."""
    return np.pad(block, ((0, 0), (0, frames - block.shape[1])))


def _finder(spec: Spec) -> DelayFinder:
    return DelayFinder(spec.channels, max(1, spec.frames(LONGEST_DELAY_SECONDS)))


def _is_delayed(delay: Delay) -> bool:
    """Whether moving the estimate raises SI-SDR, r^2 / (1 - r^2) of a correlation r, by more than GAIN_DB."""
    return _si_sdr(delay.correlation) > _si_sdr(delay.undelayed) + GAIN_DB and abs(delay.correlation) >= UNRELATED


def _si_sdr(correlation: float) -> float:
    explained = min(correlation * correlation, 1 - 1e-12)
    return 10 * log10(max(explained, 1e-12) / (1 - explained))


def _warnings(found: Metrics, delay: Delay, spec: Spec) -> tuple[str, ...]:
    """What makes the figures misleading, each with its size and remedy."""
    if nothing := _meaningless(found, delay):
        return tuple(nothing)
    if not _is_delayed(delay):
        return tuple(_of_scale(found))
    late = "late" if delay.frames > 0 else "early"
    return (
        f"the estimate is {abs(delay.frames)} frames ({1000 * abs(delay.frames) / spec.sample_rate:.2f} ms) {late}:"
        f" SI-SDR would be about {_si_sdr(delay.correlation):.1f} dB instead of {found.si_sdr_db:.1f} dB; --align"
        " compensates it",
    )


def _of_reading(wanted: Source, got: Source) -> tuple[str, ...]:
    return (*wanted.warnings, *got.warnings)


def _meaningless(found: Metrics, delay: Delay) -> list[str]:
    """Warnings that no compensation remedies."""
    if isnan(found.si_sdr_db):
        return ["the reference is silent: there is nothing to compare with"]
    if not delay.correlation:
        return ["the estimate is silent"]
    if abs(delay.correlation) < UNRELATED:
        return [
            f"the recordings have nothing in common at any delay up to {LONGEST_DELAY_SECONDS:g} s (correlation"
            f" {delay.correlation:.3f}): these are the figures of unrelated sounds"
        ]
    return []


def _of_scale(found: Metrics) -> list[str]:
    if found.scale < 0:
        return [f"the estimate is sign-flipped (scale {found.scale:.4g}); --align compensates it"]
    if found.si_sdr_db > found.sdr_db + GAIN_DB and found.scale:
        level = 20 * log10(found.scale)
        return [
            f"the estimate is {abs(level):.1f} dB too {'loud' if level > 0 else 'quiet'} (scale {found.scale:.4g}): SDR"
            " measures that, SI-SDR does not; --align compensates it"
        ]
    return []


def _check_alike(wanted: Source, got: Source) -> None:
    if wanted.spec != got.spec:
        said = [
            f"{each.name} has {each.spec.channels} channels at {each.spec.sample_rate} Hz" for each in (wanted, got)
        ]
        raise ConfigError(f"{', '.join(said)}; convert one of them first")


def _lengths(wanted: Source, got: Source, frames: int, ended: Source) -> ConfigError:
    longer = got if ended is wanted else wanted
    return ConfigError(
        f"{ended.name} ends after {frames} frames, {longer.name} goes on; cut both to one length, or compare what they"
        " have in common with --align"
    )
