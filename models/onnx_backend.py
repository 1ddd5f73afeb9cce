"""Networks run by ONNX Runtime: one sealed .onnx file with its manifest inside."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ..errors import ModelError
from ..spec import Audio
from .container import read_manifest
from .manifest import Manifest
from .model import Model, Stems, Voice
from .spectrum import Spectrum

__all__ = ["OnnxBackend", "from_onnx"]

_DEVICES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
Shape = tuple[int, ...]


class OnnxBackend:
    """One network under ONNX Runtime, the spectrogram computed outside it.

    The shape of the input is fixed: `input_frames` is one number, whatever the chunk. For `HTDemucs` that is
    how demucs runs it, too. `HDemucs` and `Demucs` run on shorter inputs in demucs for the last chunks of a
    recording, where a result of this backend may therefore differ; their whole segments agree.

    Args:
        path: a file that `container.read_manifest` accepts.
        provider: an execution provider of ONNX Runtime that must be there.
        threads: of one operation; None: ONNX Runtime's choice, one per core.
        segment: seconds on the overlap-add grid, at most the file's; the network's input stays as long as
            it is, with more audio around each chunk.

    Raises:
        ModelError: an absent provider, a file that is damaged or contradicts its manifest.
    """

    def __init__(self, path: Path, *, provider: str, threads: int | None = None, segment: float | None = None) -> None:
        self.manifest = read_manifest(path)
        self.sample_rate = self.manifest.sample_rate
        self.channels = self.manifest.channels
        self.stems = self.manifest.stems
        self.edges = self.manifest.edges
        self.segment_frames = _segment_frames(self.manifest, segment)
        self._spectrum = Spectrum(self.manifest.stft, self.manifest.input_frames) if self.manifest.stft else None
        self._session = _session(path, provider, threads)
        self._names = [each.name for each in self._session.get_inputs()]
        _check_graph(path, self._session, self.manifest, self._spectrum)

    def input_frames(self, frames: int) -> int:
        """The one length that the network takes, whatever `frames` is."""
        return self.manifest.input_frames

    def separate(self, segment: Audio) -> Stems:
        """Stems of a segment, shape (channels, input_frames) -> (stems, channels, input_frames).

        Raises:
            ModelError: another shape; a failure inside ONNX Runtime.
        """
        if segment.shape != (self.channels, self.manifest.input_frames):
            wanted = (self.channels, self.manifest.input_frames)
            raise ModelError(f"model {self.manifest.name!r} takes segments of shape {wanted}, got {segment.shape}")
        outputs = self._run(np.ascontiguousarray(segment, np.float32))
        stems: Stems = outputs[0][0]
        if self._spectrum is not None:
            for stem, columns in zip(stems, outputs[1][0], strict=True):
                stem += self._spectrum.inverse(columns)
        return stems

    def _run(self, segment: Audio) -> list[Any]:
        inputs = [segment[None]]
        if self._spectrum is not None:
            inputs.append(self._spectrum.forward(segment)[None])
        try:
            outputs: list[Any] = self._session.run(None, dict(zip(self._names, inputs, strict=True)))
        except Exception as error:  # ONNX Runtime's own classes
            raise ModelError(f"ONNX Runtime failed on model {self.manifest.name!r}: {error}") from error
        return outputs


def from_onnx(
    path: Path,
    *,
    device: str | None = None,
    provider: str | None = None,
    threads: int | None = None,
    segment: float | None = None,
) -> Model:
    """The model in an .onnx file. See `OnnxBackend` for the arguments; `device` chooses the provider."""
    if device is not None and device not in _DEVICES:
        raise ModelError(f"device must be cpu or cuda, got {device!r}")
    chosen = provider or _DEVICES[device or "cpu"]
    backend = OnnxBackend(path, provider=chosen, threads=threads, segment=segment)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    runtime = {"onnxruntime": onnxruntime.__version__, "provider": chosen}
    runtime |= {"threads": str(threads or f"one per core of {os.cpu_count()} CPUs")}  # it tells nobody how many it took
    return Model(backend.manifest, (Voice(backend, (1.0,) * len(backend.stems)),), digest, runtime)


def _segment_frames(manifest: Manifest, segment: float | None) -> int:
    frames = manifest.segment_frames if segment is None else int(segment * manifest.sample_rate)
    if not 1 <= frames <= manifest.segment_frames:
        longest = manifest.segment_frames / manifest.sample_rate
        raise ModelError(f"a segment of {segment} s cannot be: {manifest.name!r} takes up to {longest:g} s")
    return frames


def _session(path: Path, provider: str, threads: int | None) -> Any:
    there = onnxruntime.get_available_providers()
    if provider not in there:
        raise ModelError(f"ONNX Runtime has no provider {provider!r} here; it has: {', '.join(there)}")
    try:
        session = onnxruntime.InferenceSession(str(path), _options(threads), providers=[provider])
    except Exception as error:  # ONNX Runtime's own classes
        raise ModelError(f"ONNX Runtime cannot run {path}: {error}") from error
    if session.get_providers()[0] != provider:  # its libraries did not load: ONNX Runtime falls back
        raise ModelError(f"ONNX Runtime's provider {provider!r} does not start here; choose another")
    return session


def _options(threads: int | None) -> Any:
    """Options that keep memory near what the tensors need (the default takes twice as much for HTDemucs).

    ONNX Runtime's memory pattern reserves one block for a whole run, apart from the arena that the first
    run filled. Threads that spin while they wait take cores from whoever else works, as the reader of the
    next segment does. The optimised graph and its kernels do not depend on either.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: they come as exceptions, too
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _check_graph(path: Path, session: Any, manifest: Manifest, spectrum: Spectrum | None) -> None:
    """Compare the shapes that a graph declares with those that its manifest promises."""
    channels, frames, stems = manifest.channels, manifest.input_frames, len(manifest.stems)
    inputs: list[Shape] = [(1, channels, frames)]
    outputs: list[Shape] = [(1, stems, channels, frames)]
    if spectrum is not None:
        inputs.append((1, 2 * channels, *spectrum.shape))
        outputs.append((1, stems, 2 * channels, *spectrum.shape))
    for kind, nodes, wanted in (
        ("inputs", session.get_inputs(), inputs),
        ("outputs", session.get_outputs(), outputs),
    ):
        found = [tuple(node.shape) for node in nodes]
        if found != wanted or any(node.type != "tensor(float)" for node in nodes):
            types = ", ".join(f"{node.name} {node.type} {tuple(node.shape)}" for node in nodes)
            raise ModelError(f"{path}: the graph's {kind} are {types}; its manifest wants float {wanted}")
