"""The cheapest real network: one .onnx file with one node, and the command that runs it, as a process."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from stream_restore.models.container import MANIFEST_KEY, SEAL_KEY, ZEROS, seal
from stream_restore.models.manifest import Manifest

__all__ = ["COMMAND", "EAGER", "NOTHING", "limited", "one_node", "run"]

COMMAND = [sys.executable, "-m", "stream_restore.cli"]
EAGER = [
    sys.executable,
    "-c",
    "import sys; from stream_restore.passes import journal; journal.EVERY_SECONDS = journal.SHARE = 0;"
    " from stream_restore.cli.main import main; sys.exit(main())",
]
"""The command with a checkpoint after every block, so that a short recording has many."""
NOTHING = ["--cutoff", "none", "--rate", "none", "--bits", "none", "--snr", "none"]
"""The options of `degrade` that leave every step out."""


def one_node(
    path: Path, operator: str = "Identity", *, rate: int = 16000, channels: int = 1, frames: int = 8000
) -> Path:
    """A sealed model whose one stem is `operator` of what it hears, in segments of `frames`."""
    shape, float32 = [1, channels, frames], TensorProto.FLOAT
    nodes = [helper.make_node(operator, ["mix"], ["heard"]), helper.make_node("Unsqueeze", ["heard", "axis"], ["out"])]
    graph = helper.make_graph(
        nodes,
        operator,
        [helper.make_tensor_value_info("mix", float32, shape)],
        [helper.make_tensor_value_info("out", float32, [1, 1, channels, frames])],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    manifest = Manifest(operator, "none", rate, channels, ("all",), frames, frames)
    helper.set_model_props(model, {MANIFEST_KEY: manifest.to_json(), SEAL_KEY: ZEROS.decode()})
    onnx.save(model, path)
    seal(path)
    return path


def limited(command: list[str], kilobytes: int) -> list[str]:
    """A command that can write no file beyond this size: what a full disk is where nothing can be mounted."""
    return ["bash", "-c", f'ulimit -f {kilobytes}; exec "$@"', "-", *command]


def run(*arguments: object, code: int = 0, command: list[str] = COMMAND, **options: Any) -> str:
    """Run the command, which must end with `code` and without a traceback; what it said on stderr."""
    words = [*command, *map(str, arguments)]
    done = subprocess.run(words, stderr=subprocess.PIPE, timeout=120, check=False, **options)
    said: str = done.stderr.decode()
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert "Exception ignored" not in said
    return said
