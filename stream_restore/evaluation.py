"""The experiment of "Un'analisi quantitativa e visiva del restauro audio zero-shot con Demucs" (Di Giovanna, 2025).

Each clip is loaded at 32 kHz, degraded, restored by one or more models, measured and drawn; a report puts the figures
beside those that were printed. Clips may have any length: everything streams.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import numpy as np

from . import api
from .audio import Source, open_sink, open_source
from .combine import Mix
from .comparison import Findings, compare
from .degradation import Degradation
from .display import Track, prepare, show
from .errors import ConfigError, SourceError
from .files import write
from .job import Output
from .journal import file_facts
from .metrics import Distortion
from .models import Model
from .picture import Difference, check, draw, mel
from .resample import SoxrResampler
from .restoration import Restoration
from .run import BLOCK, run
from .spec import Audio, Spec
from .stage import Chain, Stage

__all__ = ["Experiment", "evaluate"]

Steps = Callable[[float], None]
"""Told seconds of work that are done."""
RESTORING = 20.0
"""How much longer it takes to restore a second than to do anything else with it, roughly: for the time left."""
SPOILT = {"1 s late": (1.0, 1.0), "127 times too loud": (0.0, 127.0), "both": (1.0, 127.0)}
"""What a slip does to figures: a delay in seconds and a factor, applied to the degraded clip."""


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


def evaluate(
    clips: Sequence[Path],
    folder: Path,
    models: Mapping[str, Model],
    experiment: Experiment | None = None,
    *,
    progress: Callable[[int, int | None], None] | None = None,
) -> list[dict[str, Any]]:
    """Run the experiment on every clip; return what was found, clip by clip, as it stands in `clip.json`.

    A clip that was finished before, by the same experiment, is not done again.

    Args:
        clips: recordings of any format and length.
        folder: exists; gets a folder for each clip, with WAV files, `spectrograms-MODEL.png`, `index.html` (the viewer)
            and `clip.json`.
        models: by label.
        progress: told (done, total), in thousandths of a second of work.

    Raises:
        ConfigError: no clips or no models; matplotlib is not installed; names the extra.
        RestoreError: as `stream_restore.errors` says.
    """
    if not clips or not models:
        raise ConfigError("an evaluation needs at least one clip and one model")
    check()
    experiment = experiment or Experiment()
    meter = _Meter(progress, clips, len(models))
    return [
        _Clip(clip, folder / name, name, experiment, models, meter.clip(clip)).result()
        for name, clip in zip(_names(clips), clips, strict=True)
    ]


def _names(clips: Sequence[Path]) -> list[str]:
    """A folder for each clip; a number is added where two have one name."""
    names: list[str] = []
    for clip in clips:
        stem = clip.name.split(".")[0] or "clip"
        count = sum(name == stem or name.startswith(stem + "-") for name in names)
        names.append(f"{stem}-{count + 1}" if stem in names else stem)
    return names


@dataclass
class _Clip:
    """One clip on its way."""

    source: Path
    folder: Path
    name: str
    experiment: Experiment
    models: Mapping[str, Model]
    done: Steps

    def result(self) -> dict[str, Any]:
        """From `clip.json` if it is there and tells of this very work, else by doing the work."""
        work = self._work()
        kept = self.folder / "clip.json"
        if kept.is_file() and (found := json.loads(kept.read_text("utf-8")))["work"] == work:
            self.done(_work_of(len(self.models)) * found["seconds"])
            return dict(found)
        result = {"name": self.name, "work": work, **self._run()}
        write(kept, json.dumps(result, indent=1) + "\n")
        return result

    def _work(self) -> dict[str, Any]:
        weights = {label: model.digest or asdict(model.manifest) for label, model in self.models.items()}
        work = {"clip": file_facts(self.source), "experiment": asdict(self.experiment), "models": weights}
        return dict(json.loads(json.dumps(work)))  # as it comes back from the file

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.wav"

    def _run(self) -> dict[str, Any]:
        prepare(self.folder, force=True)
        spec, frames = self._load()
        seconds, stored = spec.seconds(frames), Output(force=True, encoding="f32")
        original, degraded = self._path("original"), self._path("degraded")
        api.degrade(original, degraded, degradation=self.experiment.degradation, stored=stored)
        self.done(2 * seconds)
        found = {"degraded": self._measure("degraded", seconds)}
        for label, model in self.models.items():
            api.restore(
                degraded, self._path(label), model=model, restoration=self.experiment.restoration, stored=stored
            )
            self.done(RESTORING * seconds)
            found[label] = self._measure(label, seconds)
            self._draw(label, found["degraded"], found[label])
            self.done(2 * seconds)
        self._show(found)
        self.done(2 * len(self.models) * seconds)
        rows = [{**_signal(name, self.models), **_row(each)} for name, each in found.items()]
        facts = {"sample_rate": spec.sample_rate, "channels": spec.channels, "frames": frames, "seconds": seconds}
        return {"file": self.source.name, **facts, "rows": rows, "spoilt": self._spoilt()}

    def _load(self) -> tuple[Spec, int]:
        """Write the clip as the experiment hears it; say what it is."""
        with open_source(self.source) as source:
            stage = _loading(source.spec, self.experiment)
            with open_sink(self._path("original"), stage.output, encoding="f32", force=True) as sink:
                counted = _Counted(sink.write, stage.output)
                run(source, stage, [counted])
        if not counted.frames:
            raise SourceError(f"{self.source}: holds no sound to evaluate")
        self.done(stage.output.seconds(counted.frames))
        return stage.output, counted.frames

    def _measure(self, name: str, seconds: float) -> Findings:
        found = compare(
            self._path("original"),
            self._path(name),
            split_hz=self.experiment.split_hz,
            every_seconds=self.experiment.every_seconds,
        )
        self.done(seconds)
        return found

    def _draw(self, label: str, before: Findings, after: Findings) -> None:
        """The paper's figures 1 to 4 of one model."""
        sdr = [f"SDR {each.figures.metrics.sdr_db:.2f} dB" for each in (before, after)]
        with ExitStack() as stack:
            original, degraded, restored = (self._open(stack, name) for name in ("original", "degraded", label))
            panels = {"1  Original": mel(original), f"2  Degraded   {sdr[0]}": mel(degraded)}
            panels[f"3  Restored by {label}   {sdr[1]}"] = mel(restored)
            original.rewind()
            restored.rewind()
            panels["4  Residual: original - restored"] = mel(Difference(original, restored))
        draw(panels, self.folder / f"spectrograms-{label}.png")

    def _show(self, found: Mapping[str, Findings]) -> None:
        """The viewer, with a residual for each model."""
        with ExitStack() as stack:
            labels = {name: f"restored by {name}" if name in self.models else name for name in ("original", *found)}
            tracks = [Track(label, self._open(stack, name), f"{name}.wav") for name, label in labels.items()]
            for label in self.models:
                residual = Difference(self._open(stack, "original"), self._open(stack, label))
                tracks.append(Track(f"residual of {label}", residual, matched=False))
            sdr = {labels[name]: each.figures.segments for name, each in found.items()}
            show(self.folder, self.name.replace("_", " "), tracks, sdr=sdr)

    def _open(self, stack: ExitStack, name: str) -> Source:
        return stack.enter_context(open_source(self._path(name)))

    def _spoilt(self) -> dict[str, dict[str, float | str | None]]:
        """Figures of the same degraded clip, spoilt."""
        return {name: self._slip(*slip) for name, slip in SPOILT.items()}

    def _slip(self, late_seconds: float, factor: float) -> dict[str, float | str | None]:
        distortion = Distortion()
        with open_source(self._path("original")) as wanted, open_source(self._path("degraded")) as got:
            late = got.spec.frames(late_seconds)
            for block, other in _late(wanted.read, got.read, late, got.spec.channels):
                distortion.update(block, np.float32(factor) * other)
        found = distortion.result()
        return {"sdr_db": _plain(found.sdr_db), "si_sdr_db": _plain(found.si_sdr_db)}


