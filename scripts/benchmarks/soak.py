"""Hours of sound through a pipe with the cheapest network: what a process holds while they pass."""

import argparse
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO

import numpy as np
import onnx
from onnx import TensorProto, helper

from stream_restore.models.container import MANIFEST_KEY, SEAL_KEY, ZEROS, seal
from stream_restore.models.manifest import Manifest

from . import child
from .table import table

__all__ = ["Kind", "measure", "write_network"]

HOUR_SECONDS = 3600
SEGMENT_SECONDS = 7.8
SAMPLE_BYTES = 2
PIECE = 1 << 20


@dataclass(frozen=True)
class Kind:
    """What flows: 16-bit samples of this rate and number of channels."""

    rate: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * SAMPLE_BYTES

    @property
    def bytes_an_hour(self) -> int:
        return HOUR_SECONDS * self.rate * self.frame_bytes

    def second(self) -> bytes:
        """A second of noise at -20 dBFS."""
        noise = np.random.default_rng(0).normal(0, 3277, self.rate * self.channels)
        return noise.astype("<i2").tobytes()


def measure(options: argparse.Namespace, folder: Path) -> str:
    """A table with one row per hour of sound."""
    kind = Kind(options.rate, options.channels)
    network = write_network(folder / "identity.onnx", kind)
    words = ["restore", "-", "-n", network, "--threads", 1, "-o", "-", "-f", "raw"]
    command = [
        str(word) for word in [child.BIN / "stream-restore", *words, "--raw", f"s16le:{kind.rate}:{kind.channels}"]
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    feeder = Thread(target=_feed, args=(process.stdin, options.hours * HOUR_SECONDS, kind.second()))
    feeder.start()
    rows = _watch(process.stdout, process.pid, kind)
    feeder.join()
    if process.wait():
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    head = ["hours out", "frames out", "took", "resident", "peak", "open files"]
    frames = options.hours * HOUR_SECONDS * kind.rate
    said = f"{options.hours} h of {kind.rate} Hz, {kind.channels} channels: {frames} frames in"
    return f"{said}; the network gives back what it hears.\n\n" + table(head, rows)


def write_network(path: Path, kind: Kind) -> Path:
    """A sealed model on the grid of htdemucs whose one stem is what it hears."""
    frames = int(SEGMENT_SECONDS * kind.rate)
    shape = [1, kind.channels, frames]
    graph = helper.make_graph(
        [helper.make_node("Unsqueeze", ["mix", "axis"], ["waves"])],
        "identity",
        [helper.make_tensor_value_info("mix", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("waves", TensorProto.FLOAT, [1, *shape])],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    manifest = Manifest("identity", "none", kind.rate, kind.channels, ("all",), frames, frames)
    helper.set_model_props(model, {MANIFEST_KEY: manifest.to_json(), SEAL_KEY: ZEROS.decode()})
    onnx.save(model, path)
    seal(path)
    return path


def _feed(pipe: IO[bytes], seconds: int, second: bytes) -> None:
    with pipe:
        for _ in range(seconds):
            pipe.write(second)


def _watch(pipe: IO[bytes], process: int, kind: Kind) -> list[list[str]]:
    """Read to the end; a row at every hour of sound that came out, and one for what came behind the last."""
    rows, count, began, held = [], 0, time.monotonic(), ["", "", ""]
    while piece := pipe.read(PIECE):
        hours, count = count // kind.bytes_an_hour, count + len(piece)
        held = _held(process) or held
        if count // kind.bytes_an_hour > hours or len(piece) < PIECE:
            took = f"{time.monotonic() - began:.0f} s"
            rows.append([f"{count / kind.bytes_an_hour:.3f}", str(count // kind.frame_bytes), took, *held])
    return rows


def _held(process: int) -> list[str] | None:
    """Resident memory now and at its highest, and the number of open files, as Linux tells them; None at the end."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    if "VmRSS" not in status:  # it has ended, and waits to be asked how
        return None
    memory = [f"{int(status[name].split()[0]) * 1024 / 1e6:.1f} MB" for name in ("VmRSS", "VmHWM")]
    return [*memory, str(len(list(Path(f"/proc/{process}/fd").iterdir())))]
