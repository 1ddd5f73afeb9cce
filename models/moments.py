"""Means, deviations and group norms over many values, in sums that ONNX Runtime computes accurately.

ONNX Runtime sums a long axis element by element: the deviation of a spectrogram of 2.7 million values was off by 1e-3,
a group norm of 8 million by 3e-4. Where most values of a group are equal, as around a short sound in silence, 30 000
suffice for an error of 1.6e-5 of the output's peak. Sums in two stages leave 4e-7 (measured, version 1.32).
"""

import math
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

__all__ = ["StagedMoments", "mean", "squares"]

LONG = 1 << 12
"""Group size beyond which normalisation is staged."""


class StagedMoments(TorchFunctionMode):
    """While active, means, deviations and group norms over many values sum rows, then the row sums."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call `func` or its staged equivalent."""
        options = kwargs or {}
        staged = {torch.Tensor.mean: _staged_mean, torch.Tensor.std: _staged_std}.get(func)
        if staged and len(args) == 1 and options.get("keepdim") and _reduces_all(args[0], options["dim"]):
            return staged(args[0])
        if func is nn.functional.group_norm and _longest(args[0].numel() // (len(args[0]) * args[1])) > LONG:
            return _staged_group_norm(*args, **options)
        return func(*args, **options)


def _longest(size: int | torch.SymInt) -> int:
    """A size as an integer; a dynamic one has its value in the trace, which is its largest."""
    return int(size.node.hint) if isinstance(size, torch.SymInt) else size


def _reduces_all(tensor: torch.Tensor, dim: int | tuple[int, ...]) -> bool:
    dims = (dim,) if isinstance(dim, int) else dim
    return math.prod(tensor.shape[each] for each in dims) == tensor.numel()


def _rows(groups: torch.Tensor) -> torch.Tensor:
    """(groups, values) -> (groups, rows, row), as square as a divisor allows, else padded with zeros."""
    size = groups.shape[-1]
    root = math.isqrt(_longest(size))
    row = 0 if isinstance(size, torch.SymInt) else _divisor(size, root)
    if not row:
        row = root + 1
        rows = (size + row - 1) // row
        groups = nn.functional.pad(groups, (0, rows * row - size))
    return groups.reshape(len(groups), -1, row)


def _divisor(size: int, root: int) -> int:
    """The largest divisor of `size` from `root` down to about an eighth of it; 0: there is none."""
    return next((each for each in range(root, root // 8, -1) if size % each == 0), 0)


def mean(groups: torch.Tensor) -> torch.Tensor:
    """(groups, values) -> (groups, 1)."""
    return _rows(groups).sum(-1).sum(-1, keepdim=True) / groups.shape[-1]


def squares(groups: torch.Tensor) -> torch.Tensor:
    """Sums of squares, (groups, values) -> (groups, 1)."""
    norms: torch.Tensor = torch.linalg.vector_norm(_rows(groups), dim=-1)
    return norms.square().sum(-1, keepdim=True)


def _staged_mean(tensor: torch.Tensor) -> torch.Tensor:
    return mean(tensor.reshape(1, -1)).reshape([1] * tensor.ndim)


def _staged_std(tensor: torch.Tensor) -> torch.Tensor:
    centred = (tensor - _staged_mean(tensor)).reshape(1, -1)
    return torch.sqrt(squares(centred) / (tensor.numel() - 1)).reshape([1] * tensor.ndim)


def _staged_group_norm(
    tensor: torch.Tensor, groups: int, weight: torch.Tensor, bias: torch.Tensor, eps: float
) -> torch.Tensor:
    batch, channels = tensor.shape[:2]
    each = tensor.reshape(batch * groups, -1)
    centred = each - mean(each)
    scale = torch.rsqrt(squares(centred) / each.shape[-1] + eps)
    scales = scale.reshape(batch, groups, 1).expand(batch, groups, channels // groups).reshape(batch, channels)
    per_channel = [-1, channels] + [1] * (tensor.ndim - 2)
    return centred.reshape(tensor.shape) * (scales * weight).reshape(per_channel) + bias.reshape(per_channel)
