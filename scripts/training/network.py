"""The network: a U over bands, wider and wider apart in time, and a gain for each band and column.

Patches of a few bands and columns become one place of many channels, as in a vision transformer (Dosovitskiy et al.,
"An image is worth 16x16 words", 2020): at all bands and columns nothing is computed but the gain. Places are gathered
by four bands at each step down and given back on the way up beside what was there (Ronneberger, Fischer, Brox, "U-Net",
2015). What comes out bends a sigmoid of how far each band lies above the floor:

    gain = sigmoid(slope * decades above the floor + offset)
"""

from itertools import pairwise

import torch
from torch import nn

from stream_restore.restoration.noise_floor import FEATURES

__all__ = ["Gains"]

PATCH = (4, 4)
"""Bands and columns of a place."""
CHANNELS = (32, 64, 96)
"""At a quarter of the bands, at a sixteenth, and so on."""
DILATIONS = ((1,), (1, 2), (1, 2, 4))
"""Of places in time, for each block of each floor."""
STEP, KERNEL = 4, 8
FIRST_SLOPE, FIRST_OFFSET = 2.0, 1.0
"""Where the network begins: at a gain of 0.73 at the floor, whose slope lets it learn either way."""
PACE = 5.0
"""How much faster slopes and offsets move than what they come from."""
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
    """Features, shape (batch, FEATURES, bands, columns), to gains of 0 to 1, shape (batch, bands, columns).

    Args:
        patch: bands and columns of a place; bands are a multiple of the first.
        channels: of each floor.
        dilations: of each block of each floor.
    """

    def __init__(
        self,
        patch: tuple[int, int] = PATCH,
        channels: tuple[int, ...] = CHANNELS,
        dilations: tuple[tuple[int, ...], ...] = DILATIONS,
    ) -> None:
        super().__init__()
        self.patch = patch
        pairs, size = list(pairwise(channels)), patch[0] * patch[1]
        self.first = nn.Conv2d(size, channels[0], 3, padding=1)
        self.constant = nn.Conv2d((FEATURES - 1) * patch[0], channels[0], (5, 1), padding=(2, 0))
        self.down = nn.ModuleList(
            nn.Conv2d(low, high, (KERNEL, 1), stride=(STEP, 1), padding=(STEP // 2, 0)) for low, high in pairs
        )
        self.deep = nn.ModuleList(
            nn.Sequential(*(Block(c, d) for d in ds)) for c, ds in zip(channels, dilations, strict=True)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(high, low, (KERNEL, 1), stride=(STEP, 1), padding=(STEP // 2, 0)) for low, high in pairs
        )
        self.back = nn.ModuleList(Block(low, 1) for low, _ in pairs)
        self.last = nn.Conv2d(channels[0], 2 * size, 1)
        with torch.no_grad():
            self.last.weight.mul_(0.1)
            bias = list(self.last.parameters())[1]
            bias[:size].fill_(FIRST_SLOPE / PACE)
            bias[size:].fill_(FIRST_OFFSET / PACE)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        columns = features.shape[-1]
        missing = -columns % self.patch[1]
        over = nn.functional.pad(features[:, :1], (0, missing))
        hidden = self.first(self._gathered(over)) + self.constant(self._steady(features))
        floors = [hidden := self.deep[0](hidden)]
        for down, deep in zip(self.down, self.deep[1:], strict=True):
            hidden = deep(down(torch.relu(hidden)))
            floors.append(hidden)
        for up, back, across in zip(reversed(self.up), reversed(self.back), reversed(floors[:-1]), strict=True):
            hidden = back(up(torch.relu(hidden)) + across)
        slope, offset = (PACE * self.last(torch.relu(hidden))).chunk(2, dim=1)
        gains = torch.sigmoid(self._scattered(slope) * over[:, 0] + self._scattered(offset))
        return gains[..., :columns]

    def _gathered(self, over: torch.Tensor) -> torch.Tensor:
        """Patches as channels: (batch, 1, bands, columns) to (batch, bands * columns of a patch, places, places)."""
        tall, long = self.patch
        batch, _, bands, columns = over.shape
        places = over.reshape(batch, bands // tall, tall, columns // long, long)
        return places.permute(0, 2, 4, 1, 3).reshape(batch, tall * long, bands // tall, columns // long)

    def _scattered(self, places: torch.Tensor) -> torch.Tensor:
        """The reverse, to (batch, bands, columns)."""
        tall, long = self.patch
        batch, _, high, wide = places.shape
        patches = places.reshape(batch, tall, long, high, wide)
        return patches.permute(0, 3, 1, 4, 2).reshape(batch, high * tall, wide * long)

    def _steady(self, features: torch.Tensor) -> torch.Tensor:
        """What all columns share, (batch, (FEATURES - 1) * bands of a patch, places, 1)."""
        tall = self.patch[0]
        shared = features[:, 1:, :, :1]
        batch, count, bands, _ = shared.shape
        places = shared.reshape(batch, count, bands // tall, tall, 1)
        return places.permute(0, 1, 3, 2, 4).reshape(batch, count * tall, bands // tall, 1)
