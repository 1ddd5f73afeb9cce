"""Networks of sealed .onnx files with their manifests inside, run by ONNX Runtime or another runtime."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ..errors import ModelError
from ..spec import Audio, duration
from .container import read_manifest
from .manifest import Manifest
from .model import GAINS, Member, Model, Stems
from .onnx_gains import OnnxGains
from .onnx_session import Runtime, Session
from .spectrum import Spectrum

__all__ = ["COLUMNS", "FRAMES", "OnnxBackend", "from_onnx", "model_of"]

_DEVICES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
Shape = tuple[int, ...]
Axes = tuple[int | str, ...]
FRAMES, COLUMNS = "frames", "columns"
"""Names of the dynamic time axes of a graph."""


class OnnxBackend:
    """One network under a runtime for .onnx files; the spectrogram is computed outside it.

    Input lengths are those of demucs: one for `HTDemucs`; `HDemucs` and `Demucs` run on shorter inputs, any of
    `manifest.lengths`, for the last chunks of a recording.

    Args:
        path: a file that `container.read_manifest` accepts.
        session: the file as a runtime has loaded it.
        segment: seconds on the overlap-add grid, at most the file's; a fixed-length input keeps its length, with
            more audio around each chunk.

    Raises:
        ModelError: if the file is damaged or contradicts its manifest.
    """

    def __init__(self, path: Path, session: Runtime, *, segment: float | None = None) -> None:
        self.manifest = read_manifest(path)
        self.sample_rate = self.manifest.sample_rate
        self.channels = self.manifest.channels
        self.stems = self.manifest.stems
        self.edges = self.manifest.edges
        self.segment_frames = _segment_frames(self.manifest, segment)
        self._spectrum = self._spectrum_of(self.manifest.input_frames)
        self._session = session
        self._names = [each.name for each in self._session.inputs]
        _check_graph(path, self._session, self.manifest, self._spectrum)

    def input_frames(self, frames: int) -> int:
        """The fixed input length, or the shortest of the network's lengths that holds `frames`."""
        lengths = self.manifest.lengths
        return self.manifest.input_frames if lengths is None else lengths.holding(frames)

    def separate(self, segment: Audio) -> Stems:
        """Stems of a segment, shape (channels, input_frames(n)) -> (stems, channels, same frames).

        Raises:
            ModelError: if the shape is wrong; if the runtime fails.
        """
        self._check_shape(segment.shape)
        frames = segment.shape[1]
        # Only the last chunks of a recording are shorter: the spectrum of the full length is kept, others are not.
        spectrum = self._spectrum if frames == self.manifest.input_frames else self._spectrum_of(frames)
        outputs = self._run(np.ascontiguousarray(segment, np.float32), spectrum)
        stems: Stems = outputs[0][0]
        if stems.shape != (len(self.stems), *segment.shape):
            raise ModelError(f"model {self.manifest.name!r} answers {segment.shape} with stems of shape {stems.shape}")
        if spectrum is not None:
            for stem, columns in zip(stems, outputs[1][0], strict=True):
                stem += spectrum.inverse(columns)
        return stems

    def _check_shape(self, shape: Shape) -> None:
        channels, longest, lengths = self.channels, self.manifest.input_frames, self.manifest.lengths
        fits = len(shape) == 2 and shape[0] == channels and 0 < shape[1] <= longest
        if fits and self.input_frames(shape[1]) == shape[1]:
            return
        wanted = f"({channels}, {longest})"
        if lengths is not None:
            wanted = f"({channels}, {lengths.least} and any number of times {lengths.step} more, up to {longest})"
        raise ModelError(f"model {self.manifest.name!r} takes segments of shape {wanted}, got {shape}")

    def _spectrum_of(self, frames: int) -> Spectrum | None:
        return Spectrum(self.manifest.stft, frames) if self.manifest.stft else None

    def _run(self, segment: Audio, spectrum: Spectrum | None) -> list[Any]:
        inputs = [segment[None]]
        if spectrum is not None:
            inputs.append(spectrum.forward(segment)[None])
        try:
            outputs = self._session.run(dict(zip(self._names, inputs, strict=True)))
        except Exception as error:  # runtimes raise their own classes
            raise ModelError(f"{self._session.name} failed on model {self.manifest.name!r}: {error}") from error
        return outputs


