"""The floor of noise, and what the network sees, for many scenes at once on any device: `noise_floor` in PyTorch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from stream_restore.restoration import noise_floor
from stream_restore.restoration.noise_floor import BANDS, COLUMNS, DOUBLE, FOURFOLD, HOP, SINGLE, SIZE

__all__ = ["BANDS_OF", "Floors", "band_sums", "columns_of", "features", "find_floors"]

BANDS_OF = np.repeat([1, 2, 4], [SINGLE, DOUBLE, FOURFOLD])
"""Bins in each band; the highest bin is left out."""


def columns_of(sound: Tensor) -> Tensor:
    """Columns of a spectrogram, shape (scenes, columns, SIZE/2 + 1), of frames of shape (scenes, frames)."""
    window = torch.from_numpy(noise_floor.WINDOW).to(sound.device)
    columns: Tensor = torch.fft.rfft(sound.unfold(-1, SIZE, HOP) * window)
    return columns


def band_sums(power: Tensor) -> Tensor:
    """Sums over the bins of each band, shape (..., BANDS), of shape (..., SIZE/2 + 1)."""
    double, fourfold = SINGLE + 2 * DOUBLE, SINGLE + 2 * DOUBLE + 4 * FOURFOLD
    sums = [
        power[..., :SINGLE],
        power[..., SINGLE:double].reshape(*power.shape[:-1], DOUBLE, 2).sum(dim=-1),
        power[..., double:fourfold].reshape(*power.shape[:-1], FOURFOLD, 4).sum(dim=-1),
    ]
    return torch.cat(sums, dim=-1)


@dataclass(frozen=True)
class Floors:
    """As `noise_floor.Floor`, with a first axis of scenes; `found`: whether there is any sound, shape (scenes,)."""

    power: Tensor
    mean: Tensor
    quantiles: Tensor
    share: Tensor
    found: Tensor


def find_floors(powers: Tensor, whole: int) -> Floors:
    """Floors under powers of shape (scenes, columns, BANDS), columns a multiple of COLUMNS.

    Args:
        whole: number of moments that a whole minute has.
    """
    grouped = powers.reshape(len(powers), -1, COLUMNS, BANDS)
    silent = (grouped.mean(dim=3) < noise_floor.SILENCE * SIZE).any(dim=2)
    moments = grouped.mean(dim=2)
    heard = (~silent).sum(dim=1)
    ordered = torch.where(silent[..., None], torch.inf, moments).sort(dim=1).values
    ranks = torch.stack([(quantile * heard).long() for quantile in noise_floor.QUANTILES], dim=1)
    quantiles = ordered.gather(1, ranks[..., None].expand(-1, -1, BANDS)).clamp(min=noise_floor.LEAST)
    total = torch.where(silent[..., None], 0, moments).sum(dim=1)
    mean = (total / heard.clamp(min=1)[:, None]).clamp(min=noise_floor.LEAST)
    found = heard > 0
    quantiles = torch.where(found[:, None, None], quantiles, 1)
    return Floors(_smoothed(quantiles, mean), mean, quantiles, (heard / whole).clamp(max=1.0), found)


def features(powers: Tensor, floors: Floors) -> Tensor:
    """What the network sees, shape (scenes, FEATURES, BANDS, columns), of powers of shape (scenes, columns, BANDS)."""
    over = torch.log10(powers.clamp(min=noise_floor.LEAST).mT / floors.power[..., None])
    steady = torch.log10(torch.cat([floors.mean[:, None], floors.quantiles], dim=1) / floors.power[:, None])
    constant = torch.cat([steady, floors.share[:, None, None].expand(-1, 1, BANDS)], dim=1)
    return torch.cat([over[:, None], constant[..., None].expand(-1, -1, -1, over.shape[-1])], dim=1)


def _smoothed(quantiles: Tensor, mean: Tensor) -> Tensor:
    """As `noise_floor._smoothed`."""
    power, below = (_percentile(_neighbours(quantiles[:, 0], side), noise_floor.PERCENTILE) for side in (0, 1))
    above = _percentile(_neighbours(mean, 2), 100 - noise_floor.PERCENTILE)
    loudest = _neighbours(below, 1).amax(dim=-1)
    empty = above < noise_floor.EMPTY * loudest
    stop = torch.where(empty.any(dim=1), empty.int().argmax(dim=1), 0)[:, None]
    band = torch.arange(BANDS, device=mean.device)[None]
    edge = (band < stop) & (band >= stop - 2 * noise_floor.NEIGHBOURS)
    spread = quantiles[:, 3] / quantiles[:, 0] / torch.from_numpy(noise_floor.SPREAD).to(mean.device)
    middle = torch.where(edge, spread, torch.nan).nanmedian(dim=1, keepdim=True).values
    return torch.where(edge & (middle < noise_floor.STEADY), torch.maximum(power, below), power)


def _neighbours(bands: Tensor, side: int) -> Tensor:
    """Of each band the NEIGHBOURS around it (0), up to it (1) or from it on (2), shape (scenes, BANDS, NEIGHBOURS)."""
    half = noise_floor.NEIGHBOURS // 2
    before = (half, 2 * half, 0)[side]
    return pad(bands[:, None], (before, 2 * half - before), mode="replicate")[:, 0].unfold(-1, 2 * half + 1, 1)


def _percentile(neighbours: Tensor, percentile: int) -> Tensor:
    rank = int(neighbours.shape[-1] * percentile / 100)
    return neighbours.sort(dim=-1).values[..., rank]
