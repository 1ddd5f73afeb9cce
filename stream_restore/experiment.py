"""One clip of an experiment: loaded, degraded, restored by one or more models, measured, drawn and shown.

It is done in steps that can be stopped at any instant. A WAV file has its name when it is complete, and goes
on by its own journal; the other steps, which are short, are kept in a ledger.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from math import isfinite, isnan, nan
from pathlib import Path
from typing import Any

import numpy as np

from . import api
from .audio import Source, open_sink, open_source
from .audio.lock import refuse_busy
from .combine import Mix
from .comparison import Findings, compare
from .degradation import Degradation
from .display import Track, show
from .errors import ConfigError, SourceError
from .job import Output, Report
from .journal import Facts, file_facts, versions
from .ledger import Ledger, refuse_changes
from .metrics import Segments
from .models import Model
from .picture import Difference, draw, mel
from .resample import SoxrResampler
from .restoration import Restoration
from .run import Progress, run
from .slips import SLIPS, slip
from .spec import Audio, Spec
from .stage import Chain, Stage
from .whole import make_folder, remove, write

__all__ = ["Clip", "Experiment", "Steps", "work_of"]

Row = Mapping[str, Any]
Steps = Callable[[float], None]
"""Told seconds of work that are done."""
STORED = Output(force=True, encoding="f32")
RESTORING = 20.0
"""How much longer it takes to restore a second than to do anything else with it, roughly: for the time left."""


@dataclass(frozen=True)
class Experiment:
    """What is done with every clip.

    Attributes:
        sample_rate: in Hz, at which clips are loaded; None keeps theirs.
        mono: whether clips are loaded as the mean of their channels, as librosa does.
        degradation: the chain.
        restoration: how the models are applied.
        split_hz: where the bands meet whose SDR is given separately.
        every_seconds: of a segment of SDR over time.
    """

    sample_rate: int | None = 32000
    mono: bool = True
    degradation: Degradation = field(default_factory=Degradation)
    restoration: Restoration = field(default_factory=Restoration)
    split_hz: float = 7000.0
    every_seconds: float = 1.0


@dataclass
class Clip:
    """One clip on its way. A ledger, clip.journal, knows what is done until clip.json does."""

    source: Path
    folder: Path
    name: str
    experiment: Experiment
    models: Mapping[str, Model]
    done: Steps

    def result(self, resume: bool) -> dict[str, Any]:
        """What `clip.json` tells, if it is there and may be kept, else what the work gives."""
        work, kept, journal = self._work(), self.folder / "clip.json", self.folder / "clip.journal"
        refuse_busy(journal)
        if resume and kept.exists():
            found = _kept(kept, work)
            self.done(work_of(len(self.models)) * found["seconds"])
        else:
            with self._ledger(journal, work, resume) as ledger:
                found = {"name": self.name, "work": work, **self._run(ledger)}
                write(kept, json.dumps(found, indent=1) + "\n")
        remove(journal)
        return found

    def _work(self) -> dict[str, Any]:
        models = {label: model.facts() for label, model in self.models.items()}
        work = {"clip": file_facts(self.source), "experiment": asdict(self.experiment), "models": models}
        return dict(json.loads(json.dumps({**work, "versions": versions()})))  # as it comes back from the file

    def _ledger(self, path: Path, work: Facts, resume: bool) -> Ledger:
        make_folder(self.folder)
        if resume and path.exists():
            return Ledger(path, work, resume=True)
        # What is there is of another run; from here on, a WAV file that is there is done.
        stale = [self.folder / "clip.json", path, *map(self._path, ("original", "degraded", *self.models))]
        for each in (*stale, *self.folder.glob("*.wav.part"), *self.folder.glob("*.wav.journal")):
            remove(each)
        return Ledger(path, work, resume=False)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.wav"

    def _run(self, ledger: Ledger) -> dict[str, Any]:
        facts = ledger.once("original", self._load)
        seconds = float(facts["seconds"])
        self.done(seconds)
        self._make("degraded", 2 * seconds, self._degrade)
        rows = {"degraded": self._measured(ledger, "degraded", seconds)}
        for label in self.models:
            self._make(label, RESTORING * seconds, partial(self._restore, label))
            rows[label] = self._measured(ledger, label, seconds)
            ledger.once(f"picture of {label}", partial(self._draw, label, rows["degraded"], rows[label]))
            self.done(2 * seconds)
        self._show(ledger, rows)
        self.done(2 * len(self.models) * seconds)
        told = [{**_signal(name, self.models), **row} for name, row in rows.items()]
        return {"file": self.source.name, **facts, "rows": told, "spoilt": ledger.once("spoilt", self._spoilt)}

    def _load(self) -> dict[str, Any]:
        """Write the clip as the experiment hears it; say what it is."""
        with open_source(self.source) as source:
            stage = _loading(source.spec, self.experiment)
            with open_sink(self._path("original"), stage.output, encoding="f32", force=True) as sink:
                counted = _Counted(sink.write, stage.output)
                run(source, stage, [counted])
        if not counted.frames:
            raise SourceError(f"{self.source}: holds no sound to evaluate")
        return {**asdict(stage.output), "frames": counted.frames, "seconds": stage.output.seconds(counted.frames)}

    def _make(self, name: str, work: float, make: Callable[[Progress], Report]) -> None:
        """Make a WAV file, unless it is there already; one that was begun goes on by its own journal."""
        path, tell = self._path(name), _Share(self.done, work)
        if not path.exists() or path.with_name(path.name + ".journal").exists():
            make(tell)
        tell(1, 1)

    def _degrade(self, progress: Progress) -> Report:
        files = self._path("original"), self._path("degraded")
        return api.degrade(
            *files, degradation=self.experiment.degradation, stored=STORED, resume=True, progress=progress
        )

    def _restore(self, label: str, progress: Progress) -> Report:
        how: dict[str, Any] = {"model": self.models[label], "restoration": self.experiment.restoration}
        files = self._path("degraded"), self._path(label)
        return api.restore(*files, **how, stored=STORED, resume=True, progress=progress)

    def _measured(self, ledger: Ledger, name: str, seconds: float) -> dict[str, Any]:
        row: dict[str, Any] = ledger.once(f"figures of {name}", partial(self._measure, name))
        self.done(seconds)
        return row

    def _measure(self, name: str) -> dict[str, Any]:
        split, every = self.experiment.split_hz, self.experiment.every_seconds
        return _row(compare(self._path("original"), self._path(name), split_hz=split, every_seconds=every))

    def _draw(self, label: str, before: Row, after: Row) -> None:
        """The paper's figures 1 to 4 of one model."""
        sdr = [f"SDR {_value(each['sdr_db']):.2f} dB" for each in (before, after)]
        with ExitStack() as stack:
            original, degraded, restored = (self._open(stack, name) for name in ("original", "degraded", label))
            panels = {"1  Original": mel(original), f"2  Degraded   {sdr[0]}": mel(degraded)}
            panels[f"3  Restored by {label}   {sdr[1]}"] = mel(restored)
            original.rewind()
            restored.rewind()
            panels["4  Residual: original - restored"] = mel(Difference(original, restored))
        draw(panels, self.folder / f"spectrograms-{label}.png")

    def _show(self, ledger: Ledger, rows: Mapping[str, Row]) -> None:
        """The viewer, with a residual for each model."""
        with ExitStack() as stack:
            labels = {name: f"restored by {name}" if name in self.models else name for name in ("original", *rows)}
            tracks = [Track(label, self._open(stack, name), f"{name}.wav") for name, label in labels.items()]
            for label in self.models:
                residual = Difference(self._open(stack, "original"), self._open(stack, label))
                tracks.append(Track(f"residual of {label}", residual, matched=False))
            sdr = {labels[name]: _segments(row) for name, row in rows.items()}
            show(self.folder, self.name.replace("_", " "), tracks, sdr=sdr, once=ledger.once)

    def _open(self, stack: ExitStack, name: str) -> Source:
        return stack.enter_context(open_source(self._path(name)))

    def _spoilt(self) -> dict[str, dict[str, float | str | None]]:
        """Figures of the same degraded clip, spoilt."""
        found = {name: slip(self._path("original"), self._path("degraded"), *how) for name, how in SLIPS.items()}
        return {
            name: {"sdr_db": _plain(each.sdr_db), "si_sdr_db": _plain(each.si_sdr_db)} for name, each in found.items()
        }


