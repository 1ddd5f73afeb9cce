"""What a command costs: seconds, and the largest resident memory of its process."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BIN", "Cost", "run"]

BIN = Path(sys.executable).parent
"""Where the commands `stream-restore` and `demucs` are."""

# The kernel's figure of a child includes what its parent held when it forked: a small process between keeps ours out.
_LAUNCHER = """
import os, sys, time
start = time.monotonic()
pid = os.spawnvp(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(pid, 0)
open(sys.argv[1], "w").write(f"{time.monotonic() - start} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss}")
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Cost:
    """Of a command: wall-clock seconds, those of all cores, and peak resident memory in MB of a million bytes."""

    seconds: float
    cpu_seconds: float
    megabytes: float


def run(*command: object) -> Cost:
    """Run a command to its end; exit with what it said if it fails."""
    words = [str(word) for word in command]
    print(f"running {' '.join(words)}", file=sys.stderr, flush=True)
    with tempfile.NamedTemporaryFile("r") as told:
        launched = [sys.executable, "-S", "-c", _LAUNCHER, told.name, *words]
        done = subprocess.run(launched, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
        seconds, cpu_seconds, kilobytes = told.read().split()
    cost = Cost(float(seconds), float(cpu_seconds), int(kilobytes) * 1024 / 1e6)
    print(f"{cost.seconds:.1f} s, {cost.cpu_seconds:.1f} of CPU, {cost.megabytes:.0f} MB", file=sys.stderr, flush=True)
    return cost
