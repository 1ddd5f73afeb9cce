"""Peak resident memory against duration: this project and the `demucs` command, same files, network and stems."""

import argparse
from pathlib import Path

from . import child
from .networks import millions, save, tiny
from .sound import write_music
from .table import table

__all__ = ["measure"]

NAME = "tiny"


def measure(options: argparse.Namespace, folder: Path) -> str:
    """A table with one row per duration."""
    network = tiny()
    save(network, folder / "repo", NAME)
    rows = [_row(minutes, folder) for minutes in options.minutes]
    return (
        f"Peak resident memory; network of {millions(network):.2f} M parameters for both, 4 stems written.\n\n"
        + table(["minutes", "demucs", "stream-restore", "ratio", "stream-restore, embedded network"], rows)
    )


def _row(minutes: int, folder: Path) -> list[str]:
    sound = write_music(folder / f"{minutes}.wav", 60 * minutes)
    same = ["--repo", folder / "repo", "-n", NAME, "--shifts", "0"]
    theirs = child.run(child.BIN / "demucs", *same, "-o", folder / "theirs", sound)
    restore = [child.BIN / "stream-restore", "restore", sound, "--force", "-o"]
    ours = child.run(*restore, folder / "out.wav", *same, "--save-stems", folder / "ours")
    embedded = child.run(*restore, folder / "out.wav")
    sound.unlink()
    costs = [f"{cost.megabytes:.0f} MB, {cost.seconds:.0f} s" for cost in (theirs, ours, embedded)]
    return [str(minutes), costs[0], costs[1], f"{theirs.megabytes / ours.megabytes:.1f}", costs[2]]
