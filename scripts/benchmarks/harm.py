"""What repairs do to released music that has nothing wrong: it should come back as it was."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from free_music import free_music
from passes import SAMPLE_RATE, apply

from stream_restore.models import Model, load
from stream_restore.restoration import Restoration
from stream_restore.restoration.repairs import DEFAULT, NAMES
from stream_restore.spec import Audio, Spec

from .figures import si_sdr_db
from .table import table

__all__ = ["Excerpt", "excerpts", "measure"]

GOOD_DB, LEAST_DB = 45.0, 33.0
"""A repair is harmless if 95 % of the excerpts come back at the first, and none below the second."""


@dataclass(frozen=True)
class Excerpt:
    """A piece of music, from the middle of a recording, shape (channels, frames) at `SAMPLE_RATE`."""

    package: str
    name: str
    sound: Audio


@dataclass(frozen=True)
class Row:
    """How an excerpt came back from some repairs."""

    repairs: str
    package: str
    name: str
    si_sdr_db: float
    exact: bool


def measure(options: argparse.Namespace, folder: Path) -> str:
    """Each repair alone, and those that are on by default together, over excerpts of free music."""
    chosen = options.repair or [*NAMES, ",".join(DEFAULT)]
    model = load(options.name)
    rows = [
        row
        for excerpt in excerpts(options.recordings, options.excerpts, options.seconds)
        for row in _rows(excerpt, chosen, model)
    ]
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), "utf-8")
    return (
        f"{len(rows) // len(chosen)} excerpts of {options.seconds:g} s.\n\n{_summary(rows, chosen)}\n\n{_worst(rows)}"
    )


def _rows(excerpt: Excerpt, chosen: Sequence[str], model: Model) -> Iterator[Row]:
    for words in chosen:
        stage = Restoration(repairs=tuple(words.split(","))).stage(Spec(SAMPLE_RATE, len(excerpt.sound)), model)
        back = apply(stage, excerpt.sound)
        exact = bool((back == excerpt.sound).all())
        yield Row(words, excerpt.package, excerpt.name, np.inf if exact else si_sdr_db(back, excerpt.sound), exact)
    print(f"{excerpt.package} {excerpt.name}", file=sys.stderr, flush=True)


def _summary(rows: Sequence[Row], chosen: Sequence[str]) -> str:
    lines = []
    for words in chosen:
        levels = np.array([row.si_sdr_db for row in rows if row.repairs == words])
        exact = np.mean([row.exact for row in rows if row.repairs == words])
        good, least = np.mean(levels >= GOOD_DB), levels.min()
        verdict = "harmless" if good >= 0.95 and least >= LEAST_DB else "does harm"
        figures = [f"{100 * exact:.0f} %", f"{100 * good:.0f} %", f"{np.median(levels):.1f}", f"{least:.1f}"]
        lines.append([words, *figures, verdict])
    return table(["repair", "bit for bit", f"{GOOD_DB:g} dB or better", "median, dB", "least, dB", ""], lines)


def _worst(rows: Sequence[Row]) -> str:
    worst = sorted((row for row in rows if row.si_sdr_db < GOOD_DB), key=lambda row: row.si_sdr_db)[:12]
    lines = [[row.repairs, row.package, row.name, f"{row.si_sdr_db:.1f}"] for row in worst]
    return table(["repair", "package", "recording", "SI-SDR, dB"], lines) if lines else "No excerpt is below that."


def excerpts(paths: Sequence[Path], count: int, seconds: float) -> Iterator[Excerpt]:
    """So many, spread over all recordings, each from the middle of one; of free music, if no paths are given."""
    recordings = [("", path) for path in paths] or free_music()
    if not recordings:
        raise SystemExit("no music: name recordings, or run this where apt-get can download packages")
    count = min(count, len(recordings))
    for index in range(count):
        package, path = recordings[index * len(recordings) // count]
        frames, rate = soundfile.read(path, dtype="float32", always_2d=True)
        wanted = round(seconds * rate)
        start = max(0, (len(frames) - wanted) // 2)
        part = soxr.resample(frames[start : start + wanted], rate, SAMPLE_RATE)
        if part.any():
            yield Excerpt(package, path.stem, np.ascontiguousarray(part.T))
