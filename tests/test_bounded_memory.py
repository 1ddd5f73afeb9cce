"""Memory does not grow with duration: the real command on a minute and on an hour, through pipes."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from stream_restore.models.container import MANIFEST_KEY, SEAL_KEY, ZEROS, seal
from stream_restore.models.manifest import Manifest
from stream_restore.spec import Spec

RATE, CHANNELS = 44100, 2
SEGMENT = int(7.8 * RATE)
STEREO = Spec(RATE, CHANNELS)
LIMIT_BYTES = 16 * 2**20
COMMAND = [sys.executable, "-m", "stream_restore.cli"]

# The kernel's figure of a child includes what its parent held when it forked; a test process holds PyTorch. So the
# command is the child of a small process, which tells the figure.
LAUNCHER = """
import os, sys
pid = os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(pid, 0)
open(sys.argv[1], "w").write(str(usage.ru_maxrss * 1024))
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Run:
    """What a command did: bytes on stdout, and its largest resident memory in bytes."""

    written: int
    peak: int


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose one stem is what it hears: the cheapest there is, on the grid of the official ones."""
    shape = [1, CHANNELS, SEGMENT]
    graph = helper.make_graph(
        [helper.make_node("Unsqueeze", ["mix", "axis"], ["waves"])],
        "identity",
        [helper.make_tensor_value_info("mix", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("waves", TensorProto.FLOAT, [1, 1, CHANNELS, SEGMENT])],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    manifest = Manifest("identity", "none", RATE, CHANNELS, ("all",), SEGMENT, SEGMENT)
    for key, value in ((MANIFEST_KEY, manifest.to_json()), (SEAL_KEY, ZEROS.decode())):
        model.metadata_props.add(key=key, value=value)
    path = tmp_path_factory.mktemp("model") / "identity.onnx"
    onnx.save(model, path)
    seal(path)
    return path


def feed(pipe: IO[bytes], seconds: int, spec: Spec) -> None:
    """Write as many seconds of noise at -20 dBFS, one second over and over."""
    noise = np.random.default_rng(0).normal(0, 3277, spec.sample_rate * spec.channels).astype("<i2").tobytes()
    with pipe:
        for _ in range(seconds):
            pipe.write(noise)


def drain(pipe: IO[bytes]) -> int:
    """Read to the end; how many bytes there were."""
    count = 0
    while piece := pipe.read(1 << 20):
        count += len(piece)
    return count


def piped(words: Sequence[str | Path], minutes: int, folder: Path, spec: Spec) -> Run:
    """Run `stream-restore` on generated sound, stdin to stdout."""
    told, raw = folder / "peak", f"s16le:{spec.sample_rate}:{spec.channels}"
    command = [sys.executable, "-S", "-c", LAUNCHER, told, *COMMAND, *words, "-", "-o", "-", "--raw", raw]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    feeder = Thread(target=feed, args=(child.stdin, 60 * minutes, spec))
    feeder.start()
    written = drain(child.stdout)
    said = child.stderr.read().decode()
    feeder.join()
    assert child.wait() == 0, said
    return Run(written, int(told.read_text()))


def check(words: Sequence[str | Path], minutes: int, folder: Path, spec: Spec = STEREO) -> None:
    short, long = piped(words, 1, folder, spec), piped(words, minutes, folder, spec)
    print(f"{short.peak / 2**20:.1f} MB for 1 minute, {long.peak / 2**20:.1f} MB for {minutes} minutes")
    assert short.written == 60 * spec.sample_rate * spec.channels * 2
    assert long.written == 60 * minutes * spec.sample_rate * spec.channels * 2
    assert long.peak <= short.peak + LIMIT_BYTES


def test_restoring_an_hour_takes_the_memory_of_a_minute(network: Path, tmp_path: Path) -> None:
    check(["restore", "-n", network, "-f", "raw", "--threads", "1"], 60, tmp_path)


def test_degrading_takes_the_memory_of_a_minute(tmp_path: Path) -> None:
    check(["degrade", "-f", "raw", "--power", "-20"], 5, tmp_path)


def test_repairing_an_hour_takes_the_memory_of_a_minute(tmp_path: Path) -> None:
    check(["restore", "--repair", "clipping,clicks,hum", "-f", "raw"], 60, tmp_path, Spec(4000, 1))
