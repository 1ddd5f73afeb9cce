"""How well each classical repair mends its damage, beside ffmpeg's filters and the network alone."""

import argparse
import json
import resource
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from passes import SAMPLE_RATE, apply

from stream_restore.models import Model, load
from stream_restore.restoration import Restoration
from stream_restore.restoration.repairs import NAMES
from stream_restore.spec import Audio, Spec

from . import child, damage
from .clips import middle
from .foreign import filtered
from .harm import Excerpt, excerpts
from .table import table

__all__ = ["REPAIRS", "measure"]

SEED = 0
LOSS_DB = 0.05
"""What is less is none."""
NOTCHES = ",".join(f"bandreject=f={50 * order}:width_type=h:w=1" for order in range(1, 17))


@dataclass(frozen=True)
class Subject:
    """A damage, and what is tried against it.

    Attributes:
        sdrs_db: how bad it is.
        seconds: how long excerpts are.
        filters: of ffmpeg.
        filtered_seconds: from the middle of an excerpt, what the filters get: `adeclip` takes minutes for ten seconds.
            Ours is judged there, too, beside all of the excerpt.
    """

    repair: str
    damage: damage.Damage
    sdrs_db: tuple[float, ...]
    seconds: float
    filters: dict[str, str]
    filtered_seconds: float | None = None


ADECLICK = {"adeclick": "adeclick", "adeclick, 4": "adeclick=threshold=4", "adeclick, 1.5": "adeclick=threshold=1.5"}
SUBJECTS = (
    Subject("clipping", damage.clipping, (7.0, 15.0), 10.0, {"adeclip": "adeclip"}, 1.0),
    Subject("clicks", damage.crackle, (5.0, 15.0), 10.0, ADECLICK),
    Subject("scratches", damage.scratches, (5.0, 15.0), 10.0, ADECLICK),
    Subject("hum", damage.hum, (15.0, 25.0), 60.0, {"notches": NOTCHES}),
)
REPAIRS = [subject.repair for subject in SUBJECTS]


@dataclass(frozen=True)
class Row:
    """What a method gained on an excerpt, and how fast it was on one core; no speed is `None`."""

    repair: str
    sdr_db: float
    method: str
    excerpt: int
    name: str
    gain_db: float
    times_real_time: float | None


def measure(options: argparse.Namespace, folder: Path) -> str:
    """Gains in SDR over music that has been damaged, the same for all methods."""
    subjects = [each for each in SUBJECTS if each.repair in (options.repair or NAMES)]
    model = load(options.name)
    rows: list[Row] = []
    peaks: dict[tuple[str, str], float] = {}
    for subject in subjects:
        seconds = options.seconds or subject.seconds
        for number, excerpt in enumerate(excerpts(options.recordings, options.excerpts, seconds)):
            rows += _rows(subject, number, excerpt, model)
            print(f"{subject.repair}: {excerpt.package} {excerpt.name}", file=sys.stderr, flush=True)
        peaks |= _peaks(subject, excerpt, options.name, folder)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), "utf-8")
    return "\n\n".join([_summary(rows, peaks), *_against(subjects, rows)])


def _rows(subject: Subject, number: int, excerpt: Excerpt, model: Model) -> Iterator[Row]:
    clean, part = excerpt.sound, subject.filtered_seconds
    for sdr_db in subject.sdrs_db:
        damaged = subject.damage(clean, np.random.default_rng(SEED), sdr_db)
        row = partial(Row, subject.repair, sdr_db, excerpt=number, name=excerpt.name)
        for repair, method in ((subject.repair, "ours"), ("noise", "the network")):
            stage = Restoration(repairs=(repair,)).stage(Spec(SAMPLE_RATE, len(clean)), model)
            mended, speed = _timed(partial(apply, stage), damaged)
            yield row(method, gain_db=_gain(clean, damaged, mended), times_real_time=speed)
            if part and method == "ours":
                gain = _gain(*(middle(sound, part) for sound in (clean, damaged, mended)))
                yield row(method + _of(part), gain_db=gain, times_real_time=None)
        inner, damaged = middle(clean, part), middle(damaged, part)
        for method, graph in subject.filters.items():
            mended, speed = _timed(partial(filtered, graph=graph), damaged)
            yield row(method + _of(part), gain_db=_gain(inner, damaged, mended), times_real_time=speed)


