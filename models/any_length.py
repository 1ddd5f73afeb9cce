"""Demucs layers rewritten to export with a dynamic time axis.

Tracing follows one path through `if` and `for` and freezes the lengths seen there. These layers compute the same values
with one formula for all (symbolic) lengths.
"""

from collections.abc import Callable
from typing import Any

import torch
from demucs.demucs import BLSTM
from demucs.hdemucs import HDecLayer, HEncLayer
from julius.resample import ResampleFrac
from torch import nn

__all__ = ["Decoder", "Encoder", "FramedLstm", "Lstm", "Resample", "of_any_length"]

_smaller: Callable[[int, int], int] = torch.sym_min


class Lstm(nn.Module):
    """`nn.LSTM`, bidirectional, from a zero state, as the ONNX operator; computes nothing in PyTorch.

    Gate order: input, output, forget, cell in ONNX; input, forget, cell, output in PyTorch.
    """

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        self.width = lstm.hidden_size
        self.layers = lstm.num_layers
        for layer in range(lstm.num_layers):
            biases = torch.cat([_gates(lstm, f"bias_{each}_l{layer}") for each in ("ih", "hh")], dim=1)
            self.register_buffer(f"bias{layer}", biases)
            self.register_buffer(f"input{layer}", _gates(lstm, f"weight_ih_l{layer}"))
            self.register_buffer(f"state{layer}", _gates(lstm, f"weight_hh_l{layer}"))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, None]:
        """(steps, batch, features) -> (steps, batch, 2 * width); the final states are not returned."""
        steps, batch = x.shape[:2]
        for layer in range(self.layers):
            inputs = (x, *(self.get_buffer(f"{name}{layer}") for name in ("input", "state", "bias")))
            y = torch.onnx.ops.symbolic(
                "LSTM",
                inputs,
                {"hidden_size": self.width, "direction": "bidirectional"},
                dtype=x.dtype,
                shape=(steps, 2, batch, self.width),
                version=14,
            )
            x = y.permute(0, 2, 1, 3).reshape(steps, batch, 2 * self.width)
        return x, None


def _gates(lstm: nn.LSTM, name: str) -> torch.Tensor:
    """A weight of both directions in ONNX gate order, shape (2, 4 * width, ...)."""
    both = [getattr(lstm, name + direction).detach().chunk(4) for direction in ("", "_reverse")]
    return torch.stack([torch.cat([i, o, f, c]) for i, f, c, o in both])


class FramedLstm(nn.Module):
    """`BLSTM`, which splits inputs longer than `max_steps` into half-overlapping frames and trims their edges.

    Here, a shorter input is one frame of its own length.
    """

    def __init__(self, blstm: BLSTM) -> None:
        super().__init__()
        self.blstm = blstm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, steps) -> the same shape."""
        batch, channels, steps = x.shape
        longest = self.blstm.max_steps
        stride = longest // 2
        many = _smaller(steps // (longest + 1), 1)  # 1 if the input is split, else 0
        count = 1 + many * ((steps + stride - 1) // stride - 1)
        width = _smaller(steps, longest)
        padded = nn.functional.pad(x, (0, (count - 1) * stride + width - steps))
        places = stride * torch.arange(count)[:, None] + torch.arange(width)
        frames = padded.index_select(-1, places.reshape(-1)).reshape(batch, channels, count, width)
        out, _ = self.blstm.lstm(frames.permute(3, 0, 2, 1).reshape(width, batch * count, channels))
        out = self.blstm.linear(out).reshape(width, batch, count, channels).permute(1, 3, 2, 0)
        time = torch.arange(steps)
        frame = many * ((time - stride // 2).clamp(min=0) // stride)
        joined: torch.Tensor = out.reshape(batch, channels, count * width).index_select(
            -1, time + frame * (width - stride)
        )
        return joined + x if self.blstm.skip else joined


class Resample(nn.Module):
    """`julius.resample_frac` by 2 or 1/2, for lengths that `old` divides."""

    def __init__(self, old: int, new: int) -> None:
        super().__init__()
        theirs: Any = ResampleFrac(old, new)
        self.old, self.new, self.margin = old, new, theirs._width
        self.register_buffer("kernel", theirs.kernel)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(1, channels, frames) -> (1, channels, frames * new / old)."""
        channels, frames = x.shape[1:]
        longer = nn.functional.pad(x.reshape(channels, 1, frames), (self.margin, self.margin), mode="replicate")
        phases = nn.functional.conv1d(longer, self.get_buffer("kernel"), stride=self.old)
        return phases.transpose(1, 2).reshape(1, channels, frames // self.old * self.new)


class Encoder(nn.Module):
    """A time-domain encoder layer of `HDemucs`, which pads its input to a multiple of its stride.

    Attributes:
        steps: length of the output; None: ceil(frames / stride). Set for the outer layers, since an exporter cannot
            see that ceil(ceil(n / 4) / 4) is ceil(n / 16).
    """

    def __init__(self, layer: HEncLayer) -> None:
        super().__init__()
        self.layer, self.empty = layer, layer.empty
        self.steps: int | None = None

    def forward(self, x: torch.Tensor, inject: torch.Tensor | None = None) -> Any:
        """(1, channels, frames) or (1, channels, 1, frames) -> (1, channels, steps)."""
        x, stride = x.reshape(1, -1, x.shape[-1]), self.layer.stride
        steps = (x.shape[-1] + stride - 1) // stride if self.steps is None else self.steps
        return self.layer(nn.functional.pad(x, (0, steps * stride - x.shape[-1])), inject)


class Decoder(nn.Module):
    """A time-domain decoder layer of `HDemucs`, which trims the padding of its encoder."""

    def __init__(self, layer: HDecLayer) -> None:
        super().__init__()
        self.layer, self.empty, self.pad = layer, layer.empty, layer.pad
        layer.pad = 0

    def forward(self, x: torch.Tensor, skip: torch.Tensor | None, length: int) -> Any:
        """(1, channels, steps) -> (1, channels, length), and the input of the transposed convolution."""
        longer = (x.shape[-1] - 1) * self.layer.stride + self.layer.kernel_size
        z, before = self.layer(x, skip, longer)
        return z.index_select(-1, torch.arange(length) + self.pad), before


def of_any_length(network: nn.Module) -> None:
    """Replace the fixed-length layers of a `Demucs` or `HDemucs`, in place."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if (own := _of_any_length(child)) is not None:
                setattr(module, name, own)


def _of_any_length(layer: Any) -> nn.Module | None:
    if isinstance(layer, nn.LSTM):
        return Lstm(layer)
    if isinstance(layer, BLSTM) and layer.max_steps is not None:
        return FramedLstm(layer)
    if isinstance(layer, HEncLayer) and not layer.freq:
        return Encoder(layer)
    if isinstance(layer, HDecLayer) and not layer.freq:
        return Decoder(layer)
    return None
