"""The network of the repair `treble` as one .onnx file with its manifest."""

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch
from passes import SAMPLE_RATE

from stream_restore.models.manifest import Manifest, Stft
from stream_restore.models.onnx_gains import OnnxGains
from stream_restore.models.onnx_session import Session
from stream_restore.restoration.repairs.treble.levels import BANDS, COLUMNS, FEATURES, column_size

from .export import write
from .treble_network import Continuation

__all__ = ["export"]

SIZE = column_size(SAMPLE_RATE)
FRAMES = (COLUMNS - 1) * SIZE // 4 + SIZE
MANIFEST = Manifest(
    name="treble",
    architecture="Continuation",
    sample_rate=SAMPLE_RATE,
    channels=1,
    stems=("treble",),
    segment_frames=FRAMES,
    input_frames=FRAMES,
    stft=Stft(SIZE, SIZE // 4),
    licence="MIT",
    dry=1.0,
    gains=(1.0,),
)


def export(network: Continuation, path: Path) -> Manifest:
    """Write the network; the manifest says how far ONNX Runtime is from PyTorch."""
    network = network.eval()
    example = torch.randn(1, FEATURES, BANDS, COLUMNS, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (example,),
            path,
            dynamo=False,
            opset_version=17,
            input_names=["features"],
            output_names=["levels"],
        )
    proto = onnx.load(path)
    for node in proto.graph.node:
        node.ClearField("doc_string")
    write(proto, MANIFEST, path)
    with torch.no_grad():
        expected = network(example)[0].numpy()
    found = OnnxGains(path, Session(path, "CPUExecutionProvider")).gains(example[0].numpy())
    manifest = replace(MANIFEST, parity=float(np.abs(found - expected).max()))
    write(proto, manifest, path)
    return manifest
