"""Stems against `demucs.apply.apply_model(shifts=0)` at the official sizes, through PyTorch and ONNX Runtime.

Beside them stands how far that is from the same in float64: no two ways of computing in float32 agree better.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from demucs.apply import apply_model
from music import compose
from numpy.typing import NDArray
from passes import SAMPLE_RATE

from stream_restore.models import Model, load
from stream_restore.models.export import export_model
from stream_restore.models.torch_backend import from_torch
from stream_restore.restoration.separate import Separate
from stream_restore.spec import Audio, Spec

from . import child
from .networks import OFFICIAL, millions, official
from .sound import write_music
from .table import table

__all__ = ["SIZES", "measure"]

SIZES = tuple(OFFICIAL)
BLOCK = 100_000


def measure(options: argparse.Namespace, folder: Path) -> str:
    """A table with one row per architecture."""
    chosen = [options.only] if options.only else SIZES
    rows = [_row(architecture, options.seconds, folder) for architecture in chosen]
    head = ["architecture", "parameters", "PyTorch", "ONNX", "demucs in float64", "restore with ONNX, peak memory"]
    return (
        f"Largest difference to demucs.apply.apply_model(shifts=0) over its peak, {options.seconds:g} s.\n\n"
        + table(head, rows)
    )


def _row(architecture: str, seconds: float, folder: Path) -> list[str]:
    network, sound = official(architecture), compose(seconds, SAMPLE_RATE, seed=1)
    expected = _demucs(network, torch.tensor(sound))
    in_torch = _difference(_stems(from_torch(network, name=architecture), sound), expected)
    file = folder / f"{architecture}.onnx"
    export_model(network, file, name=architecture)
    in_onnx = _difference(_stems(load(str(file)), sound), expected)
    rounding = _difference(_demucs(network.double(), torch.tensor(sound).double()), expected)
    restored = child.run(
        child.BIN / "stream-restore", "restore", write_music(folder / f"{architecture}.wav", seconds), "-n", file
    )
    figures = [f"{figure:.1e}" for figure in (in_torch, in_onnx, rounding)]
    row = [architecture, f"{millions(network):.1f} M", *figures, f"{restored.megabytes:.0f} MB"]
    print(*row, file=sys.stderr, flush=True)
    return row


def _demucs(network: Any, sound: torch.Tensor) -> NDArray[np.floating[Any]]:
    """What demucs itself makes of it, shape (stems, channels, frames), in the network's own precision."""
    with torch.no_grad():
        return np.asarray(apply_model(network, sound[None], shifts=0)[0].numpy())


def _stems(model: Model, sound: Audio) -> NDArray[np.float32]:
    """Streamed in blocks, shape (stems, channels, frames)."""
    stage = Separate(Spec(SAMPLE_RATE, len(sound)), model)
    blocks = [stage.process(sound[:, at : at + BLOCK]) for at in range(0, sound.shape[1], BLOCK)]
    out = np.concatenate([*blocks, stage.flush()], axis=1)
    return out.reshape(len(model.manifest.stems), len(sound), -1)


def _difference(found: NDArray[np.floating[Any]], expected: NDArray[np.floating[Any]]) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())
