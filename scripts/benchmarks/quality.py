"""How well a model restores recordings that it never heard, beside other denoisers, and what it does to good ones."""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from passes import SAMPLE_RATE, apply, degrade, with_phase_of

from stream_restore.degradation import Degradation
from stream_restore.degradation.filters import butterworth
from stream_restore.models import Model, load
from stream_restore.restoration import Restoration
from stream_restore.spec import Audio, Spec

from . import child, damage
from .clips import Clip, found, means
from .figures import log_spectral_distance_db, loudness_lufs, si_sdr_db
from .peers import SPAN_SECONDS, Case, Peers, Rival
from .sound import write_music
from .table import table

__all__ = ["PARTS", "measure"]

CUTOFF_HZ = 7000.0
CHAIN = Degradation(cutoff_hz=CUTOFF_HZ)
SNRS = (10.0, 20.0)
SEED = 0
KINDS: dict[str, tuple[damage.Damage, float]] = {
    "hum": (damage.hum, 15.0),
    "crackle": (damage.crackle, 15.0),
    "clipping": (damage.clipping, 15.0),
    "pink hiss": (damage.pink_hiss, 15.0),
    "brown hiss": (damage.brown_hiss, 15.0),
    "MP3": (damage.mp3, 64.0),
}
SPEED_SECONDS = 600
ONE, CHANGE, PAIR = "{:.2f}", "{:.1f} ({:+.2f})", "{:.2f} -> {:.2f}"
HEARD = "Whole clips at 44.1 kHz, in their own channels"


@dataclass(frozen=True)
class Column:
    """A head, the figures of every clip, and how they are written."""

    head: str
    values: Sequence[tuple[float, ...]]
    form: str = "{:+.2f}"


@dataclass(frozen=True)
class Section:
    """A table with what must be said about it, and its figures for programs."""

    title: str
    head: list[str]
    rows: list[list[str]]
    notes: list[str]
    figures: dict[str, Any]

    def __str__(self) -> str:
        return "\n\n".join([f"### {self.title}", table(self.head, self.rows), *self.notes])


@dataclass
class Bench:
    """Clips and a model. What the evaluation's chain made of the clips is kept for all parts that need it."""

    clips: list[Clip]
    source: str
    model: Model
    peers: Peers
    folder: Path

    @property
    def name(self) -> str:
        return self.model.manifest.name

    @cached_property
    def cases(self) -> list[Case]:
        """At every SNR, every clip."""
        return self.degraded(CHAIN)

    @cached_property
    def restored(self) -> list[Audio]:
        """Of every case."""
        return [self.restore(case.degraded, f"{case.clip.name}, {case.snr_db:g} dB") for case in self.cases]

    def degraded(self, chain: Degradation) -> list[Case]:
        return [
            Case(clip, snr_db, degrade(clip.sound, replace(chain, snr_db=snr_db)))
            for snr_db in SNRS
            for clip in self.clips
        ]

    def restore(self, sound: Audio, what: str) -> Audio:
        """As the command does with its defaults."""
        print(f"{self.name}: {what}", file=sys.stderr, flush=True)
        return apply(Restoration().stage(Spec(SAMPLE_RATE, len(sound)), self.model), sound)


def measure(options: argparse.Namespace, folder: Path) -> str:
    """Tables, one or two for each part."""
    model, clips = load(options.name), found(options.clips, options.seconds)
    bench = Bench(clips, options.name, model, Peers(options.work), folder)
    parts = {part: PARTS[part](bench) for part in PARTS if part in (options.only or PARTS)}
    if options.json:
        tables = {each.title: each.figures for sections in parts.values() for each in sections}
        facts = {"model": bench.name, "sha256": model.digest, "seconds": options.seconds}
        options.json.write_text(json.dumps({**facts, "tables": tables}, indent=1) + "\n")
    heard = HEARD if options.seconds is None else f"The middle {options.seconds:g} s of each clip, at 44.1 kHz"
    return f"{heard}. Model: {bench.name}.\n\n" + "\n\n".join(str(each) for part in parts.values() for each in part)


