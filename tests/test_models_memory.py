"""A network takes the memory that its tensors need."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from test_models_sealed_onnx import write

from stream_restore.models import Manifest

FRAMES = 1 << 18
REPEATS = (4, 5, 6, 7, 8, 9, 10, 11, 12)
"""Sizes of tensors, in units of the input's 2 MiB: on the way down, and the same on the way up."""
RUN = r"""
import re
import sys
from pathlib import Path
import numpy as np
from stream_restore.models import load

def peak():  # kB; resource.getrusage would count what the parent held
    return int(re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[0])

backend = load(sys.argv[1], backend=sys.argv[2], threads=1).members[0].backend
segment = np.ones((2, backend.segment_frames), np.float32)
before = peak()
for _ in range(2):
    stems = backend.separate(segment)
print(peak() - before, float(stems[0, 0, 0]))
"""


def as_an_encoder_and_its_decoder(path: Path) -> Path:
    """Each tensor is dead once it is summed; each size comes twice, as those of layers that mirror each other."""
    nodes, constants, total = [], [], "mix"
    constants.append(numpy_helper.from_array(np.array([3], np.int64), "axis"))
    constants.append(numpy_helper.from_array(np.array([1], np.int64), "stem"))
    for number, repeats in enumerate((*REPEATS, *reversed(REPEATS))):
        constants.append(numpy_helper.from_array(np.array([1, 1, 1, repeats], np.int64), f"repeats{number}"))
        nodes += [
            helper.make_node("Unsqueeze", [total, "axis"], [f"column{number}"]),
            helper.make_node("Tile", [f"column{number}", f"repeats{number}"], [f"wide{number}"]),
            helper.make_node("ReduceMean", [f"wide{number}", "axis"], [f"mean{number}"], keepdims=0),
        ]
        total = f"mean{number}"
    nodes.append(helper.make_node("Unsqueeze", [total, "stem"], ["waves"]))
    graph = helper.make_graph(
        nodes,
        "mirror",
        [helper.make_tensor_value_info("mix", TensorProto.FLOAT, (1, 2, FRAMES))],
        [helper.make_tensor_value_info("waves", TensorProto.FLOAT, (1, 1, 2, FRAMES))],
        constants,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(proto)
    return write(path, proto, Manifest("mirror", "Mean", 44100, 2, ("all",), FRAMES, FRAMES).to_json())


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_a_buffer_is_free_when_its_tensor_is_dead(tmp_path: Path, backend: str) -> None:
    path = as_an_encoder_and_its_decoder(tmp_path / "a.onnx")
    done = subprocess.run([sys.executable, "-c", RUN, path, backend], capture_output=True, text=True, check=True)
    kilobytes, value = done.stdout.split()
    largest, together = 2048 * max(REPEATS), 2048 * sum(REPEATS)
    assert float(value) == 1
    assert largest <= int(kilobytes) <= together
