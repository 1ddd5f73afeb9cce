"""Demucs layers rewritten so that a runtime passes over large tensors as seldom as possible.

A runtime that fuses little reads and writes memory for each elementwise operator: a third of the time of an HTDemucs.
These layers compute the same values with fewer of them:

* the scale of a residual branch is part of the weights before it;
* a gated linear unit is two convolutions, a value and its gate, instead of one that is split;
* the branch of `DConv` widens few channels to many and normalises the many. Their moments follow from those of the few,
  and the normalisation becomes part of the convolution that widens;
* a dilated convolution to few channels is a 1x1 convolution to a channel per tap, whose outputs are moved and added;
* attention takes one head at a time, and its queries in blocks: the scores of a block fit into a cache.
"""

import math
from typing import Any

import torch
from demucs.demucs import DConv
from demucs.hdemucs import HDecLayer, HEncLayer
from demucs.transformer import CrossTransformerEncoderLayer, LayerScale, MyGroupNorm, MyTransformerEncoderLayer
from torch import nn
from torch.nn import functional

from .moments import mean, squares

__all__ = ["Branch", "fuse"]

QUERIES = 672
"""Queries of a block: 7 MB of scores for the 2688 keys of an official HTDemucs."""


@torch.no_grad()
def fuse(network: nn.Module) -> None:
    """Replace the layers of a Demucs network by their equivalents here, for batches of one, in place; others stay."""
    for module in list(network.modules()):
        if isinstance(module, MyTransformerEncoderLayer | CrossTransformerEncoderLayer):
            _fuse_transformer(module)
        elif isinstance(module, DConv):
            module.layers = nn.ModuleList(Branch(each) if _is_branch(each) else each for each in module.layers)
        elif isinstance(module, HEncLayer | HDecLayer) and not module.empty and _is_gated(module):
            setattr(module, "rewrite", Gated(module.rewrite))  # noqa: B010, not of the type that it is declared with
            module.__class__ = _Encoder if isinstance(module, HEncLayer) else _Decoder


def _is_gated(layer: Any) -> bool:
    plain = all(isinstance(norm, nn.Identity) for norm in (layer.norm1, layer.norm2))
    return plain and layer.rewrite is not None and layer.dconv is not None


