"""Demucs networks on a CPU, in arithmetic and memory that suit it; the same values but for rounding.

* PyTorch multiplies float32 matrices by MKL, which does without AVX-512 on CPUs that Intel did not make. oneDNN, which
  it has for convolutions, is 2.5 times as fast there (measured on Zen 5).
* Attention takes one head at a time, and its queries in blocks: the scores of a block fit into a cache.
* The C library gives large blocks of memory back when they are free, and the kernel clears each anew: a fifth of the
  time. Here they are kept.
"""

import copy
import ctypes
import math
from functools import cache
from typing import Any

import numpy as np
import torch
from demucs.transformer import CrossTransformerEncoderLayer, MyTransformerEncoderLayer
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

__all__ = ["Cpu", "suited"]

QUERIES = 336
"""Queries of a block: 3.6 MB of scores for the 2688 keys of an official HTDemucs."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)


class Cpu:
    """Runs a network on the CPU, with so many threads per operation."""

    def __init__(self, network: nn.Module, threads: int) -> None:
        _keep_memory()
        self._network, self._threads = suited(network), threads

    def run(self, segments: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answers of the network, shape (batch, channels, frames) -> (batch, stems, channels, frames)."""
        if torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)  # per thread; new threads of the caller have the default
        with torch.inference_mode():
            stems: NDArray[np.float32] = self._network(torch.tensor(segments)).numpy()  # of a copy
        return stems


def suited(network: nn.Module) -> nn.Module:
    """A network with the weights of another, which stays as it is."""
    shared = {id(each): each for each in (*network.parameters(), *network.buffers())}
    own = copy.deepcopy(network, shared)
    for module in list(own.modules()):
        if isinstance(module, MyTransformerEncoderLayer | CrossTransformerEncoderLayer):
            for name, layer in list(module.named_children()):
                if type(layer) is nn.Linear:
                    setattr(module, name, _Linear(layer))
                elif type(layer) is nn.MultiheadAttention and layer.in_proj_weight is not None:
                    setattr(module, name, _Attention(layer))
    return own.eval()


def _keep_memory() -> None:
    """Let this process keep large blocks that are free; without effect if its C library is not GNU's."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 1 << 30)
        mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)


@cache
def _has_onednn() -> bool:
    mkldnn: Any = torch.backends.mkldnn
    return mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """(..., n), (m, n), (m,) -> (..., m)."""
    if _has_onednn():
        product: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
        return product
    return functional.linear(x, weight, bias)


class _Linear(nn.Module):
    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _linear(x, self.weight, self.bias)


class _Attention(nn.Module):
    """`nn.MultiheadAttention` whose batch is first, without mask and dropout."""

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        self.heads, self.scale = attention.num_heads, 1 / math.sqrt(attention.head_dim)
        self.weight, self.bias, self.out = attention.in_proj_weight, attention.in_proj_bias, attention.out_proj

    def forward(self, query: Any, key: Any, value: Any, **options: Any) -> tuple[torch.Tensor, None]:
        """(batch, queries, width), (batch, keys, width) twice -> (batch, queries, width); no scores are returned."""
        items = [self._item(*each) for each in zip(query, key, value, strict=True)]
        return _linear(torch.stack(items), self.out.weight, self.out.bias), None

    def _item(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        biases = (None,) * 3 if self.bias is None else self.bias.chunk(3)
        projected = map(_linear, (query, key, value), self.weight.chunk(3), biases)
        queries, keys, values = ([*each.chunk(self.heads, dim=-1)] for each in projected)
        heads = zip(queries, keys, values, strict=True)
        return torch.cat([_head(q * self.scale, k.contiguous(), v.T.contiguous()) for q, k, v in heads], dim=-1)


def _head(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """(queries, width), (keys, width), (width, keys) -> (queries, width)."""
    blocks = torch.split(queries, QUERIES)
    return torch.cat([_linear(torch.softmax(_linear(block, keys), dim=-1), values) for block in blocks])
