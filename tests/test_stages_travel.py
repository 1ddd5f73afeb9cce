"""Stages that are copied or sent to other processes do there what they do here."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import joblib
import networks
import numpy as np
import pytest

from stream_restore import Audio, Restoration, Spec, Stage
from stream_restore.models import load
from stream_restore.models.torch_backend import from_torch
from stream_restore.testing import example_signal

SPEC = Spec(44100, 2)
SOUND = example_signal(2, 50_000)
RESTORATIONS = {"one thread": Restoration(), "two threads": Restoration(jobs=2, repairs=("hum", "noise"))}


def stage(backend: str, restoration: Restoration) -> Stage[Any]:
    made = {
        "onnx": lambda: load("compact"),
        "torch": lambda: from_torch(networks.htdemucs(), name="test", threads=1),
    }
    return restoration.stage(SPEC, made[backend]())


def run(stage: Stage[Any], sound: Audio, frames: int) -> Audio:
    """All of the sound in blocks of so many frames."""
    stage.reset()
    starts = range(0, sound.shape[1], frames)
    return np.concatenate([*(stage.process(sound[:, at : at + frames]) for at in starts), stage.flush()], axis=1)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
@pytest.mark.parametrize("name", RESTORATIONS)
def test_copies_and_pickles_are_the_same_stage(backend: str, name: str) -> None:
    made = stage(backend, RESTORATIONS[name])
    expected = run(made, SOUND, SOUND.shape[1])
    for other in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert (run(other, SOUND, 10_007) == expected).all()
    assert (run(made, SOUND, SOUND.shape[1]) == expected).all()


def test_other_processes_run_what_they_are_given() -> None:
    made = stage("onnx", RESTORATIONS["two threads"])
    expected = run(made, SOUND, SOUND.shape[1])
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert (pool.submit(run, made, SOUND, SOUND.shape[1]).result() == expected).all()


def test_joblib_runs_what_it_is_given() -> None:
    made = stage("onnx", RESTORATIONS["one thread"])
    parts: list[Audio] = joblib.Parallel(n_jobs=2)(
        joblib.delayed(run)(made, part, part.shape[1]) for part in np.split(SOUND, 2, axis=1)
    )
    for part, out in zip(np.split(SOUND, 2, axis=1), parts, strict=True):
        assert (out == run(made, part, part.shape[1])).all()
