"""One clip of an experiment: loaded, degraded, restored by one or more models, measured, drawn and shown.

The steps can be stopped at any instant and resume from journals of their own. A WAV file gets its final name when it is
complete; the results of the other steps are saved in a log.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from .. import api
from ..audio import Format, Source, open_source
from ..audio.outputs.atomic_file import make_folder, remove, write_atomic
from ..degradation.degradation import Degradation
from ..engine.channels import Mix
from ..engine.loop import Progress, Ticker
from ..engine.resample import SoxrResampler
from ..engine.stage import Chain, Stage
from ..errors import ConfigError, SourceError
from ..measure import Segments
from ..measure.comparison import Findings, compare
from ..measure.distortion import plain
from ..measure.misalignment import MISALIGNMENTS, misaligned
from ..models import Model
from ..passes.job import Job, Output, Report
from ..passes.journal import Facts, Journal, file_facts, refuse_changes, versions
from ..passes.resumable_pass import run_pass
from ..passes.step_log import StepLog
from ..restoration.repairs import ActivityMeter
from ..restoration.restoration import Restoration
from ..show.picture import Difference, draw, mels
from ..show.viewer import Track, address, write_viewer
from ..spec import Spec

__all__ = ["Clip", "Experiment", "Steps", "work_of"]

Row = Mapping[str, Any]
Steps = Callable[[float], None]
"""Called with seconds of completed work."""
STORED = Output(force=True, encoding="f32")
RESTORING = 20.0
"""Rough ratio of the time to restore a second to that of any other step, for the estimate of the time left."""


@dataclass(frozen=True)
class Experiment:
    """The parameters of the experiment.

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
    """One clip. A log, clip.journal, records completed steps until clip.json is written."""

    source: Path
    folder: Path
    name: str
    experiment: Experiment
    models: Mapping[str, Model]
    done: Steps

    def result(self, resume: bool) -> dict[str, Any]:
        """The contents of `clip.json`, if it exists and may be reused, else of the work done now."""
        work, kept, journal = self._work(), self.folder / "clip.json", self.folder / "clip.journal"
        if resume and kept.exists() and not journal.exists():
            return self._kept(kept, work)
        make_folder(self.folder)
        with StepLog(journal, work, resume) as log:
            log.once("clearing", partial(self._clear, journal))
            found = self._kept(kept, work) if kept.exists() else self._found(kept, work, log)
            remove(journal)  # as long as it is ours: the next run may have one of its own
        return found

    def is_begun(self) -> bool:
        """Whether a run was stopped within this clip."""
        return (self.folder / "clip.journal").exists()

    def _work(self) -> dict[str, Any]:
        models = {label: model.facts() for label, model in self.models.items()}
        work = {"clip": file_facts(self.source), "experiment": asdict(self.experiment), "models": models}
        work |= self.experiment.restoration.facts()
        return dict(json.loads(json.dumps({**work, "versions": versions()})))  # as it comes back from the file

    def _clear(self, journal: Path) -> None:
        """Delete files of another run, except the log; from here on, an existing WAV file is complete."""
        stale = [self.folder / "clip.json", *map(self._path, ("original", "degraded", *self.models))]
        begun = [self.folder.glob(pattern) for pattern in ("*.wav.part", "*.journal*", "tracks/*/*.part")]
        for each in (*stale, *chain.from_iterable(begun)):
            if each != journal:
                remove(each)

    def _kept(self, path: Path, work: Facts) -> dict[str, Any]:
        found = _read(path, work)
        self.done(work_of(len(self.models)) * found["seconds"])
        return found

    def _found(self, path: Path, work: Facts, log: StepLog) -> dict[str, Any]:
        found = {"name": self.name, "work": work, **self._run(log)}
        write_atomic(path, json.dumps(found, indent=1) + "\n")
        return found

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.wav"

    def _run(self, log: StepLog) -> dict[str, Any]:
        self._make("original", 0, self._load)
        facts = self._facts()
        seconds = float(facts["seconds"])
        self.done(seconds)
        self._make("degraded", 2 * seconds, self._degrade)
        rows = {"degraded": self._measured(log, "degraded", seconds)}
        for label in self.models:
            self._make(label, RESTORING * seconds, partial(self._restore, label))
            rows[label] = self._measured(log, label, seconds)
            rows[label]["acted"] = log.resumable_step(f"activity of {label}", partial(self._acted, label))
            log.resumable_step(f"picture of {label}", partial(self._draw, label, rows["degraded"], rows[label]))
            self.done(2 * seconds)
        self._show(log, rows)
        self.done(2 * len(self.models) * seconds)
        told = [{**_signal(name, self.models), **row} for name, row in rows.items()]
        misaligned_figures = {
            name: log.resumable_step(f"misaligned {name}", partial(self._measure_misaligned, *how))
            for name, how in MISALIGNMENTS.items()
        }
        return {"file": self.source.name, **facts, "rows": told, "misaligned": misaligned_figures}

    def _load(self, progress: Progress) -> Report:
        """Write the clip at the rate and with the channels of the experiment."""
        with open_source(self.source, on_damage="stop") as source:
            source.format = Format("wav", "f32")  # independent of the format of the clip
            stage = _loading(source.spec, self.experiment)
            loading = Job(self.source, [self._path("original")], STORED, {"loading": asdict(stage.output)}, resume=True)
            return loading.run(source, stage, Ticker(progress, source.estimate, passes=1))

    def _facts(self) -> dict[str, Any]:
        """Rate, channels and length of the loaded clip."""
        with open_source(self._path("original")) as source:
            frames, spec = source.frames, source.spec
        if not frames:
            raise SourceError(f"{self.source}: holds no sound to evaluate")
        return {**asdict(spec), "frames": frames, "seconds": spec.seconds(frames)}

    def _make(self, name: str, work: float, make: Callable[[Progress], Report]) -> None:
        """Write a WAV file, unless it exists; an incomplete one resumes from its own journal."""
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

    def _measured(self, log: StepLog, name: str, seconds: float) -> dict[str, Any]:
        row: dict[str, Any] = log.resumable_step(f"figures of {name}", partial(self._measure, name))
        self.done(seconds)
        return row

    def _measure(self, name: str, journal: Journal) -> dict[str, Any]:
        how: dict[str, Any] = {"split_hz": self.experiment.split_hz, "every_seconds": self.experiment.every_seconds}
        return _row(compare(self._path("original"), self._path(name), **how, journal=journal))

    def _acted(self, label: str, journal: Journal) -> dict[str, Any]:
        """The share of each slot that each repair except the network changed in the degraded clip, and its length."""
        restoration = self.experiment.restoration.with_defaults_of(self.models[label])
        with open_source(self._path("degraded")) as source:
            meter = ActivityMeter(restoration.acting(source.spec, self.models[label]))
            for (block,) in run_pass([source], [meter], journal):
                meter.add(block)
            return {
                name: {"slot_seconds": source.spec.seconds(found.frames), "shares": found.shares()}
                for name, found in meter.close().items()
                if found.counts.any()
            }

    def _draw(self, label: str, before: Row, after: Row, journal: Journal) -> None:
        """The paper's figures 1 to 4 of one model."""
        sdr = [f"SDR {_value(each['sdr_db']):.2f} dB" for each in (before, after)]
        titles = ["1  Original", f"2  Degraded   {sdr[0]}", f"3  Restored by {label}   {sdr[1]}"]
        with ExitStack() as stack:
            three = [self._open(stack, name) for name in ("original", "degraded", label)]
            panels = mels([*three, self._residual(stack, label)], journal=journal)
        titles.append("4  Residual: original - restored")
        draw(dict(zip(titles, panels, strict=True)), self.folder / f"spectrograms-{label}.png")

    def _show(self, log: StepLog, rows: Mapping[str, Row]) -> None:
        """The viewer, with a residual for each model."""
        with ExitStack() as stack:
            labels = {name: f"restored by {name}" if name in self.models else name for name in ("original", *rows)}
            tracks = [
                Track(label, self._open(stack, name), address(f"{name}.wav"), acted=rows.get(name, {}).get("acted"))
                for name, label in labels.items()
            ]
            for label in self.models:
                tracks.append(Track(f"residual of {label}", self._residual(stack, label), matched=False))
            sdr = {labels[name]: _segments(row) for name, row in rows.items()}
            write_viewer(self.folder, self.name.replace("_", " "), tracks, sdr=sdr, once=log.resumable_step)

    def _open(self, stack: ExitStack, name: str) -> Source:
        return stack.enter_context(open_source(self._path(name)))

    def _residual(self, stack: ExitStack, label: str) -> Difference:
        return Difference(self._open(stack, "original"), self._open(stack, label))

    def _measure_misaligned(
        self, late_seconds: float, factor: float, journal: Journal
    ) -> dict[str, float | str | None]:
        """Figures of the degraded clip, deliberately misaligned."""
        found = misaligned(self._path("original"), self._path("degraded"), late_seconds, factor, journal)
        return {"sdr_db": plain(found.sdr_db), "si_sdr_db": plain(found.si_sdr_db)}


