"""Networks run by PyTorch: the three Demucs classes, alone or in a bag."""

import hashlib
from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

import demucs
import numpy as np
import torch
from demucs.apply import BagOfModels
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from numpy.typing import NDArray

from ..errors import ModelError
from ..spec import Audio, duration
from .manifest import Edges, Lengths, Manifest, Stft, recombination
from .model import Member, Model, Stems
from .torch_cpu import Cpu
from .torch_cuda import BATCH, Gpu, require_gpu

__all__ = ["Network", "TorchBackend", "as_bag", "from_torch", "lengths_of", "stft_of"]

SELF_NORMALISED_GAIN = 1024.0
"""Input gain for networks that normalise each segment, as all hybrid ones and most of `Demucs` do. They divide by the
segment's deviation plus 1e-5, which matters more the quieter the recording. The demucs command therefore normalises the
whole recording first, in a second pass; a large constant gain makes the 1e-5 negligible at any level in one pass."""

Network: TypeAlias = Demucs | HDemucs | HTDemucs


class TorchBackend:
    """One Demucs network under PyTorch, run as `demucs.apply` runs it.

    Args:
        network: a `Demucs`, `HDemucs` or `HTDemucs`; it is moved to `device` and set to evaluation mode.
        segment: seconds of a segment; None: the network's own.
        device: "cpu" or "cuda".
        threads: per operation on the CPU; None: PyTorch's current number. PyTorch's results may differ in the last
            bits with this number, so every call uses the same one.

    Raises:
        ModelError: if the device is not available; if the network does not take the segment.
    """

    def __init__(
        self,
        network: Network,
        *,
        segment: float | None = None,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        _require_device(device)
        self._network, self._device, self._forced = network, device, segment is not None
        self.threads = threads or torch.get_num_threads()
        self.sample_rate = network.samplerate
        self.channels = network.audio_channels
        self.stems = tuple(network.sources)
        self.segment_frames = _segment_frames(network, segment)
        self.edges: Edges = "silence"  # as demucs, which gives networks of any length nothing beyond the ends
        network.eval()
        network.to(device)
        self._runner = Gpu(network) if device == "cuda" else Cpu(network, self.threads)
        self.batch = BATCH if device == "cuda" else 1

    def input_frames(self, frames: int) -> int:
        """Input length that `demucs.apply.apply_model` uses for a chunk of `frames`.

        `HTDemucs` trained on one length takes that length only; `Demucs` takes those that its strides
        divide; `HDemucs` and other `HTDemucs` take any.
        """
        if self._forced and isinstance(self._network, HTDemucs):
            return self.segment_frames
        valid_length = getattr(self._network, "valid_length", int)
        return int(valid_length(frames))

    def separate(self, segment: Audio) -> Stems:
        """Stems of a segment, shape (channels, input_frames(n)) -> (stems, channels, same frames).

        Raises:
            ModelError: if the number of channels is wrong; if there are no frames.
        """
        if segment.ndim != 2:
            self._refuse(segment)
        stems: Stems = self.separate_batch(segment[None])[0]
        return stems

    def separate_batch(self, segments: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `separate`, shape (batch, channels, frames) -> (batch, stems, channels, frames)."""
        if segments.shape[1] != self.channels or not segments.shape[2]:
            self._refuse(segments[0])
        return self._runner.run(np.ascontiguousarray(segments, np.float32))

    def _refuse(self, segment: Audio) -> NoReturn:
        raise ModelError(f"the network takes ({self.channels}, 1 or more) frames, got {segment.shape}")


def _require_device(device: str) -> None:
    if device not in ("cpu", "cuda"):
        raise ModelError(f"device must be cpu or cuda, got {device!r}")
    if device == "cuda":
        require_gpu()


def _segment_frames(network: Network, segment: float | None) -> int:
    longest = network.segment if isinstance(network, HTDemucs) and network.use_train_segment else None
    seconds = network.segment if segment is None else duration(segment)
    frames = int(network.samplerate * seconds)
    if frames < 1 or (longest is not None and frames > int(network.samplerate * longest)):
        raise ModelError(f"a segment of {float(seconds):g} s cannot be: this network takes up to {longest} s")
    return frames


def as_bag(networks: Sequence[Network], weights: list[list[float]] | None, segment: float | None) -> BagOfModels:
    """A demucs bag of networks; `segment` in seconds replaces the networks' own where they allow it.

    Raises:
        ModelError: if the networks differ in stems, rate or channels; if the weights have the wrong shape.
    """
    try:
        return BagOfModels(list(networks), weights, segment)
    except AssertionError as error:
        raise ModelError(
            "the networks of a bag must share stems, rate and channels, and have a weight for each stem"
        ) from error


def from_torch(
    network: Network | BagOfModels,
    *,
    name: str,
    licence: str = "unknown",
    segment: float | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> Model:
    """A model of a network or bag of networks in memory. Arguments as for `TorchBackend`."""
    networks: Sequence[Any] = list(network.models) if isinstance(network, BagOfModels) else [network]
    weights = network.weights if isinstance(network, BagOfModels) else [[1.0] * len(networks[0].sources)]
    backends = [TorchBackend(each, segment=segment, device=device or "cpu", threads=threads) for each in networks]
    members = tuple(
        Member(backend, tuple(float(weight) for weight in row)) for backend, row in zip(backends, weights, strict=True)
    )
    runtime = {"torch": str(torch.__version__), "demucs": demucs.__version__, "device": device or "cpu"}
    runtime |= {"threads": str(backends[0].threads)}
    return Model(_manifest(networks[0], backends[0], name, licence), members, _digest(networks), runtime)


def _digest(networks: Sequence[Network]) -> str:
    """sha256 of all weights, in order."""
    digest = hashlib.sha256()
    for network in networks:
        for name, weight in network.state_dict().items():
            digest.update(name.encode())
            digest.update(weight.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _manifest(network: Any, backend: TorchBackend, name: str, licence: str) -> Manifest:
    dry, gains = recombination(backend.stems)
    return Manifest(
        name=name,
        architecture=type(network).__name__,
        sample_rate=backend.sample_rate,
        channels=backend.channels,
        stems=backend.stems,
        segment_frames=backend.segment_frames,
        input_frames=backend.input_frames(backend.segment_frames),
        stft=stft_of(network),
        licence=licence,
        dry=dry,
        gains=gains,
        edges="mirror" if isinstance(network, HTDemucs) and not network.use_train_segment else "silence",
        lengths=lengths_of(network),
        input_gain=SELF_NORMALISED_GAIN if getattr(network, "normalize", True) else 1.0,
    )


def lengths_of(network: Any) -> Lengths | None:
    """Input lengths that demucs uses for a network; None for one that is exported with a fixed length.

    Those of `Demucs` are the lengths that its strides divide: each step of its innermost layer adds as many frames.
    """
    if isinstance(network, HDemucs):
        return Lengths(1, 1)
    if not isinstance(network, Demucs):
        return None
    least = network.valid_length(1)
    return Lengths(least, network.valid_length(least + 1) - least)


def stft_of(network: Any) -> Stft | None:
    """Spectrogram parameters of a hybrid network; None for a waveform network."""
    if not hasattr(network, "nfft"):
        return None
    padding = "constant" if getattr(network, "hybrid_old", False) else "reflect"
    return Stft(network.nfft, network.hop_length, padding)
