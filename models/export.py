"""Export of Demucs networks to one sealed .onnx file, checked against PyTorch before it is moved into place."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import onnx
import torch
from demucs.apply import BagOfModels

from ..errors import ModelError
from ..spec import Audio
from .container import MANIFEST_KEY, SEAL_KEY, ZEROS, seal
from .graph import exportable
from .manifest import Manifest, recombination
from .model import Model, Stems
from .onnx_backend import COLUMNS, FRAMES, OnnxBackend
from .onnx_session import Session
from .probe import music_like
from .registry import Networks, find_networks
from .spectrum import Spectrum
from .torch_backend import Network, from_torch

__all__ = ["PARITY_LIMIT", "export_model"]

PARITY_LIMIT = 1e-4
"""Largest accepted difference to PyTorch, in units of the output's peak."""
OPSET = 20


def export_model(
    source: str | Network | BagOfModels,
    path: Path,
    *,
    repo: Path | None = None,
    name: str | None = None,
    licence: str | None = None,
    segment: float | None = None,
    dry: float | None = None,
    gains: tuple[float, ...] | None = None,
    force: bool = False,
) -> Manifest:
    """Write a model as one .onnx file and return its manifest, with the measured parity.

    The file contains weights, manifest and sha256. The input of an `HTDemucs` is one segment long; `HDemucs` and
    `Demucs` take every length that demucs uses. A bag whose networks take the same input becomes one graph that
    averages them; the networks of another bag can be exported one by one.

    Args:
        source: a name as for `load`, or a network or bag of networks in memory.
        path: of the file; it appears when it is complete and checked.
        repo: a folder of bags and weights in which to look up a name.
        name, licence: for the manifest; None: taken from the source.
        segment: seconds; None: the network's own.
        dry, gains: the recombination; None: that of `recombination(stems)`.
        force: replace an existing file.

    Raises:
        ModelError: if the file exists; if the name is unknown; if the network cannot be exported; if the networks of
            a bag take different inputs; if the difference to PyTorch exceeds `PARITY_LIMIT` of the peak.
    """
    if path.exists() and not force:
        raise ModelError(f"{path} exists: remove it, or export with --force")
    if not path.parent.is_dir():
        raise ModelError(f"cannot write {path}: there is no folder {path.parent}")
    found = find_networks(source, repo) if isinstance(source, str) else Networks(source, (), "unknown")
    called = name or (Path(source).name if isinstance(source, str) else path.stem)
    model = from_torch(found.bag, name=called, licence=licence or found.licence, segment=segment)
    return _write(found, model, _recombined(model.manifest, dry, gains), path)


def _recombined(manifest: Manifest, dry: float | None, gains: tuple[float, ...] | None) -> Manifest:
    usual_dry, usual_gains = recombination(manifest.stems)
    return replace(manifest, dry=usual_dry if dry is None else dry, gains=usual_gains if gains is None else gains)


def _one_by_one(files: tuple[Path, ...]) -> str:
    """The export command of each network of a bag; empty for one network."""
    if len(files) < 2:
        return ""
    names = [(file.stem.rpartition("-")[0] or file.stem, quote(str(file.parent))) for file in files]
    commands = ", ".join(f"'stream-restore export {name} --repo {folder} -o {name}.onnx'" for name, folder in names)
    return f"; each network alone can be exported: {commands}"


def _write(found: Networks, model: Model, manifest: Manifest, path: Path) -> Manifest:
    try:
        graph = exportable(found.bag)
    except ModelError as error:
        raise ModelError(f"{error}{_one_by_one(found.files)}") from error
    sound = music_like(manifest)
    program = _trace(graph, _inputs(manifest, sound), _axes(manifest))
    part = path.with_name(f"{path.name}.part")
    try:
        _save(program, manifest, part, _one_by_one(found.files))
        parity = _parity(model, OnnxBackend(part, Session(part, "CPUExecutionProvider")), sound)
        if not parity <= PARITY_LIMIT:
            raise ModelError(
                f"{manifest.name!r} under ONNX Runtime differs from PyTorch by {parity:.1e} of the peak, more "
                f"than {PARITY_LIMIT:g}: nothing was written"
            )
        manifest = replace(manifest, parity=parity)
        _save(program, manifest, part, _one_by_one(found.files))
        os.replace(part, path)
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return manifest


