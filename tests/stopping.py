"""Runs that are stopped, interrupted or killed, in this process or as one, so that others can go on with them."""

import os
import random
import signal
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from identity import identity

from stream_restore import api
from stream_restore.models import Model
from stream_restore.passes.job import Output

__all__ = [
    "DEAD",
    "KILLS",
    "StoppedError",
    "children",
    "dies",
    "interrupt",
    "killed",
    "restore",
    "stop_after",
    "under_way",
]

KILLS = int(os.environ.get("STREAM_RESTORE_KILLS", "4"))
"""How often a process is killed; the promise was shown with 100."""
DEAD = 9
"""The exit code of a process that ended in the middle of its work, with nothing tidied up: `os._exit(DEAD)`."""
MOMENT = 0.001
"""Seconds between two looks at what another process does."""


class StoppedError(Exception):
    """What a test stops a run with."""


def stop_after(frames: int) -> Callable[[int, int | None], None]:
    """Progress that stops its run."""

    def progress(done: int, total: int | None) -> None:
        if done > frames:
            raise StoppedError

    return progress


def restore(
    recording: Path,
    folder: Path,
    *,
    model: Model | None = None,
    encoding: str = "s16",
    force: bool = False,
    checkpoint_seconds: float | None = None,
    **options: Any,
) -> None:
    """Three outputs, through a resampler, overlap-add and back, with dither."""
    folder.mkdir(exist_ok=True)
    api.restore(
        recording,
        folder / "out.wav",
        model=model or identity(),
        residual=folder / "residual.wav",
        save_stems=folder / "stems",
        stored=Output(encoding=encoding, seed=5, force=force, checkpoint_seconds=checkpoint_seconds),
        **options,
    )


def dies(work: Callable[[], object]) -> None:
    """Work in a copy of this process, which must die of it."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            traceback.print_exc()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DEAD


@contextmanager
def under_way(command: list[str], sign: Path, **options: Any) -> "Iterator[subprocess.Popen[bytes]]":
    """A process whose file `sign` has just appeared."""
    with subprocess.Popen(command, **options) as child:
        while not sign.exists():
            assert child.poll() is None
            time.sleep(MOMENT)
        yield child


def interrupt(command: list[str], number: signal.Signals, sign: Path) -> None:
    """Send a signal when `sign` appears; the command says one line and ends."""
    with under_way(command, sign, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        child.send_signal(number)
        assert child.communicate()[1] == b"stream-restore: interrupted\n"
    assert child.returncode == 130


def killed(
    command: list[str], out: Path, longest: float, *, kills: int = KILLS, begun: Path | None = None
) -> Iterator[None]:
    """Run a command with SIGKILL at random times, `kills` times, over as many whole runs as that takes.

    Each comes within `longest` seconds since the file `begun` was there. Yields when `out`, which gets its name last,
    is complete: what is there is then compared and removed, and the next run begins anew.
    """
    seed = random.randrange(2**32)
    print(f"{seed=}")
    delays, deaths, runs, complete = random.Random(seed), 0, 0, False
    while deaths < kills or not complete:
        deaths += _killed(command, longest * delays.random() if deaths < kills else None, begun)
        complete = out.exists() and not out.with_name(f"{out.name}.journal").exists()
        if complete:
            runs += 1
            yield
    print(f"{kills} kills over {runs} runs")


def _killed(command: list[str], seconds: float | None, begun: Path | None) -> bool:
    """Whether it lives on after so many seconds, and has to be killed; else it must end well."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        while begun and not begun.exists() and child.poll() is None:
            time.sleep(MOMENT)
        try:
            assert child.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            child.kill()
            return True
    return False


def children(parent: int) -> list[int]:
    """The workers of a process that are under way, by what the system says of all processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if above == parent and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended meanwhile
            continue
    return found
