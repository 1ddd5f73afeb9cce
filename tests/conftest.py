"""What every test starts from."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

# One thread an operation: tests run beside each other, and small networks gain nothing from more.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


# A job in the background of a shell starts with interrupts ignored, and hands that on to the commands under test.
signal.signal(signal.SIGINT, signal.default_int_handler)

FOREIGN = ("ffmpeg", "ffprobe", "fluidsynth", "sox", "soxi")
"""Programs that tests compare with. `scripts/test` cannot install them, `.ci/run` does."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    with _skip_without_foreign():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    with _skip_without_foreign():
        yield


@contextmanager
def _skip_without_foreign() -> Iterator[None]:
    """Skip a test for want of such a program, but never where CI should have installed it."""
    try:
        yield
    except FileNotFoundError as error:
        if error.filename in FOREIGN and not os.environ.get("CI"):
            pytest.skip(f"{error.filename} is not installed")
        raise


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """More than a megabyte of sound: half a minute at 16 kHz, one channel, 16 bits."""
    from audio_helpers import tape

    return tape(tmp_path_factory.mktemp("recordings") / "in.wav", 1, 600_000, 16000)


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real network for such sound, as an .onnx file; it gives what it hears."""
    from cheap import one_node

    return one_node(tmp_path_factory.mktemp("model") / "identity.onnx")


@pytest.fixture(scope="session")
def long_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds of stereo at 44.1 kHz, 24 bits."""
    from audio_helpers import tape

    return tape(tmp_path_factory.mktemp("recordings") / "in.wav", 2, 1_000_000, 44100, "PCM_24")


@pytest.fixture(scope="session")
def stereo_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as `network`, for two channels."""
    from cheap import one_node

    return one_node(tmp_path_factory.mktemp("model") / "identity.onnx", channels=2)


@pytest.fixture
def every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints after every block, so that a short recording has many."""
    from stream_restore.passes import journal

    monkeypatch.setattr(journal, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(journal, "SHARE", 0)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .onnx file of the embedded network's kind, small, with random weights and segments of a second."""
    import networks

    from stream_restore.models.export import export_model

    path = tmp_path_factory.mktemp("models") / "small.onnx"
    export_model(networks.restorer(), path, name="small")
    return path


@pytest.fixture(scope="session")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An evaluation of half a minute of stereo at 8 kHz, and what it leaves when nobody disturbs it."""
    import soundfile
    from stopped_evaluations import Evaluation

    from stream_restore.testing import example_signal

    clip = tmp_path_factory.mktemp("clip") / "clip.wav"
    soundfile.write(clip, 0.5 * example_signal(2, 250_000).T, 8000, subtype="FLOAT")
    return Evaluation(clip).undisturbed(tmp_path_factory.mktemp("undisturbed"))
