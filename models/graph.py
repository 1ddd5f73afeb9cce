"""Demucs networks in exportable form: real tensors only, the spectrogram as an input and an output.

The hybrid classes run their own `forward` with its four spectrogram methods replaced: `_spec` returns the input
spectrogram, `_ispec` stores its argument and returns 0. Three computations differ: long sums are taken in two stages,
see `moments`; `HDemucs` and `Demucs` take every length that demucs uses, see `any_length`; layers take fewer passes
over large tensors, see `fused`.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from demucs.apply import BagOfModels
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from torch import nn

from ..errors import ModelError
from .any_length import Resample, of_any_length
from .fused import fuse
from .moments import StagedMoments
from .torch_backend import Network, lengths_of, stft_of

__all__ = ["exportable"]

Outputs = tuple[torch.Tensor, ...]


class HybridGraph(nn.Module):
    """(mix, spectrum) -> (waves, spectra): a stem is its wave plus the inverse of its spectrum."""

    def __init__(self, network: HDemucs | HTDemucs) -> None:
        super().__init__()
        self.network = network

    def forward(self, mix: torch.Tensor, spectrum: torch.Tensor) -> Outputs:
        """(1, channels, frames), (1, 2 * channels, frequencies, columns); the second axis of the outputs is stems."""
        spectra: list[torch.Tensor] = []

        def keep(columns: torch.Tensor, length: int) -> torch.Tensor:
            spectra.append(columns)
            return mix.new_zeros(())

        network: Any = self.network
        if isinstance(network, HDemucs):
            _tell_lengths(network, mix.shape[-1], spectrum.shape[-1])
        network._spec = lambda mix: spectrum
        network._magnitude = lambda columns: columns
        network._mask = lambda columns, estimate: estimate
        network._ispec = keep
        with StagedMoments():
            waves = network(mix)
        return waves, spectra[0]


def _tell_lengths(network: Any, frames: int, columns: int) -> None:
    """Set the output length of each time-domain encoder layer; the last one joins the spectral branch."""
    stride = 1
    for encoder in network.tencoder:
        stride *= encoder.layer.stride
        encoder.steps = (frames + stride - 1) // stride
    network.tencoder[-1].steps = columns


class WaveGraph(nn.Module):
    """(mix,) -> (waves,): a `Demucs` with its normalisation and resampling."""

    def __init__(self, network: Demucs) -> None:
        super().__init__()
        own: Any = network
        self.network, self.normalize, resample = own, own.normalize, own.resample
        self.up: nn.Module = Resample(1, 2) if resample else nn.Identity()
        self.down: nn.Module = Resample(2, 1) if resample else nn.Identity()
        own.normalize = own.resample = False
        own.valid_length = lambda length: length  # demucs uses valid lengths only

    def forward(self, mix: torch.Tensor) -> Outputs:
        """(1, channels, frames) -> (1, stems, channels, frames)."""
        if not self.normalize:
            return (self._separated(mix),)
        with StagedMoments():
            mono = mix.mean(dim=1, keepdim=True)
            mean, deviation = mono.mean(dim=(1, 2), keepdim=True), mono.std(dim=(1, 2), keepdim=True)
            waves = self._separated((mix - mean) / (1e-5 + deviation))
        return (waves * deviation[:, None] + mean[:, None],)

    def _separated(self, mix: torch.Tensor) -> torch.Tensor:
        waves = self.network(self.up(mix))
        stems, channels = waves.shape[1:3]
        down: torch.Tensor = self.down(waves.flatten(1, 2))
        return down.reshape(1, stems, channels, mix.shape[-1])


class BagGraph(nn.Module):
    """The weighted mean of several graphs of the same kind, per stem."""

    shares: torch.Tensor

    def __init__(self, graphs: Sequence[nn.Module], weights: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.graphs = nn.ModuleList(graphs)
        table = torch.tensor(weights, dtype=torch.float64)
        self.register_buffer("shares", (table / table.sum(0)).float())

    def forward(self, mix: torch.Tensor, spectrum: torch.Tensor | None = None) -> Outputs:
        """Inputs and outputs as of each graph."""
        inputs = (mix,) if spectrum is None else (mix, spectrum)
        outputs = [graph(*inputs) for graph in self.graphs]
        return tuple(self._mean(same) for same in zip(*outputs, strict=True))

    def _mean(self, estimates: Sequence[torch.Tensor]) -> torch.Tensor:
        total = torch.zeros_like(estimates[0])
        for share, estimate in zip(self.shares, estimates, strict=True):
            total = total + estimate * share.reshape(1, -1, *[1] * (estimate.ndim - 2))
        return total


def exportable(network: Network | BagOfModels) -> nn.Module:
    """A copy of a network or bag as one graph of real tensors.

    Raises:
        ModelError: if the output needs more than a linear inverse (Wiener filters, masks); if the networks of a bag
            take different inputs.
    """
    if not isinstance(network, BagOfModels):
        return _single(network)
    members: Any = list(network.models)
    inputs = {(type(each), stft_of(each), lengths_of(each), int(each.samplerate * each.segment)) for each in members}
    if len(inputs) > 1:
        kinds = ", ".join(f"{type(each).__name__} of {float(each.segment):g} s" for each in members)
        raise ModelError(f"a bag becomes one file only if its networks take one input; it has {kinds}")
    if len(members) == 1:
        return _single(members[0])
    return BagGraph([_single(each) for each in members], network.weights)


def _single(network: Network) -> nn.Module:
    own: Any = copy.deepcopy(network)
    fuse(own)
    if not isinstance(own, HTDemucs):
        of_any_length(own)
    if isinstance(own, Demucs):
        return WaveGraph(own)
    if not own.cac or not getattr(own, "hybrid", True):
        raise ModelError("only hybrid networks with complex spectrograms as channels (cac) can be exported")
    return HybridGraph(own)
