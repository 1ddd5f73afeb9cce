"""Networks of .onnx files run by OpenVINO, in float32 or bfloat16, on the CPU."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import openvino
from numpy.typing import NDArray

from ..errors import ModelError

__all__ = ["OpenVinoSession", "Precision"]

Precision: TypeAlias = Literal["f32", "bf16"]


@dataclass(frozen=True)
class _Node:
    """An input or output, described as by ONNX Runtime; an axis of any length is "?"."""

    name: str
    type: str
    shape: list[int | str]


class OpenVinoSession:
    """A graph compiled by OpenVINO, with the methods of `onnx_session.Session`.

    Copying or unpickling loads the file again.

    Args:
        path: the graph.
        precision: of the arithmetic; inputs and outputs are float32.
        threads: per operation.

    Raises:
        ModelError: if the CPU has no arithmetic of this precision; if OpenVINO cannot run the file.
    """

    name = "OpenVINO"

    def __init__(self, path: Path, precision: Precision, threads: int) -> None:
        self._made_with = (path, precision, threads)
        core = openvino.Core()
        able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and "BF16" not in able:
            raise ModelError(
                "bf16 needs a CPU with AVX512-BF16 or AMX instructions, which this one has not: use --precision f32"
            )
        try:
            self._compiled = core.compile_model(str(path), "CPU", _options(precision, threads))
        except Exception as error:  # OpenVINO raises RuntimeError and classes of its own
            raise ModelError(f"OpenVINO cannot run {path}: {_last_line(error)}") from error
        self.inputs = [_node(each) for each in self._compiled.inputs]
        self.outputs = [_node(each) for each in self._compiled.outputs]

    def __reduce__(self) -> tuple[type["OpenVinoSession"], tuple[Path, Precision, int]]:
        return OpenVinoSession, self._made_with

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The graph's outputs, in graph order, for inputs by name. Thread-safe: one call computes at a time."""
        request = self._compiled.create_infer_request()
        request.infer(dict(inputs), share_inputs=True, share_outputs=True)
        return [np.array(request.get_output_tensor(number).data) for number in range(len(self.outputs))]


def _options(precision: Precision, threads: int) -> dict[str, Any]:
    """One stream, so that calls side by side share one set of activations."""
    return {
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision,
        "EXECUTION_MODE_HINT": "ACCURACY" if precision == "f32" else "PERFORMANCE",
    }


def _node(port: Any) -> _Node:
    kind = {"f32": "float", "f64": "double"}.get(port.element_type.get_type_name(), port.element_type.get_type_name())
    shape = ["?" if axis.is_dynamic else axis.get_length() for axis in port.partial_shape]
    return _Node(port.any_name, f"tensor({kind})", shape)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
