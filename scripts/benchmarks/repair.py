"""How well each classical repair mends its damage, beside ffmpeg's filters and the network alone."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from passes import SAMPLE_RATE, apply

from stream_restore.models import Model, load
from stream_restore.restoration import Restoration
from stream_restore.restoration.repairs import NAMES
from stream_restore.spec import Audio, Spec

from . import damage
from .foreign import filtered
from .harm import Excerpt, excerpts
from .table import table

__all__ = ["REPAIRS", "measure"]

SEED = 0
NOTCHES = ",".join(f"bandreject=f={50 * order}:width_type=h:w=1" for order in range(1, 17))


@dataclass(frozen=True)
class Subject:
    """A damage, the levels it is done at (SDR in dB), how long excerpts are, and ffmpeg's filters against it."""

    repair: str
    damage: damage.Damage
    sdrs_db: tuple[float, ...]
    seconds: float
    filters: dict[str, str]


SUBJECTS = (
    Subject(
        "clipping",
        damage.clipping,
        (7.0, 15.0),
        10.0,
        {"adeclip": "adeclip", "adeclip, long": "adeclip=window=100:arorder=8"},
    ),
    Subject(
        "clicks",
        damage.crackle,
        (5.0, 15.0),
        10.0,
        {
            "adeclick": "adeclick",
            "adeclick, keen": "adeclick=threshold=1:burst=10",
            "adeclick, 4": "adeclick=threshold=4",
        },
    ),
    Subject("hum", damage.hum, (15.0, 25.0), 60.0, {"notches": NOTCHES}),
)
REPAIRS = [subject.repair for subject in SUBJECTS]


@dataclass(frozen=True)
class Row:
    """What a method gained on an excerpt, and how fast it was."""

    repair: str
    sdr_db: float
    method: str
    name: str
    gain_db: float
    times_real_time: float


def measure(options: argparse.Namespace, folder: Path) -> str:
    """Gains in SDR over music that has been damaged, the same for all methods."""
    subjects = [each for each in SUBJECTS if each.repair in (options.repair or NAMES)]
    model = load(options.name)
    rows: list[Row] = []
    for subject in subjects:
        seconds = options.seconds or subject.seconds
        for excerpt in excerpts(options.recordings, options.excerpts, seconds):
            rows += _rows(subject, excerpt, model)
            print(f"{subject.repair}: {excerpt.package} {excerpt.name}", file=sys.stderr, flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), "utf-8")
    return _summary(rows)


def _rows(subject: Subject, excerpt: Excerpt, model: Model) -> Iterator[Row]:
    clean = excerpt.sound
    for sdr_db in subject.sdrs_db:
        damaged = subject.damage(clean, np.random.default_rng(SEED), sdr_db)
        for method, mend in _methods(subject, len(clean), model).items():
            began = time.monotonic()
            mended = mend(damaged)
            speed = clean.shape[1] / SAMPLE_RATE / (time.monotonic() - began)
            yield Row(subject.repair, sdr_db, method, excerpt.name, _sdr(clean, mended) - _sdr(clean, damaged), speed)


def _methods(subject: Subject, channels: int, model: Model) -> dict[str, Callable[[Audio], Audio]]:
    def ours(repair: str) -> Callable[[Audio], Audio]:
        stage = Restoration(repairs=(repair,)).stage(Spec(SAMPLE_RATE, channels), model)
        return lambda sound: apply(stage, sound)

    def foreign(graph: str) -> Callable[[Audio], Audio]:
        return lambda sound: filtered(sound, graph)

    others = {name: foreign(graph) for name, graph in subject.filters.items()}
    return {"ours": ours(subject.repair), "the network": ours("noise")} | others


def _sdr(clean: Audio, estimate: Audio) -> float:
    error = np.square(clean.astype(np.float64) - estimate).sum()
    return float(10 * np.log10(np.square(clean, dtype=np.float64).sum() / max(error, 1e-20)))


def _summary(rows: Sequence[Row]) -> str:
    lines = []
    for key in dict.fromkeys((row.repair, row.sdr_db, row.method) for row in rows):
        found = [row for row in rows if (row.repair, row.sdr_db, row.method) == key]
        gains = np.array([row.gain_db for row in found])
        speed = np.median([row.times_real_time for row in found])
        figures = [f"{gains.mean():+.1f}", f"{gains.min():+.1f}", f"{np.sum(gains < 0)}/{len(gains)}", f"{speed:.1f}"]
        lines.append([key[0], f"{key[1]:g}", key[2], *figures])
    return table(["damage", "SDR, dB", "method", "gain, dB", "least, dB", "losses", "times real time"], lines)
