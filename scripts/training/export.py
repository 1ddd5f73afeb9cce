"""Trained networks as .onnx files with their manifests."""

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from passes import SAMPLE_RATE

from stream_restore.models.container import MANIFEST_KEY, SEAL_KEY, ZEROS, seal
from stream_restore.models.manifest import Manifest, Stft
from stream_restore.models.model import GAINS
from stream_restore.models.onnx_gains import OnnxGains
from stream_restore.models.onnx_session import Session
from stream_restore.restoration.denoise import CELL_COLUMNS, INPUT_COLUMNS
from stream_restore.restoration.noise_floor import BANDS, FEATURES, HOP, SIZE
from stream_restore.restoration.repairs.treble import levels

__all__ = ["COMPACT", "TREBLE", "Form", "export", "write"]


@dataclass(frozen=True)
class Form:
    """What a network is exported as: its manifest, the shape of what it sees of a cell, and what it gives."""

    manifest: Manifest
    seen: tuple[int, ...]
    gives: str


_COLUMN = levels.column_size(SAMPLE_RATE)
_FRAMES = (levels.COLUMNS - 1) * _COLUMN // 4 + _COLUMN
COMPACT = Form(
    Manifest(
        name="compact",
        architecture=GAINS,
        sample_rate=SAMPLE_RATE,
        channels=1,
        stems=("artifacts",),
        segment_frames=CELL_COLUMNS * HOP,
        input_frames=(INPUT_COLUMNS - 1) * HOP + SIZE,
        stft=Stft(SIZE, HOP),
        licence="MIT",
        dry=1.0,
        gains=(-1.0,),
    ),
    (FEATURES, BANDS, INPUT_COLUMNS),
    "gains",
)
TREBLE = Form(
    Manifest(
        name="treble",
        architecture="Continuation",
        sample_rate=SAMPLE_RATE,
        channels=1,
        stems=("treble",),
        segment_frames=_FRAMES,
        input_frames=_FRAMES,
        stft=Stft(_COLUMN, _COLUMN // 4),
        licence="MIT",
        dry=1.0,
        gains=(1.0,),
    ),
    (levels.FEATURES, levels.BANDS, levels.COLUMNS),
    "levels",
)


def export(network: torch.nn.Module, form: Form, path: Path) -> Manifest:
    """Write the network; the manifest says how far ONNX Runtime is from PyTorch."""
    network = network.eval()
    example = torch.randn(1, *form.seen, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            path,
            dynamo=False,
            opset_version=17,
            input_names=["features"],
            output_names=[form.gives],
        )
    proto = onnx.load(path)
    for node in proto.graph.node:
        node.ClearField("doc_string")
    write(proto, form.manifest, path)
    with torch.no_grad():
        expected = network(example)[0].numpy()
    found = OnnxGains(path, Session(path, "CPUExecutionProvider")).gains(example[0].numpy())
    manifest = replace(form.manifest, parity=float(np.abs(found - expected).max()))
    write(proto, manifest, path)
    return manifest


def write(proto: onnx.ModelProto, manifest: Manifest, path: Path) -> None:
    """Write a graph with its manifest, sealed."""
    proto.ClearField("metadata_props")
    for key, value in ((MANIFEST_KEY, manifest.to_json()), (SEAL_KEY, ZEROS.decode())):
        proto.metadata_props.add(key=key, value=value)
    onnx.save(proto, path)
    seal(path)
