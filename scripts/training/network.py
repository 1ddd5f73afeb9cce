"""The network: a U over bands, wider and wider apart in time, and a gain for each band and column.

Bands are gathered by four at each step down, so that most of the work is done on few, and given back on the way up
beside what was there (Ronneberger, Fischer, Brox, "U-Net", 2015). Time keeps its columns: whether something is a tone
or noise shows along it.
"""

from itertools import pairwise

import torch
from torch import nn

from stream_restore.restoration.noise_floor import FEATURES

__all__ = ["Gains"]

CHANNELS = (16, 32, 64, 96)
"""At all bands, at a quarter of them, and so on."""
DILATIONS = ((1,), (1, 2), (1, 4), (1, 2, 8))
"""Of columns, for each block of each floor."""
STEP, KERNEL = 4, 8
FIRST_LOGIT = 2.0
"""Where the network begins: at a gain of 0.88, whose slope lets it learn either way."""
FIRST_SCALE = 0.1
"""Of residual branches, in the beginning."""


class Block(nn.Module):
    """x + scale * mix(relu(wide(relu(x))))."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(channels, channels, 3, padding=(1, dilation), dilation=(1, dilation))
        self.mix = nn.Conv2d(channels, channels, 1)
        self.scale = nn.Parameter(torch.full((channels, 1, 1), FIRST_SCALE))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        branch: torch.Tensor = self.mix(torch.relu(self.wide(torch.relu(hidden))))
        return hidden + self.scale * branch


class Gains(nn.Module):
    """Features, shape (batch, FEATURES, bands, columns), to gains of 0 to 1, shape (batch, bands, columns)."""

    def __init__(self) -> None:
        super().__init__()
        pairs = list(pairwise(CHANNELS))
        self.first = nn.Conv2d(FEATURES, CHANNELS[0], (5, 3), padding=(2, 1))
        self.down = nn.ModuleList(
            nn.Conv2d(low, high, (KERNEL, 1), stride=(STEP, 1), padding=(STEP // 2, 0)) for low, high in pairs
        )
        self.deep = nn.ModuleList(
            nn.Sequential(*(Block(c, d) for d in ds)) for c, ds in zip(CHANNELS, DILATIONS, strict=True)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(high, low, (KERNEL, 1), stride=(STEP, 1), padding=(STEP // 2, 0)) for low, high in pairs
        )
        self.back = nn.ModuleList(Block(low, 1) for low, _ in pairs)
        self.last = nn.Conv2d(CHANNELS[0], 1, 1)
        with torch.no_grad():
            for parameter in list(self.last.parameters())[1:]:
                parameter.fill_(FIRST_LOGIT)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        hidden = self.deep[0](self.first(features))
        floors = [hidden]
        for down, deep in zip(self.down, self.deep[1:], strict=True):
            hidden = deep(down(torch.relu(hidden)))
            floors.append(hidden)
        for up, back, across in zip(reversed(self.up), reversed(self.back), reversed(floors[:-1]), strict=True):
            hidden = back(up(torch.relu(hidden)) + across)
        gains: torch.Tensor = torch.sigmoid(self.last(torch.relu(hidden)))[:, 0]
        return gains
