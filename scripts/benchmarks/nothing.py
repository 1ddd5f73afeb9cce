"""`python -m benchmarks.nothing tasks|batch FILES FOLDER TOLD`: a batch on a cluster whose workers do nothing.

FOLDER gets the batch, TOLD the figures as JSON: of a file, seconds, seconds of CPU of this process, bytes it grew by.
"""

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from stream_restore.audio import open_sink
from stream_restore.batch import Batch, Cluster, Item, Recording
from stream_restore.batch.cluster import treated_on_cluster
from stream_restore.batch.treatment import Restorer, Share
from stream_restore.models import load
from stream_restore.passes.job import Report
from stream_restore.spec import Spec

__all__: list[str] = []

CLUSTER = Cluster("local")
WARM = 20
"""Files after which all has been loaded and started."""


class Nothing(Restorer):
    """Restores nothing."""

    def __call__(self, item: Item, resume: bool, share: Share | None = None) -> Report:
        return Report()


class Clock:
    """What passes between a file by which all has been loaded and started, and the last."""

    def __init__(self) -> None:
        self._then = self._now = 0.0, 0.0, 0
        self._files = 0

    def tick(self) -> None:
        """A file is done."""
        self._files += 1
        self._now = time.monotonic(), time.process_time(), _resident()
        if self._files == WARM:
            self._then = self._now

    def figures(self) -> dict[str, float]:
        """Of a file: seconds, seconds of CPU of this process, bytes that it grew by."""
        names, files = ("seconds", "cpu_seconds", "bytes"), self._files - WARM
        return {name: (now - then) / files for name, now, then in zip(names, self._now, self._then, strict=True)}


def tasks(files: int, folder: Path, clock: Clock) -> None:
    """The loop that gives tasks to actors, by itself."""
    path = _recording(folder)
    items = [Item(path, folder / f"{number}.wav", finished=False) for number in range(files)]
    for _ in treated_on_cluster(
        Nothing(load("compact")),
        items,
        CLUSTER,
        jobs=2,
        resume=False,
        begin=lambda number, item: None,
        share=lambda item, share: None,
    ):
        clock.tick()


def batch(files: int, folder: Path, clock: Clock) -> None:
    """All that a batch does: its journal, its progress, the rows of its report."""
    path = _recording(folder)
    recordings = [Recording(path, Path(f"{number}.wav")) for number in range(files)]
    with Batch(recordings, folder, model=load("compact")) as whole:
        whole.treatment = Nothing(load("compact"))
        whole.run(lambda number, item: None, lambda item, outcome: clock.tick(), jobs=2, cluster=CLUSTER)


def _recording(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    with open_sink(folder / "one.wav", Spec(44100, 1), encoding="s16", force=True) as sink:
        sink.write(np.zeros((1, 1), np.float32))
    return folder / "one.wav"


def main() -> None:
    way, files, folder, told = sys.argv[1:]
    clock = Clock()
    {"tasks": tasks, "batch": batch}[way](int(files), Path(folder), clock)
    Path(told).write_text(json.dumps(clock.figures()), "utf-8")


def _resident() -> int:
    """Bytes now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


if __name__ == "__main__":
    main()