class Gated(nn.Module):
    """A convolution and the gated linear unit that halves its channels."""

    def __init__(self, conv: Any) -> None:
        super().__init__()
        self.value, self.gate = (_part(conv, half) for half in torch.arange(conv.out_channels).chunk(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, ...) -> (batch, half of the convolution's channels, ...)."""
        value: torch.Tensor = self.value(x)
        return value * torch.sigmoid(self.gate(x))


def _part(conv: Any, channels: torch.Tensor) -> nn.Module:
    """A convolution to some of the channels of another."""
    part: nn.Module = type(conv)(conv.in_channels, len(channels), conv.kernel_size, conv.stride, conv.padding)
    part.to(conv.weight.dtype)
    part.load_state_dict({name: tensor[channels].clone() for name, tensor in conv.state_dict().items()})
    return part


class _Encoder(HEncLayer):
    """An encoder layer without norms."""

    def forward(self, x: torch.Tensor, inject: torch.Tensor | None = None) -> torch.Tensor:
        """As of `HEncLayer`."""
        layer: Any = self
        if not layer.freq:
            x = functional.pad(x.reshape(1, -1, x.shape[-1]), (0, -x.shape[-1] % layer.stride))
        y = layer.conv(x)
        if inject is not None:
            y = y + (inject[:, :, None] if y.ndim > inject.ndim else inject)
        gated: torch.Tensor = layer.rewrite(_residual(layer, functional.gelu(y)))
        return gated


class _Decoder(HDecLayer):
    """A decoder layer without norms."""

    def forward(self, x: torch.Tensor, skip: Any, length: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """As of `HDecLayer`."""
        layer: Any = self
        if layer.freq and x.ndim == 3:
            x = x.reshape(1, layer.chin, -1, x.shape[-1])
        y = _residual(layer, layer.rewrite(x + skip))
        z = layer.conv_tr(y)
        z = z[..., layer.pad : z.shape[-2] - layer.pad, :] if layer.freq else z[..., layer.pad : layer.pad + length]
        return (z if layer.last else functional.gelu(z)), y


def _residual(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """The residual branches of a layer, which run along time: each frequency is an item of a batch."""
    branches: torch.Tensor = layer.dconv(x[0].transpose(0, 1) if layer.freq else x)
    return branches.transpose(0, 1)[None] if layer.freq else branches


def _is_branch(layers: Any) -> bool:
    kinds = (nn.Conv1d, nn.GroupNorm, nn.GELU, nn.Conv1d, nn.GroupNorm, nn.GLU, LayerScale)
    return [type(each) for each in layers] == list(kinds)


class Branch(nn.Module):
    """A layer of `DConv` without LSTM and attention.

    With g the few channels after the activation, m their means over time and G the products of their deviations from m,
    summed over T times, y = W g + b has the mean of means (W m + b) and, with W' and b' less their means over the 2C
    channels, the variance (sum(G * W^T W) / T + |W' m + b'|^2) / 2C.
    """

    def __init__(self, layers: Any) -> None:
        super().__init__()
        first, self.norm, _, last, norm, _, scale = layers
        self.eps, self.step, self.taps = norm.eps, first.dilation[0], first.kernel_size[0]
        self.few = nn.Conv1d(first.in_channels, self.taps * first.out_channels, 1, dtype=first.weight.dtype)
        self.few.weight.copy_(first.weight.permute(2, 0, 1).reshape(self.few.weight.shape))
        bias = torch.zeros(self.taps, first.out_channels, dtype=first.bias.dtype)
        bias[self.taps // 2] = first.bias
        self.few.bias = nn.Parameter(bias.flatten())
        weight, bias = last.weight[..., 0], last.bias[:, None]
        self.register_buffer("products", weight.T @ weight)
        self.register_buffer("means", torch.cat([weight, bias], 1).mean(0, keepdim=True))
        self.register_buffer("deviations", torch.cat([weight, bias], 1) - self.get_buffer("means"))
        scales = torch.cat([scale.scale, torch.ones_like(scale.scale)])
        wide = nn.Conv1d(weight.shape[1] + 2, len(weight), 1, dtype=weight.dtype)
        columns = torch.cat([weight, bias, torch.ones_like(bias)], 1)
        wide.weight.copy_(((scales * norm.weight)[:, None] * columns)[..., None])
        wide.bias = nn.Parameter(scales * norm.bias)
        self.gated = Gated(wide)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, steps) -> the same shape."""
        few = functional.gelu(self.norm(self._dilated(x)))
        deviation, middle = self._moments(few)
        ones = torch.cat([torch.ones_like(middle), -middle], 1).expand(-1, -1, few.shape[-1])
        out: torch.Tensor = self.gated(torch.cat([few, ones], 1) / deviation)
        return out

    def _dilated(self, x: torch.Tensor) -> torch.Tensor:
        total = None
        for number, tap in enumerate(self.few(x).chunk(self.taps, dim=1)):
            late = (number - self.taps // 2) * self.step
            moved = functional.pad(tap, (-late, late)) if late else tap
            total = moved if total is None else total + moved
        assert total is not None
        return total

    def _moments(self, few: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Deviation and mean of the many channels, both of shape (batch, 1, 1)."""
        batch, channels, steps = few.shape
        means = mean(few.reshape(batch * channels, steps)).reshape(batch, channels, 1)
        centred = few - means
        within = (centred @ centred.transpose(1, 2) * self.get_buffer("products")).sum((1, 2), keepdim=True) / steps
        means = torch.cat([means, torch.ones_like(means[:, :1])], 1)
        between = (self.get_buffer("deviations") @ means).square().sum(1, keepdim=True)
        many = len(self.get_buffer("deviations"))
        return torch.sqrt((within + between) / many + self.eps), self.get_buffer("means") @ means


def _fuse_transformer(layer: Any) -> None:
    """The scales of the residual branches become part of the weights before them."""
    name = "self_attn" if isinstance(layer, MyTransformerEncoderLayer) else "cross_attn"
    if not isinstance(getattr(layer, name), nn.MultiheadAttention):  # sparse attention is a class of demucs
        return
    attention = Attention(getattr(layer, name))
    setattr(layer, name, attention)
    for gamma, linear in (("gamma_1", attention.out), ("gamma_2", layer.linear2)):
        scale = getattr(layer, gamma)
        if isinstance(scale, LayerScale):
            linear.weight.mul_(scale.scale[:, None])
            linear.bias.mul_(scale.scale)
            setattr(layer, gamma, nn.Identity())
    if isinstance(layer.norm_out, MyGroupNorm) and layer.norm_out.num_groups == 1:
        layer.norm_out = TokenNorm(layer.norm_out)


class TokenNorm(nn.Module):
    """`MyGroupNorm` of one group, without turning its input."""

    def __init__(self, norm: MyGroupNorm) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, steps, channels) -> the same shape."""
        centred = x - mean(x.reshape(1, -1)).reshape(1, 1, 1)
        variance = squares(centred.reshape(1, -1)).reshape(1, 1, 1) / x.numel()
        return centred * (self.weight * torch.rsqrt(variance + self.eps)) + self.bias


class Attention(nn.Module):
    """`nn.MultiheadAttention` without mask and dropout, a block of queries of one head at a time."""

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        assert attention.in_proj_weight is not None
        self.heads, self.scale = attention.num_heads, 1 / math.sqrt(attention.head_dim)
        self.weight, self.bias, self.out = attention.in_proj_weight, attention.in_proj_bias, attention.out_proj

    def forward(self, query: Any, key: Any, value: Any, **options: Any) -> tuple[torch.Tensor, None]:
        """(1, queries, width), (1, keys, width) twice -> (1, queries, width); the scores are not returned."""
        weights, biases = self.weight.chunk(3), self.bias.chunk(3)
        split = [
            functional.linear(each[0], weight, bias).chunk(self.heads, dim=-1)
            for each, weight, bias in zip((query, key, value), weights, biases, strict=True)
        ]
        heads = [_head(q * self.scale, k, v) for q, k, v in zip(*split, strict=True)]
        return self.out(torch.cat(heads, dim=-1))[None], None


def _head(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return torch.cat([torch.softmax(block @ keys.T, dim=-1) @ values for block in torch.split(queries, QUERIES)])
