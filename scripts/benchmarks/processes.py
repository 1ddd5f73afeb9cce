"""What a command and all that it starts cost, the processes of a cluster included, which are not its children."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Costs", "run"]

MARK = "STREAM_RESTORE_BENCH"
"""A variable of the environment, by which a process is known to belong to a command."""
EVERY_SECONDS = 0.1
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Costs:
    """Seconds by the clock; of each process: its name, seconds of CPU, and its most memory in bytes.

    Memory is the proportional share: what processes share counts once.
    """

    seconds: float = 0.0
    names: dict[int, str] = field(default_factory=dict)
    cpu_seconds: dict[int, float] = field(default_factory=dict)
    memory: dict[int, int] = field(default_factory=dict)

    def of(self, chosen: Callable[[str], bool]) -> list[int]:
        """The processes whose name is chosen."""
        return [process for process, name in self.names.items() if chosen(name)]

    def cpu(self, processes: list[int] | None = None) -> float:
        """Seconds of CPU of some, or of all."""
        return sum(each for process, each in self.cpu_seconds.items() if processes is None or process in processes)


def run(*command: object) -> Costs:
    """Run a command to its end; exit with what it said if it fails."""
    words, mark = [str(word) for word in command], uuid.uuid4().hex
    print(f"running {' '.join(words)}", file=sys.stderr, flush=True)
    costs, began = Costs(), time.monotonic()
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, MARK: mark}
    ) as it:
        assert it.stdout is not None
        os.set_blocking(it.stdout.fileno(), False)
        said = b""
        while it.poll() is None:
            said += it.stdout.read() or b""
            _look(costs, mark)
            time.sleep(EVERY_SECONDS)
        said += it.stdout.read() or b""
    costs.seconds = time.monotonic() - began
    if it.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{said[-2000:].decode()}")
    print(f"{costs.seconds:.1f} s, {costs.cpu():.1f} of CPU", file=sys.stderr, flush=True)
    return costs


def _look(costs: Costs, mark: str) -> None:
    for folder in _marked(f"{MARK}={mark}".encode(), costs):
        process = int(folder.name)
        with suppress(OSError, StopIteration, IndexError):  # it has ended
            name = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            costs.names[process] = name or costs.names.get(process, "")  # one that has ended has none
            user, system = (folder / "stat").read_text().rpartition(")")[2].split()[11:13]
            costs.cpu_seconds[process] = (int(user) + int(system)) / TICK
            lines = (folder / "smaps_rollup").read_text().splitlines()
            now = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
            costs.memory[process] = max(now, costs.memory.get(process, 0))


def _marked(mark: bytes, costs: Costs) -> Iterator[Path]:
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # Ray writes its titles over the environment: who was marked once belongs to it.
            if int(folder.name) in costs.names or mark in (folder / "environ").read_bytes().split(b"\0"):
                yield folder
