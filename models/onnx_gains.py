"""A network of gains of an .onnx file: features of a spectrogram in, one gain per band and column out."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from .container import read_manifest
from .onnx_session import Runtime

__all__ = ["OnnxGains"]


class OnnxGains:
    """A `model.GainNetwork` under a runtime for .onnx files.

    Args:
        path: a file that `container.read_manifest` accepts.
        session: the file as a runtime has loaded it.

    Raises:
        ModelError: if the file is damaged or contradicts its manifest.
    """

    def __init__(self, path: Path, session: Runtime) -> None:
        self.manifest = read_manifest(path)
        self._session = session
        inputs, outputs = self._session.inputs, self._session.outputs
        if len(inputs) != 1 or len(outputs) != 1 or len(inputs[0].shape) != 4 or len(outputs[0].shape) != 3:
            raise ModelError(f"{path}: a network of gains has one input of four axes and one output of three")
        self._name, self._shape = inputs[0].name, tuple(inputs[0].shape[1:])

    def gains(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Gains, 0 to 1, shape (bands, columns), for features of shape (features, bands, columns).

        Raises:
            ModelError: if the shape is wrong; if the runtime fails.
        """
        if features.shape != self._shape:
            raise ModelError(
                f"model {self.manifest.name!r} takes features of shape {self._shape}, got {features.shape}"
            )
        try:
            outputs = self._session.run({self._name: features[None]})
        except Exception as error:  # runtimes raise their own classes
            raise ModelError(f"{self._session.name} failed on model {self.manifest.name!r}: {error}") from error
        return np.asarray(outputs[0][0], np.float32)
