"""Models of .onnx files under OpenVINO: in float32, or faster in bfloat16 where the CPU computes in it."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino

from ..errors import ModelError
from ..spec import Audio
from .container import read_manifest
from .model import GAINS, Model, Stems
from .onnx_backend import OnnxBackend, model_of
from .onnx_session import Session
from .openvino_session import OpenVinoSession, Precision
from .probe import music_like

__all__ = ["SDR_WANTED", "from_openvino"]

SDR_WANTED = 40.0
"""In dB: stems in bfloat16 that are less near to those in float32 come with a warning."""


def from_openvino(
    path: Path, *, precision: Precision = "f32", threads: int | None = None, segment: float | None = None
) -> Model:
    """Load a model from an .onnx file into OpenVINO, on the CPU.

    Args:
        path: the file.
        precision: of the arithmetic. Stems in "bf16" are compared with those of ONNX Runtime on one segment of sound;
            if they are not near, the model has a note that says so.
        threads: per operation; None: one per core.
        segment: as for `onnx_backend.OnnxBackend`.

    Raises:
        ModelError: if the CPU does not compute in this precision; if bf16 is asked for a network of gains; as
            `onnx_backend.OnnxBackend`.
    """
    threads = threads or len(os.sched_getaffinity(0))
    runtime = {"openvino": openvino.__version__, "precision": precision, "threads": str(threads)}
    if precision == "bf16" and read_manifest(path).architecture == GAINS:
        raise ModelError(
            f"{path.stem} does not run in bf16, whose rounding would change recordings that have no noise: "
            "use --precision f32"
        )
    model = model_of(path, lambda: OpenVinoSession(path, precision, threads), runtime, segment)
    if precision == "f32":
        return model
    sound = music_like(model.manifest)
    sdr = _sdr_db(_in_float32(path, threads, sound), model.members[0].backend.separate(sound))
    if sdr >= SDR_WANTED:
        return model
    note = f"{model.manifest.name} in bf16 comes within {sdr:.0f} dB SDR of float32; --precision f32 is exact"
    return replace(model, notes=(note,))


def _in_float32(path: Path, threads: int, sound: Audio) -> Stems:
    return OnnxBackend(path, Session(path, "CPUExecutionProvider", threads)).separate(sound)


def _sdr_db(expected: Stems, found: Stems) -> float:
    error = np.square(found.astype(np.float64) - expected).sum()
    return float(10 * np.log10(np.square(expected, dtype=np.float64).sum() / max(error, 1e-300)))
