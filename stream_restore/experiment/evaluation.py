"""The experiment of "Un'analisi quantitativa e visiva del restauro audio zero-shot con Demucs" (Di Giovanna, 2025).

Each clip is loaded at 32 kHz, degraded, restored by one or more models, measured and drawn; a report compares the
figures with the published ones. Clips may have any length: everything streams.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from ..audio import open_source
from ..engine.loop import Progress
from ..errors import ConfigError
from ..models import Model
from ..show.picture import check
from .clip import Clip, Experiment, Steps, work_of
from .cluster import results_on_cluster

__all__ = ["Experiment", "evaluate"]


def evaluate(
    clips: Sequence[Path],
    folder: Path,
    models: Mapping[str, Model],
    experiment: Experiment | None = None,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    cluster: str | None = None,
    jobs: int | None = None,
) -> list[dict[str, Any]]:
    """Run the experiment on every clip; return the contents of each `clip.json`.

    With `resume`, a stopped run continues within the interrupted clip and writes the same files; without it, everything
    is done again.

    Args:
        clips: recordings of any format and length.
        folder: exists; gets a folder for each clip, with WAV files, `spectrograms-MODEL.png`, `index.html` (the viewer)
            and `clip.json`.
        models: by label, which becomes part of file names.
        resume: keep the results of an earlier run with the same parameters.
        progress: told (done, total), in thousandths of a second of work.
        cluster: the address of a cluster of Ray, whose nodes see the same files, or "local": clips are spread over it.
        jobs: clips at once on a cluster; None: as many as it has CPUs.

    Raises:
        ConfigError: if there are no clips or no models, a label is taken, matplotlib is missing, or a run to resume had
            another clip, experiment or model; the message says what changed. With `cluster`, also if Ray is missing, or
            there is no cluster.
        RestoreError: if a step fails, see `stream_restore.errors`.
    """
    if not clips or not models:
        raise ConfigError("an evaluation needs at least one clip and one model")
    if taken := models.keys() & {"original", "degraded"}:
        raise ConfigError(f"a model cannot be called {taken.pop()!r} here, a file has that name: rename the model")
    check()
    experiment = experiment or Experiment()
    meter = _Meter(progress, clips, len(models))
    work = [
        Clip(clip, folder / name, name, experiment, models, meter.clip())
        for name, clip in zip(_names(clips), clips, strict=True)
    ]
    if cluster is not None:
        return results_on_cluster(work, cluster, jobs, resume)
    return [clip.result(resume) for clip in work]


def _names(clips: Sequence[Path]) -> list[str]:
    """A folder name for each clip, numbered where names repeat, ignoring case."""
    names: dict[str, str] = {}
    for clip in clips:
        stem = clip.name.split(".")[0] or "clip"
        numbered = (f"{stem}-{number}" for number in count(2))
        name = next(name for name in chain([stem], numbered) if name.casefold() not in names)
        names[name.casefold()] = name
    return list(names.values())


class _Meter:
    """Sums the work on all clips, estimated from their headers."""

    def __init__(self, progress: Progress | None, clips: Sequence[Path], models: int) -> None:
        self._progress, self._done = progress, 0.0
        self._total = sum(map(_seconds, clips)) * work_of(models)

    def clip(self) -> Steps:
        def step(seconds: float) -> None:
            self._done += seconds
            if self._progress:
                self._progress(round(1000 * self._done), round(1000 * max(self._total, self._done)))

        return step


def _seconds(clip: Path) -> float:
    with open_source(clip, on_damage="stop") as source:
        return source.spec.seconds(source.estimate or 0)
