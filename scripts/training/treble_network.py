"""The network of the repair `treble`: convolutions over time, wider and wider apart, of levels in bands.

Two columns at a time are one step, which halves the work. What is common to all of three seconds is added to each step.
"""

import torch
from torch import nn

from stream_restore.restoration.repairs.treble.levels import BANDS, FEATURES

__all__ = ["Continuation"]

CHANNELS = 128
DILATIONS = (1, 2, 4, 8, 16, 1, 2, 4)
PAIR = 2
FIRST_SCALE = 0.2
"""Of residual branches, in the beginning."""


class Block(nn.Module):
    """x + scale * mix(relu(wide(relu(x)) + overall(mean of x over time)))."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.wide = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.overall = nn.Conv1d(channels, channels, 1, bias=False)
        self.mix = nn.Conv1d(channels, channels, 1)
        self.scale = nn.Parameter(torch.full((channels, 1), FIRST_SCALE))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        mean = self.overall(hidden.mean(dim=-1, keepdim=True))
        branch: torch.Tensor = self.mix(torch.relu(self.wide(torch.relu(hidden)) + mean))
        return hidden + self.scale * branch


class Continuation(nn.Module):
    """Features, shape (batch, FEATURES, BANDS, columns), to levels in units of 20 dB, shape (batch, BANDS, columns)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(FEATURES * BANDS * PAIR, CHANNELS, 1)
        self.blocks = nn.Sequential(*(Block(CHANNELS, dilation) for dilation in DILATIONS))
        self.last = nn.Conv1d(CHANNELS, BANDS * PAIR, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        batch, _, bands, columns = features.shape
        given = features.reshape(batch, -1, columns // PAIR, PAIR)
        steps = given.permute(0, 1, 3, 2).reshape(batch, -1, columns // PAIR)
        out = self.last(torch.relu(self.blocks(self.first(steps))))
        levels = out.reshape(batch, bands, PAIR, columns // PAIR).permute(0, 1, 3, 2).reshape(batch, bands, columns)
        restored: torch.Tensor = features[:, FEATURES - 1] + levels
        return restored