def _of(part: float | None) -> str:
    return f", middle {part:g} s" if part else ""


def _timed(mend: Callable[[Audio], Audio], sound: Audio) -> tuple[Audio, float]:
    """What comes out, and times real time by the CPU seconds of all threads and child processes."""
    before = _cpu_seconds()
    return mend(sound), sound.shape[1] / SAMPLE_RATE / max(_cpu_seconds() - before, 1e-3)


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _peaks(subject: Subject, excerpt: Excerpt, network: str, folder: Path) -> dict[tuple[str, str], float]:
    """Peak resident memory of each method as a command, in MB, on an excerpt at the first level of damage."""
    damaged = subject.damage(excerpt.sound, np.random.default_rng(SEED), subject.sdrs_db[0])
    whole, part, out = folder / "whole.wav", folder / "part.wav", folder / "out.wav"
    soundfile.write(whole, damaged.T, SAMPLE_RATE, subtype="FLOAT")
    soundfile.write(part, middle(damaged, subject.filtered_seconds).T, SAMPLE_RATE, subtype="FLOAT")
    ours = (child.BIN / "stream-restore", "restore", whole, "--force", "-o", out, "-n", network, "--repair")
    commands: dict[str, tuple[object, ...]] = {"ours": (*ours, subject.repair), "the network": (*ours, "noise")}
    for method, graph in subject.filters.items():
        told = ("ffmpeg", "-nostdin", "-v", "error", "-y", "-i", part, "-af", graph, "-c:a", "pcm_f32le", out)
        commands[method + _of(subject.filtered_seconds)] = told
    return {(subject.repair, method): child.run(*words).megabytes for method, words in commands.items()}


def _gain(clean: Audio, damaged: Audio, mended: Audio) -> float:
    return _sdr(clean, mended) - _sdr(clean, damaged)


def _sdr(clean: Audio, estimate: Audio) -> float:
    error = np.square(clean.astype(np.float64) - estimate).sum()
    return float(10 * np.log10(np.square(clean, dtype=np.float64).sum() / max(error, 1e-20)))


def _summary(rows: Sequence[Row], peaks: Mapping[tuple[str, str], float]) -> str:
    lines = []
    for key in dict.fromkeys((row.repair, row.sdr_db, row.method) for row in rows):
        found = [row for row in rows if (row.repair, row.sdr_db, row.method) == key]
        gains = np.array([row.gain_db for row in found])
        speeds = [row.times_real_time for row in found if row.times_real_time is not None]
        speed = f"{np.median(speeds):.3g}" if speeds else ""
        peak = peaks.get((key[0], key[2]))
        losses = f"{np.sum(gains < -LOSS_DB)}/{len(gains)}"
        figures = [f"{gains.mean():+.1f}", f"{gains.min():+.1f}", losses, speed, f"{peak:.0f} MB" if peak else ""]
        lines.append([key[0], f"{key[1]:g}", key[2], *figures])
    head = ["damage", "SDR, dB", "method", "gain, dB", "least, dB", "losses", "times real time, one core", "peak"]
    return table(head, lines)


def _against(subjects: Sequence[Subject], rows: Sequence[Row]) -> Iterator[str]:
    """On how many excerpts ours is ahead of ffmpeg's filters, the best of them chosen for each excerpt."""
    for subject in subjects:
        part = _of(subject.filtered_seconds)
        theirs = {method + part for method in subject.filters}
        best: dict[tuple[float, int], float] = {}
        ours: dict[tuple[float, int], float] = {}
        for row in rows:
            place = (row.sdr_db, row.excerpt)
            if row.repair == subject.repair and row.method in theirs:
                best[place] = max(row.gain_db, best.get(place, -np.inf))
            elif row.repair == subject.repair and row.method == f"ours{part}":
                ours[place] = row.gain_db
        leads = np.array([ours[place] - gain for place, gain in best.items()])
        yield (
            f"{subject.repair}: ours is ahead of ffmpeg's filters, the best of them on each excerpt, on "
            f"{np.sum(leads > 0)} of {len(leads)}, by {np.median(leads):+.1f} dB (median), {leads.min():+.1f} at least."
        )