def from_onnx(
    path: Path,
    *,
    device: str | None = None,
    provider: str | None = None,
    threads: int | None = None,
    segment: float | None = None,
) -> Model:
    """Load a model from an .onnx file into ONNX Runtime.

    Args:
        path: the file.
        device: selects the provider unless one is given.
        provider: an available execution provider of ONNX Runtime.
        threads: per operation; None: ONNX Runtime's default, one per core.
        segment: as for `OnnxBackend`.

    Raises:
        ModelError: if the provider is absent; as `OnnxBackend`.
    """
    if device is not None and device not in _DEVICES:
        raise ModelError(f"device must be cpu or cuda, got {device!r}")
    chosen = provider or _DEVICES[device or "cpu"]
    runtime = {"onnxruntime": onnxruntime.__version__, "provider": chosen}
    runtime |= {"threads": str(threads or f"one per core of {os.cpu_count()} CPUs")}  # it does not report its number
    return model_of(path, lambda: Session(path, chosen, threads), runtime, segment)


def model_of(path: Path, start: Callable[[], Runtime], runtime: Mapping[str, str], segment: float | None) -> Model:
    """The model of an .onnx file, which `start` loads once it is known to be intact."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if read_manifest(path).architecture == GAINS:
        network = OnnxGains(path, start())
        return Model(network.manifest, (), digest, runtime, network)
    backend = OnnxBackend(path, start(), segment=segment)
    return Model(backend.manifest, (Member(backend, (1.0,) * len(backend.stems)),), digest, runtime)


def _segment_frames(manifest: Manifest, segment: float | None) -> int:
    frames = manifest.segment_frames if segment is None else int(duration(segment) * manifest.sample_rate)
    if not 1 <= frames <= manifest.segment_frames:
        longest = manifest.segment_frames / manifest.sample_rate
        raise ModelError(f"a segment of {segment} s cannot be: {manifest.name!r} takes up to {longest:g} s")
    return frames


def _check_graph(path: Path, session: Runtime, manifest: Manifest, spectrum: Spectrum | None) -> None:
    """Compare the shapes declared by a graph with those of its manifest.

    A dynamic time axis has a name instead of a number, or "?" where a runtime does not keep names.
    """
    channels, stems = manifest.channels, len(manifest.stems)
    fixed = manifest.lengths is None
    frames = manifest.input_frames if fixed else FRAMES
    inputs: list[Axes] = [(1, channels, frames)]
    outputs: list[Axes] = [(1, stems, channels, frames)]
    if spectrum is not None:
        columns = (spectrum.shape[0], spectrum.shape[1] if fixed else COLUMNS)
        inputs.append((1, 2 * channels, *columns))
        outputs.append((1, stems, 2 * channels, *columns))
    for kind, nodes, wanted in (
        ("inputs", session.inputs, inputs),
        ("outputs", session.outputs, outputs),
    ):
        found = [tuple(node.shape) for node in nodes]
        if not _same(found, wanted) or any(node.type != "tensor(float)" for node in nodes):
            types = ", ".join(f"{node.name} {node.type} {tuple(node.shape)}" for node in nodes)
            raise ModelError(f"{path}: the graph's {kind} are {types}; its manifest wants float {wanted}")


def _same(found: list[Axes], wanted: list[Axes]) -> bool:
    if [len(axes) for axes in found] != [len(axes) for axes in wanted]:
        return False
    pairs = [pair for one, other in zip(found, wanted, strict=True) for pair in zip(one, other, strict=True)]
    return all(axis == "?" or axis == other for axis, other in pairs)