def _loading(spec: Spec, experiment: Experiment) -> Stage[Any]:
    """From a clip to what the experiment hears."""
    weights = np.full((1, spec.channels), 1 / spec.channels) if experiment.mono else np.eye(spec.channels)
    mix = Mix(spec, weights)
    rate = experiment.sample_rate or spec.sample_rate
    return Chain(mix, SoxrResampler(mix.output, rate)) if rate != spec.sample_rate else Chain(mix)


def _late(
    wanted: Callable[[int], Audio], got: Callable[[int], Audio], late: int, channels: int
) -> Iterator[tuple[Audio, Audio]]:
    """Blocks of a reference, and of an estimate that comes `late` frames late, behind silence."""
    while late > 0 and (block := wanted(min(late, BLOCK))).shape[1]:
        yield block, np.zeros((channels, block.shape[1]), np.float32)
        late -= block.shape[1]
    while (block := wanted(BLOCK)).shape[1]:
        yield block, got(block.shape[1])


class _Counted:
    def __init__(self, write: Callable[[Audio], None], spec: Spec) -> None:
        self.spec, self.frames, self._write = spec, 0, write

    def write(self, block: Audio) -> None:
        self.frames += block.shape[1]
        self._write(block)


class _Meter:
    """Adds up the work on all clips, by their durations as their headers say them."""

    def __init__(self, progress: Callable[[int, int | None], None] | None, clips: Sequence[Path], models: int) -> None:
        self._progress, self._done = progress, 0.0
        self._total = sum(map(_seconds, clips)) * _work_of(models)

    def clip(self, clip: Path) -> Steps:
        def step(seconds: float) -> None:
            self._done += seconds
            if self._progress:
                self._progress(round(1000 * self._done), round(1000 * max(self._total, self._done)))

        return step


def _work_of(models: int) -> float:
    """Work on a second: to load 1, degrade 2, measure 1; with each model to restore, measure 1, draw 2, show 2."""
    return 4 + models * (RESTORING + 5)


def _seconds(clip: Path) -> float:
    with open_source(clip) as source:
        return source.spec.seconds(source.estimate or 0)


def _signal(name: str, models: Mapping[str, Model]) -> dict[str, str]:
    return {"signal": "restored", "model": name} if name in models else {"signal": name, "model": ""}


def _row(found: Findings) -> dict[str, Any]:
    figures = {name: _plain(value) for name, value in found.figures.as_dict().items()}
    segments = [_plain(value) for value in found.figures.segments.sdr_db]
    return {**figures, "warnings": list(found.warnings), "segments_sdr_db": segments}


def _plain(value: float) -> float | str | None:
    """JSON has no infinity and no nan: they become "inf", "-inf" and null."""
    if isnan(value):
        return None
    return value if isfinite(value) else str(value)