def _read(path: Path, work: Facts) -> dict[str, Any]:
    """The results of an earlier run with equal parameters."""
    try:
        found = dict(json.loads(path.read_text("utf-8")))
        before = found["work"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: is damaged ({error}); delete it to start again") from error
    refuse_changes(path, before, work)
    return found


def _loading(spec: Spec, experiment: Experiment) -> Stage[Any]:
    """The stage that brings a clip to the rate and channels of the experiment."""
    weights = np.full((1, spec.channels), 1 / spec.channels) if experiment.mono else np.eye(spec.channels)
    mix = Mix(spec, weights)
    rate = spec.sample_rate if experiment.sample_rate is None else experiment.sample_rate
    return Chain(mix, SoxrResampler(mix.output, rate)) if rate != spec.sample_rate else Chain(mix)


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
    figures = {name: plain(value) for name, value in found.figures.as_dict().items()}
    segments = found.figures.segments
    over_time = {"segment_frames": segments.frames, "segments_sdr_db": list(map(plain, segments.sdr_db))}
    return {**figures, "warnings": list(found.warnings), **over_time}


def _segments(row: Row) -> Segments:
    return Segments(row["segment_frames"], tuple(map(_value, row["segments_sdr_db"])))


def _value(plain: float | str | None) -> float:
    """The inverse of `plain`."""
    return nan if plain is None else float(plain)
