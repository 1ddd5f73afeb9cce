"""`scripts/bench SUBJECT`."""

import argparse
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

from . import batch, harm, kills, memory, overlap, parity, quality, repair, soak, speed, treble, viewer

__all__ = ["main"]

SUBJECTS: dict[str, Callable[[argparse.Namespace, Path], str]] = {
    "batch": batch.measure,
    "harm": harm.measure,
    "kills": kills.measure,
    "memory": memory.measure,
    "overlap": overlap.measure,
    "parity": parity.measure,
    "quality": quality.measure,
    "repair": repair.measure,
    "soak": soak.measure,
    "speed": speed.measure,
    "treble": treble.measure,
    "viewer": viewer.measure,
}


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="stream_restore-bench-") as folder:
        print(SUBJECTS[options.subject](options, Path(folder)))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\n{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load average {load}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    subjects = parser.add_subparsers(dest="subject", required=True, metavar="SUBJECT")
    of_batch = subjects.add_parser("batch", help="batches in one process, in several, on Ray; what a file costs")
    of_batch.add_argument("--recordings", type=int, default=4, help="(default %(default)d)")
    of_batch.add_argument("--seconds", type=float, default=60.0, help="of each (default %(default)g)")
    of_batch.add_argument("--files", type=int, default=100_000, help="that take no time (default %(default)d)")
    of_batch.add_argument("--only", choices=batch.PARTS, help="one part")
    of_harm = subjects.add_parser("harm", help="what repairs do to released music that has nothing wrong")
    of_harm.add_argument("recordings", type=Path, nargs="*", help="(default: free music from Debian's packages)")
    of_harm.add_argument("-n", "--name", default="compact", help="of the model (default %(default)s)")
    of_harm.add_argument(
        "--repair", nargs="+", metavar="LIST", help="(default: each alone, and the default ones together)"
    )
    of_harm.add_argument("--excerpts", type=int, default=60, help="(default %(default)d)")
    of_harm.add_argument("--seconds", type=float, default=10.0, help="of each (default %(default)g)")
    of_harm.add_argument("--json", type=Path, help="also write the figures to this file")
    of_kills = subjects.add_parser("kills", help="a batch on a cluster whose workers and nodes are killed at random")
    of_kills.add_argument("--kills", type=int, default=20, help="(default %(default)d)")
    of_kills.add_argument("--recordings", type=int, default=100, help="of noise (default %(default)d)")
    of_kills.add_argument("--within", type=float, default=4.0, help="seconds until a kill (default %(default)g)")
    of_kills.add_argument("--seed", type=int, default=0, help="of what is killed, and when (default %(default)d)")
    of_memory = subjects.add_parser("memory", help="peak resident memory against duration, beside demucs")
    of_memory.add_argument("--minutes", type=int, nargs="+", default=[1, 10, 60], help="(default 1 10 60)")
    of_overlap = subjects.add_parser("overlap", help="what the overlap of segments is worth, and what it costs")
    of_overlap.add_argument("-n", "--name", help="of the model (default: htdemucs size, random weights)")
    of_overlap.add_argument("--seconds", type=float, default=30.0, help="of music (default %(default)g)")
    of_parity = subjects.add_parser("parity", help="stems against demucs.apply.apply_model at the official sizes")
    of_parity.add_argument("--seconds", type=float, default=20.0, help="of music (default %(default)g)")
    of_parity.add_argument("--only", choices=parity.SIZES, help="one architecture")
    of_quality = subjects.add_parser("quality", help="how well a model restores recordings, beside other denoisers")
    of_quality.add_argument("-n", "--name", default="compact", help="of the model (default %(default)s)")
    of_quality.add_argument(
        "--clips", type=Path, nargs="+", default=[], help="(default: eval/ in STREAM_RESTORE_AUDIO)"
    )
    of_quality.add_argument("--seconds", type=float, help="only so much from the middle of each clip (default: all)")
    of_quality.add_argument("--only", choices=quality.PARTS, nargs="+", help="parts to measure (default: all)")
    of_quality.add_argument("--json", type=Path, help="also write the figures to this file")
    work = Path.home() / ".cache/stream_restore/quality"
    of_quality.add_argument("--work", type=Path, default=work, help="keeps figures of others (default %(default)s)")
    of_repair = subjects.add_parser("repair", help="how well repairs mend, beside ffmpeg's filters and the network")
    of_repair.add_argument("recordings", type=Path, nargs="*", help="(default: free music from Debian's packages)")
    of_repair.add_argument("-n", "--name", default="compact", help="of the network (default %(default)s)")
    of_repair.add_argument(
        "--repair", nargs="+", choices=[each.repair for each in repair.SUBJECTS], help="(default: all)"
    )
    of_repair.add_argument("--excerpts", type=int, default=12, help="(default %(default)d)")
    of_repair.add_argument("--seconds", type=float, help="of each (default: 10, of hum 60)")
    of_repair.add_argument("--json", type=Path, help="also write the figures to this file")
    of_soak = subjects.add_parser("soak", help="memory, open files and length over hours of sound through a pipe")
    of_soak.add_argument("--hours", type=int, default=10, help="of noise (default %(default)d)")
    of_soak.add_argument("--rate", type=int, default=44100, help="in Hz (default %(default)d)")
    of_soak.add_argument("--channels", type=int, default=2, help="(default %(default)d)")
    of_speed = subjects.add_parser("speed", help="times real time, beside demucs; how long it takes to start")
    of_speed.add_argument("--seconds", type=float, default=60.0, help="of music (default %(default)g)")
    of_speed.add_argument("--scaling", action="store_true", help="CPU time against duration and size of blocks instead")
    of_treble = subjects.add_parser("treble", help="treble that a low-pass took, beside plainer ways to make it anew")
    of_treble.add_argument("--clips", type=Path, nargs="+", default=[], help="(default: eval/, and what is held out)")
    of_treble.add_argument("--fresh", action="store_true", help="those of packages that nothing is learnt from")
    of_treble.add_argument("--seconds", type=float, default=treble.SECONDS, help="of each (default %(default)g)")
    of_treble.add_argument("--damage", choices=treble.DAMAGES, nargs="+", default=list(treble.DAMAGES))
    of_treble.add_argument("--json", type=Path, help="also write the figures to this file")
    of_treble.add_argument("--work", type=Path, default=work.with_name("train"), help="pieces (default %(default)s)")
    of_viewer = subjects.add_parser("viewer", help="the page of a long recording in headless Chromium: loading, moving")
    of_viewer.add_argument("--minutes", type=float, default=60.0, help="of each recording (default %(default)g)")
    of_viewer.add_argument("--seconds", type=float, default=6.0, help="of each movement (default %(default)g)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
