"""Commands without a large network beside what does the same elsewhere, one after the other in the same run."""

import sys
from pathlib import Path

from . import child
from .table import table

__all__ = ["measure"]

FFMPEG = ["ffmpeg", "-nostdin", "-v", "error", "-y", "-i"]
AROUND = "ebur128=peak=true,astats"
"""Loudness, true peak and statistics, which `inspect` says, too."""


def measure(sound: Path, folder: Path) -> str:
    """One table.

    Args:
        sound: a recording.
        folder: for what is written.
    """
    ours, whole = [child.BIN / "stream-restore"], [sys.executable, "-m", "benchmarks.whole_arrays"]
    degraded, out = folder / "degraded.wav", ["-o", folder / "out.wav", "--force"]
    figures = "NumPy's SDR and `fast_bss_eval.sdr`", [*whole, "figures", sound, degraded]
    look = f"ffmpeg's `{AROUND}`", [*FFMPEG, sound, "-af", AROUND, "-f", "null", "-"]
    shown = folder / "shown"
    pairs: dict[str, tuple[list[object], tuple[str, list[object]]]] = {
        "degrade": (["-o", degraded, "--force"], ("SciPy, one shot", [*whole, "degrade", sound, folder / "scipy.wav"])),
        "metrics": ([degraded], figures),
        "metrics --only sdr,si-sdr": ([degraded], figures),
        "inspect": ([], look),
        "spectrogram": (["-o", shown], look),
        "restore --repair noise": (
            out,
            ("ffmpeg's `afftdn`", [*FFMPEG, sound, "-af", "afftdn", folder / "ffmpeg.wav"]),
        ),
    }
    rows, theirs = [], dict[str, child.Cost]()
    for command, (rest, (peer, words)) in pairs.items():
        name, *options = command.split()
        cost = child.run(*ours, name, sound, *rest, *options)
        if peer not in theirs:
            theirs[peer] = child.run(*words)
        rows.append(_row(f"`{command}`", peer, cost, theirs[peer]))
    head = ["command", "took", "of CPU", "peak", "beside", "took", "of CPU", "peak", "ratio", "of CPU"]
    return "Ratios: ours over theirs, start included.\n\n" + table(head, rows)


def _row(command: str, peer: str, ours: child.Cost, theirs: child.Cost) -> list[str]:
    ratios = [f"{ours.seconds / theirs.seconds:.2f}", f"{ours.cpu_seconds / theirs.cpu_seconds:.2f}"]
    return [command, *_told(ours), peer, *_told(theirs), *ratios]


def _told(cost: child.Cost) -> list[str]:
    return [f"{cost.seconds:.1f} s", f"{cost.cpu_seconds:.1f} s", f"{cost.megabytes:.0f} MB"]
