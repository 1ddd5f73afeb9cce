"""What every test starts from."""

import os
from pathlib import Path

import pytest

# One thread an operation: tests run beside each other, and small networks gain nothing from more.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .onnx file of the embedded network's kind, small, with random weights and segments of a second."""
    import networks

    from stream_restore.models.export import export_model

    path = tmp_path_factory.mktemp("models") / "small.onnx"
    export_model(networks.restorer(), path, name="small")
    return path
