"""What cannot go on as it began is refused, and the message says what changed or was damaged."""

import json
import os
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import networks
import numpy as np
import onnxruntime
import pytest
import soundfile
from audio_helpers import tape
from folders import files
from identity import identity
from stopping import StoppedError, restore, stop_after

from stream_restore import api
from stream_restore.degradation import Degradation
from stream_restore.errors import ConfigError, SinkError, SourceError
from stream_restore.models import Model, load
from stream_restore.models.torch_backend import from_torch

pytestmark = pytest.mark.usefixtures("every_block")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return tape(tmp_path / "in.wav", 2, 400_000, 1600, "PCM_24")


def stopped(recording: Path, folder: Path) -> None:
    with pytest.raises(StoppedError):
        restore(recording, folder, progress=stop_after(100_000))


# What changed


def test_what_changed_is_named(recording: Path, tmp_path: Path) -> None:
    stopped(recording, tmp_path / "out")
    before = files(tmp_path / "out")
    with pytest.raises(ConfigError, match=r"work\.model\.gains"):
        restore(recording, tmp_path / "out", model=identity(gain=0.5), resume=True)
    with pytest.raises(ConfigError, match=r"stored\.encoding \(was s16, is f32\)"):
        restore(recording, tmp_path / "out", encoding="f32", resume=True)
    time.sleep(0.01)
    recording.touch()
    with pytest.raises(ConfigError, match=r"input\.modified"):
        restore(recording, tmp_path / "out", resume=True)
    assert files(tmp_path / "out") == before


def stopped_with(model: Model, recording: Path, out: Path) -> Callable[[Model], object]:
    """A run of one model that was stopped, and how to go on with it."""
    with pytest.raises(StoppedError):
        api.restore(recording, out, model=model, progress=stop_after(200_000))
    return lambda other: api.restore(recording, out, model=other, resume=True)


def test_other_threads_and_another_provider_are_named(
    stereo_network: Path, long_recording: Path, tmp_path: Path
) -> None:
    go_on = stopped_with(load(str(stereo_network), threads=1), long_recording, tmp_path / "out.wav")
    with pytest.raises(ConfigError, match=r"since work\.runtime\.threads \(was 1, is 2\) changed"):
        go_on(load(str(stereo_network), threads=2))
    with pytest.raises(
        ConfigError, match=r"since work\.runtime\.threads \(was 1, is one per core of \d+ CPUs\) changed"
    ):
        go_on(load(str(stereo_network)))
    others = set(onnxruntime.get_available_providers()) - {"CPUExecutionProvider"}
    for other in others & {"AzureExecutionProvider"}:  # it is in every build, and computes on the CPU
        with pytest.raises(ConfigError, match=rf"work\.runtime\.provider \(was CPUExecutionProvider, is {other}\)"):
            go_on(load(str(stereo_network), threads=1, provider=other))
    with pytest.raises(
        ConfigError, match=r"work\.runtime\.openvino \(was None, is .*work\.runtime\.precision \(was None"
    ):
        go_on(load(str(stereo_network), threads=1, backend="openvino"))
    go_on(load(str(stereo_network), threads=1))
    api.restore(long_recording, tmp_path / "whole.wav", model=load(str(stereo_network), threads=1))
    assert (tmp_path / "out.wav").read_bytes() == (tmp_path / "whole.wav").read_bytes()


def test_another_backend_and_other_threads_of_it_are_named(
    small_model: Path, long_recording: Path, tmp_path: Path
) -> None:
    torch = partial(from_torch, networks.restorer(), name="small")
    go_on = stopped_with(torch(threads=1), long_recording, tmp_path / "out.wav")
    with pytest.raises(ConfigError, match=r"since work\.runtime\.threads \(was 1, is 2\) changed"):
        go_on(torch(threads=2))
    with pytest.raises(ConfigError, match=r"work\.runtime\.onnxruntime \(was None, is .*work\.runtime\.torch \(was \d"):
        go_on(load(str(small_model), threads=1))
    assert torch(device="cpu").runtime["device"] == "cpu"


@pytest.mark.parametrize("package", ["stream_restore", "numpy", "scipy", "soxr", "soundfile", "av"])
def test_another_version_of_a_library_is_named(package: str, recording: Path, tmp_path: Path) -> None:
    """The journal of a run that was stopped before the library was replaced."""
    stopped(recording, tmp_path / "out")
    path = tmp_path / "out/out.wav.journal"
    with np.load(path) as archive:
        arrays = dict(archive)
    about = json.loads(str(arrays["about"]))
    now, about["facts"]["versions"][package] = about["facts"]["versions"][package], "0.0.1"
    with path.open("wb") as file:
        np.savez(file, **arrays | {"about": np.array(json.dumps(about))})
    with pytest.raises(ConfigError, match=rf"since versions\.{package} \(was 0\.0\.1, is {re.escape(now)}\) changed"):
        restore(recording, tmp_path / "out", resume=True)


# What was damaged, or was never to be continued


def test_the_remains_of_a_run_are_not_overwritten_unasked(recording: Path, tmp_path: Path) -> None:
    stopped(recording, tmp_path / "out")
    with pytest.raises(SinkError, match="--resume"):
        restore(recording, tmp_path / "out")
    restore(recording, tmp_path / "out", force=True)
    restore(recording, tmp_path / "whole")
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_damaged_journal_is_named(damage: bytes | None, recording: Path, tmp_path: Path) -> None:
    stopped(recording, tmp_path / "out")
    path = tmp_path / "out/out.wav.journal"
    path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    with pytest.raises(ConfigError, match=r"out\.wav\.journal: is damaged"):
        restore(recording, tmp_path / "out", resume=True)


def test_a_journal_cannot_carry_code(recording: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "executed"),)

    stopped(recording, tmp_path / "out")
    with (tmp_path / "out/out.wav.journal").open("wb") as file:
        np.savez(file, about=np.array(Evil(), dtype=object))
    with pytest.raises(ConfigError, match="damaged"):
        restore(recording, tmp_path / "out", resume=True)
    assert not (tmp_path / "executed").exists()


def test_an_output_shorter_than_its_journal_says_is_refused(recording: Path, tmp_path: Path) -> None:
    stopped(recording, tmp_path / "out")
    os.truncate(tmp_path / "out/out.wav.part", 1000)
    with pytest.raises(SinkError, match="shorter"):
        restore(recording, tmp_path / "out", resume=True)


def test_an_input_that_became_shorter_is_refused(recording: Path, tmp_path: Path) -> None:
    stopped(recording, tmp_path / "out")
    found = recording.stat()
    soundfile.write(recording, np.zeros((10, 2)), 1600, subtype="PCM_24")
    os.truncate(recording, found.st_size)
    os.utime(recording, ns=(found.st_atime_ns, found.st_mtime_ns))
    with pytest.raises(SourceError, match="an earlier run read"):
        restore(recording, tmp_path / "out", resume=True)


def test_a_pipe_cannot_be_continued(recording: Path, tmp_path: Path) -> None:
    with recording.open("rb") as pipe, pytest.raises(ConfigError, match="pipe"):
        api.degrade(pipe, tmp_path / "o.wav", power=1.0, degradation=Degradation(cutoff_hz=None), resume=True)
    assert not list(tmp_path.glob("o.*"))


def test_two_outputs_of_one_name_are_refused(recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one file"):
        api.restore(recording, tmp_path / "o.wav", model=identity(), residual=tmp_path / "o.wav")
    with pytest.raises(ConfigError, match="one file: -, -"):
        api.restore(recording, "-", model=identity(), residual="-")
