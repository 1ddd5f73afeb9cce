"""A cluster of Ray of several nodes on this machine, whose processes are killed at random while a batch runs on it."""

import argparse
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np

from stream_restore.audio import open_sink
from stream_restore.audio.outputs.atomic_file import make_folder
from stream_restore.spec import Spec

from . import child
from .soak import Kind, write_network
from .table import table

__all__ = ["Killed", "Nodes", "measure", "run_with_kills"]

RATE = 16000
LONG_SECONDS, SHORT_SECONDS, PIECE_SECONDS = 120, 20, 15
LONG_EVERY = 4
NODE_EVERY = 4
"""Of so many kills, one takes a node."""
STORE_BYTES = 80_000_000
"""Of shared memory, a node."""
# So that a node that was killed is known to be gone after a second or two, not after ten.
QUICK = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
AT_WORK = b"ray::_Actor.run"
"""How Ray calls a process while it does a task of ours."""
MOMENT = 0.01


class Nodes(AbstractContextManager["Nodes"]):
    """A head without CPUs, and nodes of one CPU each; all are real processes.

    Attributes:
        address: of the cluster.
    """

    def __init__(self, count: int) -> None:
        self._on_end = signal.getsignal(signal.SIGTERM)  # each node sets one of Ray's
        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES, "_system_config": QUICK}
        self._cluster = import_module("ray.cluster_utils").Cluster(initialize_head=True, head_node_args=head)
        self._nodes: list[Any] = [self._added() for _ in range(count)]
        self.address = str(self._cluster.address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._cluster.shutdown()
        signal.signal(signal.SIGTERM, self._on_end)

    def __len__(self) -> int:
        return len(self._nodes)

    def workers(self) -> list[int]:
        """The processes that do a task now."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):  # it has ended
                if path.read_bytes().startswith(AT_WORK) and self._is_ours(int(path.parent.name)):
                    found.append(int(path.parent.name))
        return sorted(found)

    def come(self) -> None:
        """Add a node."""
        self._nodes.append(self._added())

    def leave(self, rng: random.Random) -> None:
        """Kill the raylet of a node, which is its end."""
        node = self._nodes.pop(rng.randrange(len(self._nodes)))
        raylet = node.all_processes["raylet"][0].process
        raylet.kill()
        raylet.wait()

    def _added(self) -> Any:
        return self._cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)

    def _is_ours(self, process: int) -> bool:
        """Whether a process descends from this one: there may be other clusters."""
        while process > 1:
            if process == os.getpid():
                return True
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        return False


@dataclass
class Killed:
    """What came of a command: its exit code, what it said, and what was killed meanwhile."""

    code: int = 0
    said: str = ""
    workers: int = 0
    nodes: int = 0
    at_seconds: list[float] = field(default_factory=list)


def run_with_kills(
    command: Sequence[str],
    nodes: Nodes,
    *,
    kills: Sequence[str],
    seed: int,
    within_seconds: float,
    longest_seconds: float = 600,
) -> Killed:
    """Run a command that works on the cluster; SIGKILL workers and raylets, as `kills` says, at random instants.

    Args:
        command: of `stream-restore`.
        nodes: the cluster.
        kills: "worker"; "node", in whose place another comes; or "last", a node that is not replaced, in order. Fewer
            happen if the command ends before.
        seed: of what is killed, and when.
        within_seconds: longest time between the moment at which a task is seen and the kill.
        longest_seconds: how long kills are waited for, and then the end.
    """
    rng, killed, began = random.Random(seed), Killed(), time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as batch:
        left = list(kills)
        while batch.poll() is None and left and time.monotonic() - began < longest_seconds:
            time.sleep(MOMENT)
            if not nodes.workers():
                continue
            time.sleep(within_seconds * rng.random())
            if left[0] in ("node", "last"):
                nodes.leave(rng)
                killed.nodes += 1
                if left[0] == "node":
                    nodes.come()
            elif at_work := nodes.workers():
                os.kill(rng.choice(at_work), signal.SIGKILL)
                killed.workers += 1
            else:
                continue
            del left[0]
            killed.at_seconds.append(round(time.monotonic() - began, 1))
        try:
            _, killed.said = batch.communicate(timeout=longest_seconds)
        finally:
            batch.kill()
    killed.code = batch.returncode
    return killed


def measure(options: argparse.Namespace, folder: Path) -> str:
    """A batch of noise in one process, the same on a cluster whose workers and nodes are killed, and what differs."""
    network = write_network(folder / "identity.onnx", Kind(RATE, 1))
    make_folder(folder / "in")
    for number in range(options.recordings):
        seconds = LONG_SECONDS if number % LONG_EVERY == 0 else SHORT_SECONDS
        sound = 0.1 * np.random.default_rng(number).standard_normal((RATE * seconds, 1))
        with open_sink(folder / "in" / f"{number:02}.wav", Spec(RATE, 1), encoding="s16") as sink:
            sink.write(sound.T.astype(np.float32))
    how: list[object] = ["-n", network, "--repair", "clicks,noise", "--dry", 0.5, "--int16"]
    batch: list[object] = [child.BIN / "stream-restore", "batch", folder / "in"]
    child.run(*batch, folder / "alone", *how)
    kills = ["node" if number % NODE_EVERY == 0 else "worker" for number in range(options.kills)]
    random.Random(options.seed).shuffle(kills)
    report = folder / "report.jsonl"
    with Nodes(2) as nodes:
        how += ["--cluster", nodes.address, "--cut", PIECE_SECONDS / 60, "--report", report]
        command = [str(word) for word in (*batch, folder / "out", *how)]
        killed = run_with_kills(
            command, nodes, kills=kills, seed=options.seed, within_seconds=options.within, longest_seconds=3600
        )
    if killed.code:
        raise SystemExit(f"{' '.join(command)} ended with {killed.code}:\n{killed.said[-3000:]}")
    rows = [json.loads(line) for line in report.read_text("utf-8").splitlines()]
    alone, out = _sounds(folder / "alone"), _sounds(folder / "out")
    figures = {
        "recordings, of which long": f"{len(rows)}, {len(rows[::LONG_EVERY])}",
        "workers killed": f"{killed.workers}",
        "nodes killed": f"{killed.nodes}",
        "over": f"{killed.at_seconds[-1] - killed.at_seconds[0]:.0f} s" if killed.at_seconds else "",
        "tried again, as reported": f"{sum(row['attempts'] - 1 for row in rows)}",
        "most tries of a recording": f"{max(row['attempts'] for row in rows)}",
        "outputs with the bytes of one process": f"{sum(out.get(name) == data for name, data in alone.items())}",
        "other files": f"{len(out.keys() - alone.keys())}",
    }
    return f"Seed {options.seed}.\n\n" + table(["what", "figure"], [[name, each] for name, each in figures.items()])


def _sounds(folder: Path) -> dict[str, bytes]:
    """All files but the journal of the batch."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "batch.journal")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
