"""Times real time, beside the `demucs` command and what does the same as others do, and how long starting takes."""

import argparse
import sys
from pathlib import Path

from stream_restore.models.export import export_model
from stream_restore.restoration.repairs import NAMES

from . import child, ratios, scaling
from .networks import official, save
from .sound import write_music
from .table import table

__all__ = ["measure"]

LARGE = "large"
TRIES = 7


def measure(options: argparse.Namespace, folder: Path) -> str:
    """Three tables: work with a large network, without, and starting; or two of how the cost grows."""
    if options.scaling:
        return scaling.measure()
    sound = write_music(folder / "in.wav", options.seconds)
    return "\n\n".join([_work(options.seconds, sound, folder), ratios.measure(sound, folder), _starting()])


def _work(seconds: float, sound: Path, folder: Path) -> str:
    network = official("HTDemucs")
    save(network, folder / "repo", LARGE)
    export_model(network, folder / "large.onnx", name=LARGE)
    ours, out = child.BIN / "stream-restore", ["-o", folder / "out.wav", "--force"]
    large = ["--repo", folder / "repo", "-n", LARGE]
    commands: dict[str, list[object]] = {
        "`stream-restore degrade`": [ours, "degrade", sound, *out],
        "`stream-restore restore`, default repairs": [ours, "restore", sound, *out],
        **{f"`--repair {name}`": [ours, "restore", sound, *out, "--repair", name] for name in NAMES},
        "`stream-restore restore`, htdemucs size, ONNX": [ours, "restore", sound, *out, "-n", folder / "large.onnx"],
        "`stream-restore restore`, htdemucs size, PyTorch": [ours, "restore", sound, *out, *large],
        "`demucs --shifts 0`, htdemucs size": [child.BIN / "demucs", sound, *large, "--shifts", 0, "-o", folder],
    }
    costs = {name: child.run(*command) for name, command in commands.items()}
    rows = [
        [name, f"{seconds / cost.seconds:.1f}", f"{cost.seconds:.1f} s", f"{cost.megabytes:.0f} MB"]
        for name, cost in costs.items()
    ]
    return f"{seconds:g} s of music, start included.\n\n" + table(["command", "times real time", "took", "peak"], rows)


def _starting() -> str:
    commands: dict[str, list[object]] = {
        "`python -c pass`": [sys.executable, "-c", "pass"],
        "`python -c 'import stream_restore'`": [sys.executable, "-c", "import stream_restore"],
        "`stream-restore --help`": [child.BIN / "stream-restore", "--help"],
    }
    rows = [
        [name, f"{min(child.run(*command).seconds for _ in range(TRIES)):.2f} s"] for name, command in commands.items()
    ]
    return f"Starting, best of {TRIES}.\n\n" + table(["command", "took"], rows)
