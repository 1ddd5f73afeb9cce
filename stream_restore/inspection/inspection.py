"""Format, damage and suggested repairs of a recording, in one pass and bounded memory."""

import shlex
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from ..audio import OnDamage, RawFormat, Source, open_source
from ..engine.loop import BLOCK, Progress, Ticker
from ..engine.threads import each
from ..measure.loudness import Loudness, LoudnessFigures
from ..spec import Audio, Spec
from .clicks import ClickMeter
from .clipping import Clipping, ClippingMeter
from .cutoff import CutoffMeter, LongCutoff
from .hum import Hum, HumMeter
from .levels import Levels, LevelsMeter
from .spectrum import Noise, SpectrumMeter

__all__ = ["Inspection", "inspect"]

AT_ONCE = 16
"""Blocks that are read before all meters take them: some seconds of sound."""
CLICKS_PER_MINUTE = 20.0
"""Fewer may be part of the music."""
CLIPPED_SHARE = 1e-5
NOISE_DBFS = -75.0
NOISE_SPREAD_DB = 6.0
"""A floor that is steadier than this in most bands is one."""


class _Meter(Protocol):
    def update(self, block: Audio) -> None: ...


@dataclass(frozen=True)
class Inspection:
    """The findings of an inspection.

    Attributes:
        name: of the recording.
        spec: its rate and channels.
        container, encoding: as it is stored.
        frames: its length.
        levels, loudness: of all of it.
        clipping, hum, noise, cutoff: None where there is none.
        clicks_per_minute: see `ClickMeter`.
        warnings: of reading it.
    """

    name: str
    spec: Spec
    container: str
    encoding: str
    frames: int
    levels: Levels
    loudness: LoudnessFigures
    clipping: Clipping | None
    clicks_per_minute: float
    hum: Hum | None
    noise: Noise | None
    cutoff: LongCutoff | None
    warnings: tuple[str, ...]

    def damage(self) -> dict[str, dict[str, Any]]:
        """For each kind of damage, whether it is found, and its size."""
        clipped, noise, cutoff = self.clipping, self.noise, self.cutoff
        noisy = noise is not None and noise.floor_dbfs > NOISE_DBFS and noise.spread_db < NOISE_SPREAD_DB
        found: dict[str, dict[str, Any]] = {
            "clipping": {"found": clipped is not None and clipped.share > CLIPPED_SHARE}
            | (asdict(clipped) if clipped else {"share": 0.0}),
            "clicks": {"found": self.clicks_per_minute > CLICKS_PER_MINUTE, "per_minute": self.clicks_per_minute},
            "hum": {"found": self.hum is not None} | (asdict(self.hum) if self.hum else {}),
            "noise": {"found": noisy} | (asdict(noise) if noise else {}),
            "treble": {"found": cutoff is not None and cutoff.is_damage} | (_told(cutoff) if cutoff else {}),
        }
        return found

    def command(self) -> str | None:
        """A command that repairs the damage; None if there is none that a repair applies to."""
        repairs = [name for name, facts in self.damage().items() if facts["found"]]
        return f"stream-restore restore {shlex.quote(self.name)} --repair {','.join(repairs)}" if repairs else None

    def as_dict(self) -> dict[str, Any]:
        """All of it for JSON; figures of silence, which are infinite, are None."""
        facts: dict[str, Any] = _finite(
            {
                "name": self.name,
                "container": self.container,
                "encoding": self.encoding,
                "sample_rate": self.spec.sample_rate,
                "channels": self.spec.channels,
                "frames": self.frames,
                "seconds": self.frames / self.spec.sample_rate,
                **asdict(self.loudness),
                "levels": asdict(self.levels),
                "damage": self.damage(),
                "command": self.command(),
                "warnings": self.warnings,
            }
        )
        return facts


def inspect(
    input: str | Path | BinaryIO,
    *,
    raw: RawFormat | None = None,
    on_damage: OnDamage = "conceal",
    progress: Progress | None = None,
) -> Inspection:
    """Read a recording to its end and inspect it. With `on_damage` "stop", sound that is lost is an error.

    Raises:
        SourceError: if it cannot be read.
    """
    with ExitStack() as stack:
        source = stack.enter_context(open_source(input, raw=raw, on_damage=on_damage))
        return _inspected(str(input), source, Ticker(progress, source.estimate, passes=1))


def _inspected(name: str, source: Source, ticker: Ticker) -> Inspection:
    spec, frames = source.spec, 0
    levels, loudness, spectrum = LevelsMeter(spec.channels), Loudness(spec), SpectrumMeter(spec)
    clipping, clicks, hum = ClippingMeter(spec.channels), ClickMeter(spec), HumMeter(spec)
    cutoff = CutoffMeter(spec)
    # The slowest first: each takes the same blocks in the same order, on whatever core is free.
    meters: list[_Meter] = [hum, loudness, cutoff, clicks, spectrum, levels, clipping]
    while blocks := _read(source, AT_ONCE):
        each(lambda number: _update(meters[number], blocks), len(meters))
        read = sum(block.shape[1] for block in blocks)
        frames += read
        ticker(read)
    return Inspection(
        name,
        spec,
        source.format.container,
        source.format.encoding,
        frames,
        levels.result(),
        loudness.result(),
        clipping.result(),
        clicks.per_minute(),
        hum.result(),
        spectrum.noise(),
        cutoff.result(),
        tuple(source.warnings),
    )


def _read(source: Source, most: int) -> list[Audio]:
    """The next blocks of a recording; none at its end."""
    blocks: list[Audio] = []
    while len(blocks) < most and (block := source.read(BLOCK)).shape[1]:
        blocks.append(block)
    return blocks


def _update(meter: _Meter, blocks: list[Audio]) -> None:
    for block in blocks:
        meter.update(block)


def _told(cutoff: LongCutoff) -> dict[str, float]:
    return {"cutoff_hz": cutoff.hertz, "drop_db": cutoff.drop_db, "share": cutoff.share}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value
