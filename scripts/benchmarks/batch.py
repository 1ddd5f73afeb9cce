"""Batches: one process, processes side by side, actors of Ray; and what a file costs that takes no time at all."""

import argparse
import json
import sys
from pathlib import Path
from statistics import mean

from . import child, processes
from .sound import write_music
from .table import table

__all__ = ["PARTS", "measure"]


def measure(options: argparse.Namespace, folder: Path) -> str:
    """A table for each part."""
    return "\n\n".join(part(options, folder) for name, part in PARTS.items() if options.only in (None, name))


def _throughput(options: argparse.Namespace, folder: Path) -> str:
    _recordings(folder / "in", options.recordings, options.seconds)
    _recordings(folder / "one", 1, 1.0)
    hours, rows, alone = options.recordings * options.seconds / 3600, [], 0.0
    for name, words in WAYS.items():
        batch = [child.BIN / "stream-restore", "batch", folder / "out", "--force", "--threads", "1", *words]
        start, costs = (processes.run(*batch[:2], folder / each, *batch[2:]) for each in ("one", "in"))
        workers, others = _told_apart(costs)
        cpu = (costs.cpu(workers) - start.cpu(_told_apart(start)[0])) / hours
        alone = alone or cpu
        rows.append(
            [
                name,
                f"{start.cpu():.1f} s",
                f"{cpu:.0f} s",
                f"{cpu / alone:.2f}",
                f"{100 * costs.cpu(others) / costs.seconds:.1f} %",
                f"{3600 * hours / (costs.seconds - start.seconds):.1f}",
                f"{mean(costs.memory[each] for each in workers) / 1e6:.0f} MB",
                f"{sum(costs.memory.get(each, 0) for each in others) / 1e6:.0f} MB",
            ]
        )
    head = ["`batch --threads 1`", "start, CPU", "then workers' CPU an hour of sound", "ratio", "all else, of a core"]
    head += ["times real time", "a worker", "all else"]
    said = (
        f"{options.recordings} recordings of {options.seconds:g} s, stereo at 44.1 kHz, noise 20 dB below, `compact`."
    )
    return f"{said}\n\n" + table(head, rows)


def _recordings(folder: Path, count: int, seconds: float) -> None:
    """Music with noise 20 dB below, which is what most of the work is about."""
    folder.mkdir()
    music = write_music(folder.with_suffix(".wav"), seconds)
    degrade = [child.BIN / "stream-restore", "degrade", music, "--cutoff", "none", "--rate", "none", "--bits", "none"]
    for number in range(count):
        child.run(*degrade, "--seed", number, "-o", folder / f"{number}.flac")


WAYS: dict[str, list[str]] = {
    "one process": [],
    "`-j 2`": ["-j", "2"],
    "`--cluster local -j 1`": ["--cluster", "local", "-j", "1"],
    "`--cluster local -j 2`": ["--cluster", "local", "-j", "2"],
}


def _told_apart(costs: processes.Costs) -> tuple[list[int], list[int]]:
    """The processes that restore, and all others."""
    workers = costs.of(_is_worker) or costs.of(lambda name: "stream-restore" in name)
    return workers, [each for each in costs.names if each not in workers]


def _is_worker(name: str) -> bool:
    return name.startswith("ray::_Actor") or "spawn_main" in name


def _scheduling(options: argparse.Namespace, folder: Path) -> str:
    rows = []
    for files in sorted({options.files // 10, options.files}):
        for way in ("tasks", "batch"):
            told = folder / f"{way}-{files}.json"
            processes.run(sys.executable, "-m", "benchmarks.nothing", way, files, folder / f"{way}-{files}", told)
            found = json.loads(told.read_text("utf-8"))
            rows.append(
                [
                    f"{files}",
                    {"tasks": "tasks alone", "batch": "batch with its journal"}[way],
                    f"{1e3 * found['seconds']:.2f} ms",
                    f"{1e3 * found['cpu_seconds']:.2f} ms",
                    f"{found['bytes'] / 1e3:.2f} kB",
                ]
            )
    head = ["files", "what", "a file", "of it CPU of the driver", "memory of the driver"]
    return "Files of one sample, restored by doing nothing, two actors on this machine.\n\n" + table(head, rows)


PARTS = {"throughput": _throughput, "scheduling": _scheduling}
