"""Demucs networks in the shape that exports: real tensors only, the spectrogram an input and an output.

The hybrid classes are not written anew. Their own `forward` runs with its four spectrogram methods
replaced: `_spec` gives the spectrogram that came in, `_ispec` keeps what it is given and adds nothing.
Two things are computed otherwise. ONNX Runtime sums a long axis element by element: the deviation of a
spectrogram of 2.7 million numbers came out wrong by a thousandth, a group norm of 8 million by 3e-4
(measured, version 1.32), so such sums are taken in two stages. And attention goes one head at a time: the
scores of all heads of an official HTDemucs are 231 MB, and they are needed twice.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from demucs.apply import BagOfModels
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from torch import nn
from torch.overrides import TorchFunctionMode

from ..errors import ModelError
from .torch_backend import Network, stft_of

__all__ = ["StagedMoments", "exportable"]

Outputs = tuple[torch.Tensor, ...]


LONG = 1 << 18
"""Numbers of a group beyond which its normalisation is staged: up to here the error is about 1e-6."""


class StagedMoments(TorchFunctionMode):
    """While this is active, means, deviations and group norms over many numbers sum rows, then the sums."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """The function `func`, or its staged equal."""
        options = kwargs or {}
        staged = {torch.Tensor.mean: _staged_mean, torch.Tensor.std: _staged_std}.get(func)
        if staged and len(args) == 1 and options.get("keepdim") and _reduces_all(args[0], options["dim"]):
            return staged(args[0])
        if func is nn.functional.group_norm and args[0].numel() // (len(args[0]) * args[1]) > LONG:
            return _staged_group_norm(*args, **options)
        return func(*args, **options)


def _reduces_all(tensor: torch.Tensor, dim: int | tuple[int, ...]) -> bool:
    dims = (dim,) if isinstance(dim, int) else dim
    return math.prod(tensor.shape[each] for each in dims) == tensor.numel()


def _rows(groups: torch.Tensor) -> torch.Tensor:
    """(groups, numbers) -> (groups, rows, row), as square as a divisor allows, else padded with zeros."""
    size = groups.shape[-1]
    root = math.isqrt(size)
    row = next((each for each in range(root, root // 8, -1) if size % each == 0), 0)
    if not row:
        row = root + 1
        groups = nn.functional.pad(groups, (0, -size % row))
    return groups.reshape(len(groups), -1, row)


def _mean(groups: torch.Tensor) -> torch.Tensor:
    """(groups, numbers) -> (groups, 1)."""
    return _rows(groups).sum(-1).sum(-1, keepdim=True) / groups.shape[-1]


def _squares(groups: torch.Tensor) -> torch.Tensor:
    """Sums of squares, (groups, numbers) -> (groups, 1)."""
    norms: torch.Tensor = torch.linalg.vector_norm(_rows(groups), dim=-1)
    return norms.square().sum(-1, keepdim=True)


def _staged_mean(tensor: torch.Tensor) -> torch.Tensor:
    return _mean(tensor.reshape(1, -1)).reshape([1] * tensor.ndim)


def _staged_std(tensor: torch.Tensor) -> torch.Tensor:
    centred = (tensor - _staged_mean(tensor)).reshape(1, -1)
    return torch.sqrt(_squares(centred) / (tensor.numel() - 1)).reshape([1] * tensor.ndim)


def _staged_group_norm(
    tensor: torch.Tensor, groups: int, weight: torch.Tensor, bias: torch.Tensor, eps: float
) -> torch.Tensor:
    batch, channels = tensor.shape[:2]
    each = tensor.reshape(batch * groups, -1)
    centred = each - _mean(each)
    scale = torch.rsqrt(_squares(centred) / each.shape[-1] + eps)
    scales = scale.reshape(batch, groups, 1).expand(batch, groups, channels // groups).reshape(batch, channels)
    per_channel = [-1, channels] + [1] * (tensor.ndim - 2)
    return centred.reshape(tensor.shape) * (scales * weight).reshape(per_channel) + bias.reshape(per_channel)


class HybridGraph(nn.Module):
    """(mix, spectrum) -> (waves, spectra): a stem is its wave plus the inverse of its spectrum."""

    def __init__(self, network: HDemucs | HTDemucs) -> None:
        super().__init__()
        self.network = network

    def forward(self, mix: torch.Tensor, spectrum: torch.Tensor) -> Outputs:
        """(1, channels, frames), (1, 2 channels, frequencies, columns); the outputs have stems after the 1."""
        spectra: list[torch.Tensor] = []

        def keep(columns: torch.Tensor, length: int) -> torch.Tensor:
            spectra.append(columns)
            return mix.new_zeros(())

        network: Any = self.network
        network._spec = lambda mix: spectrum
        network._magnitude = lambda columns: columns
        network._mask = lambda columns, estimate: estimate
        network._ispec = keep
        with StagedMoments():
            waves = network(mix)
        return waves, spectra[0]


class WaveGraph(nn.Module):
    """(mix,) -> (waves,): a network of waveforms."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, mix: torch.Tensor) -> Outputs:
        """(1, channels, frames) -> (1, stems, channels, frames)."""
        with StagedMoments():
            return (self.network(mix),)