def noise(bench: Bench) -> list[Section]:
    """The zero-phase chain, one table for each SNR, beside other denoisers."""
    rivals = bench.peers.rivals(bench.cases)
    ours = Rival(bench.name, _scores(bench.cases, bench.restored), "")
    before = _scores(bench.cases, [case.degraded for case in bench.cases])
    sections = []
    for number, snr_db in enumerate(SNRS):
        here = slice(number * len(bench.clips), (number + 1) * len(bench.clips))
        gains = {each.name: np.subtract(each.si_sdr_db, before)[here] for each in (ours, *rivals)}
        columns = [Column("degraded", [(value,) for value in before[here]], ONE)]
        columns += [Column(name, [(value,) for value in values]) for name, values in gains.items()]
        notes = [_ahead(bench.clips, gains)]
        if number == len(SNRS) - 1:
            notes.append(_settings(rivals))
        sections.append(
            _by_clip(f"Zero-phase chain, {snr_db:g} dB SNR: SI-SDR, and gains in dB", bench, columns, notes)
        )
    return sections


def _scores(cases: Sequence[Case], sounds: Sequence[Audio]) -> tuple[float, ...]:
    return tuple(si_sdr_db(case.clip.sound, sound) for case, sound in zip(cases, sounds, strict=True))


def _ahead(clips: Sequence[Clip], gains: dict[str, Any]) -> str:
    """The least gain of the first on music, and how often it is ahead of each of the others."""
    music = [not clip.speech for clip in clips]
    (name, ours), *others = gains.items()
    ahead = [f"{other} on {np.sum((ours > theirs)[music])}" for other, theirs in others]
    least = min(ours[music], default=np.nan)
    return (
        f"Of {sum(music)} clips of music, {name} gains {least:+.2f} dB at least; it is ahead of {', of '.join(ahead)}."
    )


def _settings(rivals: Sequence[Rival]) -> str:
    said = (
        f"Settings of the others were chosen with the clean clip at hand, on at most {SPAN_SECONDS:g} s from the middle"
        " of each clip: the best mean gain over the music (one setting: at both SNRs together), or the best on each"
        " clip (tuned). Their delay is taken away."
    )
    return "\n".join([said, "", *(f"* {rival.settings}" for rival in rivals)])


def causal(bench: Bench) -> list[Section]:
    """The causal chain against the clean clip, and against the clean clip with the phase of the chain's filter."""
    cases, columns = bench.degraded(replace(CHAIN, phase="causal")), []
    sos = butterworth(CUTOFF_HZ, CHAIN.order, SAMPLE_RATE)
    turned = {clip.name: with_phase_of(sos, clip.sound) for clip in bench.clips}
    for snr_db in SNRS:
        plain, shifted = [], []
        for case in (each for each in cases if each.snr_db == snr_db):
            restored = bench.restore(case.degraded, f"{case.clip.name}, causal, {snr_db:g} dB")
            plain.append(_change(case.clip.sound, case.degraded, restored))
            shifted.append(_change(turned[case.clip.name], case.degraded, restored))
        columns += [
            Column(f"{snr_db:g} dB, plainly", plain, CHANGE),
            Column(f"{snr_db:g} dB, filter's phase", shifted, CHANGE),
        ]
    note = (
        "Degraded, and the gain in brackets. Filter's phase: against the clean clip through the all-pass that has the"
        " phase of the causal filter and unit magnitude."
    )
    return [_by_clip("Causal chain: SI-SDR in dB", bench, columns, [note])]


def _change(reference: Audio, degraded: Audio, restored: Audio) -> tuple[float, float]:
    """SI-SDR before, and the gain."""
    before = si_sdr_db(reference, degraded)
    return before, si_sdr_db(reference, restored) - before


def clean(bench: Bench) -> list[Section]:
    """What the model makes of clips that nothing is wrong with."""
    kept, moved = [], []
    for clip in bench.clips:
        restored = bench.restore(clip.sound, f"{clip.name}, clean")
        kept.append((si_sdr_db(clip.sound, restored),))
        moved.append((loudness_lufs(restored) - loudness_lufs(clip.sound),))
    columns = [Column("SI-SDR, dB", kept, ONE), Column("loudness, LU", moved, "{:+.3f}")]
    note = "SI-SDR of the output against the input, and the change of integrated loudness (ITU-R BS.1770-4)."
    return [_by_clip("Clean input", bench, columns, [note])]


