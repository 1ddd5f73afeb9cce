"""What the overlap of segments is worth: SDR of the stems to those of a dense overlap, beside what each costs."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from music import compose
from numpy.typing import NDArray

from stream_restore.models import Model, load
from stream_restore.models.torch_backend import from_torch
from stream_restore.restoration.separate import Separate
from stream_restore.spec import Spec

from .networks import official
from .table import table

__all__ = ["measure"]

DENSE: dict[str, float] = {"overlap": 0.75}
SETTINGS: list[dict[str, float]] = [
    {"overlap": 0.5},
    {"overlap": 0.25},
    {"overlap": 0.1},
    {"overlap": 0.0},
    {"overlap": 0.0, "context_seconds": 0.4},
    {"overlap": 0.1, "context_seconds": 0.4},
    {"overlap": 0.0, "context_seconds": 1.0},
]


def measure(options: argparse.Namespace, folder: Path) -> str:
    """A table with one row per setting; cost is relative to the default overlap, 0.25."""
    model = load(options.name) if options.name else from_torch(official("HTDemucs"), name="htdemucs size")
    sound = compose(options.seconds, model.manifest.sample_rate, seed=1)
    dense, _ = _stems(model, sound, DENSE)
    found = [_stems(model, sound, setting) for setting in SETTINGS]
    usual = found[1][1]
    rows = [
        [_words(setting), f"{cost / usual:.2f}", *_sdrs(dense, stems)]
        for setting, (stems, cost) in zip(SETTINGS, found, strict=True)
    ]
    head = ["setting", "CPU time", "SDR of stems, mean", "of the worst second", "SDR of their sum"]
    return f"{model.manifest.name}, {options.seconds:g} s; SDR to overlap 0.75.\n\n" + table(head, rows)


def _words(setting: dict[str, float]) -> str:
    return ", ".join(f"--{name.removesuffix('_seconds')} {value:g}" for name, value in setting.items())


def _stems(model: Model, sound: NDArray[np.float32], setting: dict[str, Any]) -> tuple[NDArray[np.float32], float]:
    """Shape (stems, channels, frames), and the CPU seconds that they took."""
    start = time.process_time()
    stage = Separate(Spec(model.manifest.sample_rate, len(sound)), model, **setting)
    out = np.concatenate([stage.process(sound), stage.flush()], axis=1)
    seconds = time.process_time() - start
    print(f"{_words(setting)}: {seconds:.0f} s of CPU time", file=sys.stderr, flush=True)
    return out.reshape(len(model.manifest.stems), *sound.shape), seconds


def _sdrs(dense: NDArray[np.float32], found: NDArray[np.float32]) -> list[str]:
    second = dense.shape[-1] // max(1, dense.shape[-1] // 44100)
    worst = min(
        _sdr_db(dense[..., at : at + second], found[..., at : at + second])
        for at in range(0, dense.shape[-1] - second + 1, second)
    )
    stems = np.mean([_sdr_db(one, other) for one, other in zip(dense, found, strict=True)])
    return [f"{figure:.1f} dB" for figure in (float(stems), worst, _sdr_db(dense.sum(0), found.sum(0)))]


def _sdr_db(expected: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    error = np.square(expected - found, dtype=np.float64).sum()
    return float(10 * np.log10(np.square(expected, dtype=np.float64).sum() / max(float(error), 1e-30)))
