"""ONNX Runtime sessions with a fixed provider, low memory use and deterministic results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import onnxruntime
from numpy.typing import NDArray

from ..errors import ModelError

__all__ = ["Runtime", "Session"]


class Runtime(Protocol):
    """A graph that is loaded; `inputs` and `outputs` have `name`, `type` and `shape` as in ONNX Runtime."""

    name: str
    inputs: list[Any]
    outputs: list[Any]

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The graph's outputs, in graph order, for inputs by name. Thread-safe."""
        ...


class Session:
    """An `onnxruntime.InferenceSession` that runs on the given provider only.

    Copying or unpickling loads the file again.

    Args:
        path: the graph.
        provider: an execution provider of ONNX Runtime.
        threads: per operation; None: ONNX Runtime's default, one per core.

    Raises:
        ModelError: if the provider is absent or does not start; if ONNX Runtime cannot run the file.
    """

    name = "ONNX Runtime"

    def __init__(self, path: Path, provider: str, threads: int | None = None) -> None:
        self._made_with = (path, provider, threads)
        there = onnxruntime.get_available_providers()
        if provider not in there:
            raise ModelError(f"ONNX Runtime has no provider {provider!r} here; it has: {', '.join(there)}")
        try:
            self._session = onnxruntime.InferenceSession(str(path), _options(threads), providers=[provider])
        except Exception as error:  # ONNX Runtime raises its own classes
            raise ModelError(f"ONNX Runtime cannot run {path}: {error}") from error
        if self._session.get_providers()[0] != provider:  # its libraries did not load: ONNX Runtime falls back
            raise ModelError(f"ONNX Runtime's provider {provider!r} does not start here; choose another")
        self.inputs: list[Any] = self._session.get_inputs()
        self.outputs: list[Any] = self._session.get_outputs()

    def __reduce__(self) -> tuple[type["Session"], tuple[Path, str, int | None]]:
        return Session, self._made_with

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """The graph's outputs, in graph order, for inputs by name. Thread-safe."""
        return list(self._session.run(None, dict(inputs)))


def _options(threads: int | None) -> Any:
    """Options that keep memory near what the tensors need (the default takes seven times as much for HTDemucs).

    Reuse plans one buffer for tensors of one size, and holds it from the first to the last of them: those of an encoder
    until the decoder, which has the same sizes. Without it a buffer is free when its tensor is dead.
    ONNX Runtime's memory pattern reserves one block for a whole run, beside the arena that the first run filled.
    Spinning threads take cores from other work, as from the reader of the next segment. The optimised graph and its
    kernels do not depend on either.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only; they are raised as well
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.enable_mem_reuse = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