class BagGraph(nn.Module):
    """The weighted mean of several graphs of one kind, stem by stem."""

    shares: torch.Tensor

    def __init__(self, graphs: Sequence[nn.Module], weights: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.graphs = nn.ModuleList(graphs)
        table = torch.tensor(weights, dtype=torch.float64)
        self.register_buffer("shares", (table / table.sum(0)).float())

    def forward(self, *inputs: torch.Tensor) -> Outputs:
        """As one of the graphs."""
        outputs = [graph(*inputs) for graph in self.graphs]
        return tuple(self._mean(same) for same in zip(*outputs, strict=True))

    def _mean(self, estimates: Sequence[torch.Tensor]) -> torch.Tensor:
        total = torch.zeros_like(estimates[0])
        for share, estimate in zip(self.shares, estimates, strict=True):
            total = total + estimate * share.reshape(1, -1, *[1] * (estimate.ndim - 2))
        return total


class HeadByHead(nn.Module):
    """`nn.MultiheadAttention` without mask and dropout, one head after the other."""

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        assert attention.in_proj_weight is not None
        self.heads = attention.num_heads
        self.scale = 1 / math.sqrt(attention.head_dim)
        self.weight, self.bias, self.out = attention.in_proj_weight, attention.in_proj_bias, attention.out_proj

    def forward(self, query: Any, key: Any, value: Any, **options: Any) -> tuple[torch.Tensor, None]:
        """(1, queries, width), (1, keys, width) twice -> (1, queries, width); the scores are not given."""
        weights, biases = self.weight.chunk(3), self.bias.chunk(3)
        split = [
            nn.functional.linear(each[0], weight, bias).chunk(self.heads, dim=-1)
            for each, weight, bias in zip((query, key, value), weights, biases, strict=True)
        ]
        heads = [torch.softmax((q * self.scale) @ k.T, dim=-1) @ v for q, k, v in zip(*split, strict=True)]
        return self.out(torch.cat(heads, dim=-1))[None], None


def exportable(network: Network | BagOfModels) -> nn.Module:
    """A copy of a network or bag as one graph of real tensors.

    Raises:
        ModelError: a network whose output needs more than a linear inverse (Wiener filters, masks); a bag
            whose networks do not take one input.
    """
    if not isinstance(network, BagOfModels):
        return _single(network)
    members: Any = list(network.models)
    if len({(type(each).__name__, stft_of(each), int(each.samplerate * each.segment)) for each in members}) > 1:
        kinds = ", ".join(f"{type(each).__name__} of {float(each.segment):g} s" for each in members)
        raise ModelError(f"a bag becomes one file only if its networks take one input; it has {kinds}")
    if len(members) == 1:
        return _single(members[0])
    return BagGraph([_single(each) for each in members], network.weights)


def _single(network: Network) -> nn.Module:
    own = copy.deepcopy(network)
    for module in list(own.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.MultiheadAttention):
                setattr(module, name, HeadByHead(child))
    if not isinstance(own, HDemucs | HTDemucs):
        return WaveGraph(own)
    if not own.cac or not getattr(own, "hybrid", True):
        raise ModelError("only hybrid networks with complex spectrograms as channels (cac) can be exported")
    return HybridGraph(own)