def _kept(path: Path, work: Facts) -> dict[str, Any]:
    """What was found by this very work before."""
    try:
        found = dict(json.loads(path.read_text("utf-8")))
        before = found["work"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: is damaged ({error}); delete it to start again") from error
    refuse_changes(path, before, work)
    return found


def _loading(spec: Spec, experiment: Experiment) -> Stage[Any]:
    """From a clip to what the experiment hears."""
    weights = np.full((1, spec.channels), 1 / spec.channels) if experiment.mono else np.eye(spec.channels)
    mix = Mix(spec, weights)
    rate = experiment.sample_rate or spec.sample_rate
    return Chain(mix, SoxrResampler(mix.output, rate)) if rate != spec.sample_rate else Chain(mix)


class _Counted:
    def __init__(self, write: Callable[[Audio], None], spec: Spec) -> None:
        self.spec, self.frames, self._write = spec, 0, write

    def write(self, block: Audio) -> None:
        self.frames += block.shape[1]
        self._write(block)


class _Share:
    """Progress within one step: tells `step` of its share of `work`."""

    def __init__(self, step: Steps, work: float) -> None:
        self._step, self._work, self._told = step, work, 0.0

    def __call__(self, done: int, total: int | None) -> None:
        now = self._work * min(1.0, done / total) if total else self._told
        self._step(now - self._told)
        self._told = now


def work_of(models: int) -> float:
    """Work on a second: to load 1, degrade 2, measure 1; with each model to restore, measure 1, draw 2, show 2."""
    return 4 + models * (RESTORING + 5)


def _signal(name: str, models: Mapping[str, Model]) -> dict[str, str]:
    return {"signal": "restored", "model": name} if name in models else {"signal": name, "model": ""}


def _row(found: Findings) -> dict[str, Any]:
    figures = {name: _plain(value) for name, value in found.figures.as_dict().items()}
    segments = found.figures.segments
    over_time = {"segment_frames": segments.frames, "segments_sdr_db": list(map(_plain, segments.sdr_db))}
    return {**figures, "warnings": list(found.warnings), **over_time}


def _segments(row: Row) -> Segments:
    return Segments(row["segment_frames"], tuple(map(_value, row["segments_sdr_db"])))


def _plain(value: float) -> float | str | None:
    """JSON has no infinity and no nan: they become "inf", "-inf" and null."""
    if isnan(value):
        return None
    return value if isfinite(value) else str(value)


def _value(plain: float | str | None) -> float:
    """The number that `_plain` made so."""
    return nan if plain is None else float(plain)