def _inputs(manifest: Manifest, sound: Audio) -> tuple[torch.Tensor, ...]:
    inputs = [torch.from_numpy(sound)[None]]
    if manifest.stft is not None:
        columns = Spectrum(manifest.stft, manifest.input_frames).forward(sound)
        inputs.append(torch.from_numpy(columns)[None])
    return tuple(inputs)


def _axes(manifest: Manifest) -> list[dict[int, Any]] | None:
    """The dynamic axis of each input; None for a fixed length."""
    if manifest.lengths is None:
        return None
    if manifest.stft is not None:
        return [{2: torch.export.Dim(FRAMES)}, {3: torch.export.Dim(COLUMNS)}]
    steps = torch.export.Dim("steps", min=1)
    return [{2: manifest.lengths.step * steps + (manifest.lengths.least - manifest.lengths.step)}]


def _trace(graph: torch.nn.Module, inputs: tuple[torch.Tensor, ...], axes: list[dict[int, Any]] | None) -> Any:
    """The graph as an `onnx.ModelProto`, without metadata about this machine."""
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                graph.eval(),
                inputs,
                dynamo=True,
                opset_version=OPSET,
                input_names=["mix", "spectrum"][: len(inputs)],
                output_names=["waves", "spectra"][: len(inputs)],
                dynamic_shapes=axes and tuple(axes),
                verbose=False,
            )
    except Exception as error:  # the exporter raises its own classes
        raise ModelError(f"PyTorch cannot export this network: {error}") from error
    assert program is not None
    proto = program.model_proto
    for each in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.initializer):
        each.ClearField("metadata_props")
        each.ClearField("doc_string")
    proto.graph.ClearField("value_info")
    for value in (*proto.graph.input, *proto.graph.output):
        axis = value.type.tensor_type.shape.dim[-1]
        if axis.dim_param:  # a formula if lengths have a step
            axis.dim_param = FRAMES if value.name in ("mix", "waves") else COLUMNS
    return proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's messages about packages and unfolded nodes."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


def _save(proto: Any, manifest: Manifest, path: Path, cure: str) -> None:
    proto.ClearField("metadata_props")
    for key, value in ((MANIFEST_KEY, manifest.to_json()), (SEAL_KEY, ZEROS.decode())):
        proto.metadata_props.add(key=key, value=value)
    try:
        onnx.save(proto, path)
    except ValueError as error:  # protobuf's limit of 2 GiB
        raise ModelError(f"{path} would be too large for one .onnx file: {error}{cure}") from error
    seal(path)


def _parity(model: Model, backend: OnnxBackend, sound: Audio) -> float:
    """Largest difference between the two, in units of PyTorch's peak, over a full segment and some shorter ones."""
    shorter = [] if backend.manifest.lengths is None else [1, len(sound[0]) // 40, len(sound[0]) // 7]
    differences = []
    for frames in (len(sound[0]), *map(backend.input_frames, shorter)):
        expected = _reference(model, sound[:, :frames])
        found = backend.separate(sound[:, :frames])
        differences.append(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-12))
    return float(max(differences))


def _reference(model: Model, sound: Audio) -> Stems:
    """The weighted mean of the members' stems."""
    weights = np.array([member.weights for member in model.members], np.float64)
    stems = np.stack([member.backend.separate(sound) for member in model.members])
    mean: Stems = np.einsum("ms,mscf->scf", weights / weights.sum(0), stems).astype(np.float32)
    return mean