def kinds(bench: Bench) -> list[Section]:
    """What else recordings suffer, one column for each kind."""
    chosen = {kind: each for kind, each in KINDS.items() if kind != "MP3" or shutil.which("ffmpeg")}
    columns = [Column(kind, _of_kind(bench, kind), CHANGE) for kind in chosen]
    note = (
        "Degraded, and the gain in brackets. Each kind at an SDR of 15 dB, from fixed seeds: hum of 50 Hz with 15"
        " overtones, 30 clicks a second, hard clipping, noise with -3 and -6 dB an octave; MP3 at 64 kbit/s by LAME"
        + (", aligned." if "MP3" in chosen else " is left out, for ffmpeg is not installed.")
    )
    return [_by_clip("Other damage: SI-SDR in dB", bench, columns, [note])]


def _of_kind(bench: Bench, kind: str) -> list[tuple[float, float]]:
    harm, strength = KINDS[kind]
    changes = []
    for clip in bench.clips:
        degraded = harm(clip.sound, np.random.default_rng([SEED, list(KINDS).index(kind)]), strength)
        changes.append(_change(clip.sound, degraded, bench.restore(degraded, f"{clip.name}, {kind}")))
    return changes


def band(bench: Bench) -> list[Section]:
    """Log-spectral distance, above the cut-off of the zero-phase chain and altogether."""
    columns = []
    for snr_db in SNRS:
        for head, above_hz in {f"{snr_db:g} dB, above {CUTOFF_HZ:g} Hz": CUTOFF_HZ, f"{snr_db:g} dB, all": 0.0}.items():
            values = [
                tuple(log_spectral_distance_db(case.clip.sound, sound, above_hz) for sound in (case.degraded, restored))
                for case, restored in zip(bench.cases, bench.restored, strict=True)
                if case.snr_db == snr_db
            ]
            columns.append(Column(head, values, PAIR))
    note = "Degraded -> restored: root mean square over frequency of the levels' difference, averaged over time."
    return [_by_clip("Zero-phase chain: log-spectral distance in dB", bench, columns, [note])]


def speed(bench: Bench) -> list[Section]:
    """The whole command in a process of its own, with one segment at a time and with two."""
    sound = write_music(bench.folder / "in.wav", SPEED_SECONDS)
    rows, figures = [], {}
    for jobs in (1, 2):
        words = ["restore", sound, "-n", bench.source, "-j", jobs, "-o", bench.folder / f"out{jobs}.wav"]
        cost = child.run(child.BIN / "stream-restore", *words)
        times = SPEED_SECONDS / cost.seconds
        rows.append([f"-j {jobs}", f"{times:.1f}", f"{cost.seconds:.1f} s", f"{cost.megabytes:.0f} MB"])
        figures[f"-j {jobs}"] = {"times_real_time": times, "seconds": cost.seconds, "peak_mb": cost.megabytes}
    title = f"Speed: `stream-restore restore` on {SPEED_SECONDS // 60} minutes of 44.1 kHz stereo"
    return [Section(title, ["segments at once", "times real time", "took", "peak resident memory"], rows, [], figures)]


PARTS: dict[str, Callable[[Bench], list[Section]]] = {
    "noise": noise,
    "causal": causal,
    "clean": clean,
    "kinds": kinds,
    "band": band,
    "speed": speed,
}


def _by_clip(title: str, bench: Bench, columns: Sequence[Column], notes: list[str]) -> Section:
    """A row for each clip, and the means over the music."""
    rows = [
        [clip.name, *(_cell(each.form, each.values[at]) for each in columns)] for at, clip in enumerate(bench.clips)
    ]
    averages = [means(bench.clips, np.array(column.values, float)) for column in columns]
    for label in averages[0]:
        rows.append([label, *(_cell(c.form, mean[label]) for c, mean in zip(columns, averages, strict=True))])
    figures = {
        column.head: {clip.name: _plain(values) for clip, values in zip(bench.clips, column.values, strict=True)}
        | {label: _plain(values) for label, values in mean.items()}
        for column, mean in zip(columns, averages, strict=True)
    }
    return Section(title, ["clip", *(column.head for column in columns)], rows, notes, figures)


def _plain(values: Iterable[float]) -> list[float | None]:
    """JSON has no infinity and no nan."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _cell(form: str, values: Sequence[float] | np.ndarray[Any, Any]) -> str:
    return "-" if np.isnan(values).any() else form.format(*values)
