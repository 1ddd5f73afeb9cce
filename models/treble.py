"""The embedded network of the repair `treble`: levels of what lies above a cut-off, from those below."""

import hashlib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .extras import optional

__all__ = ["TrebleLevels", "treble_facts", "treble_levels"]

_FILE, _PURPOSE = "treble.onnx", "the repair treble"


class TrebleLevels:
    """The network under ONNX Runtime, loaded when it is first used."""

    def __call__(self, known: NDArray[np.float32]) -> NDArray[np.float32]:
        """Levels of all bands and columns, for features of them, see `restoration.repairs.treble.levels`.

        Raises:
            ModelError: if ONNX Runtime or the file is missing; if the file is damaged; if the shape is wrong.
        """
        levels: NDArray[np.float32] = _network().gains(known)
        return levels


def treble_levels() -> TrebleLevels:
    """The network; nothing is loaded yet."""
    return TrebleLevels()


def treble_facts() -> dict[str, Any]:
    """What the output of the network depends on, as JSON values.

    Raises:
        ModelError: if ONNX Runtime or the file is missing.
    """
    runtime: Any = optional("onnxruntime", "onnxruntime", _PURPOSE)
    return {"weights": hashlib.sha256(_path().read_bytes()).hexdigest(), "onnxruntime": runtime.__version__}


@cache
def _network() -> Any:
    gains: Any = optional(".onnx_gains", "onnxruntime", _PURPOSE)
    sessions: Any = optional(".onnx_session", "onnxruntime", _PURPOSE)
    # One thread: the same bits on any number of cores.
    return gains.OnnxGains(_path(), sessions.Session(_path(), "CPUExecutionProvider", 1))


def _path() -> Path:
    path = Path(str(resources.files(__package__) / _FILE))
    if not path.is_file():
        raise ModelError(f"this build carries no network for the repair treble ({path}); leave the repair out")
    return path
