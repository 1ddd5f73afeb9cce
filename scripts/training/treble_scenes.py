"""What the network of the repair `treble` learns from: levels of music, cut off anywhere between 3 and 16 kHz.

A low-pass weakens levels, and that is all of it that the network sees: it is done to the levels of excerpts, many at
once, on any device.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from stream_restore.restoration.repairs.treble import levels as heard_levels
from stream_restore.restoration.repairs.treble.levels import BANDS, COLUMNS, RANGE_DB, STEP_DB, TONAL_COLUMNS

from .treble_levels import LONGEST, LOUDEST, TONAL_STEP_DB, Excerpt, Recording

__all__ = ["Batch", "TrebleScenes", "features"]

LOWEST_HZ, HIGHEST_HZ = 3000.0, 16000.0
FOUND_DB = 6.0
"""A cut-off is found where the level has fallen by so much."""
MOST_OF_A_PACKAGE = 60
HARDLY_HEARD_HZ, HARDLY_HEARD = 20000.0, 0.3
"""Above this, errors weigh less."""
SAVED_WITHOUT = 0.2
"""So much weigh bands that a codec left out: what was there is not known, but much that is restored lacks them, too."""
CODEC_DB = 20.0
"""A codec's cut-off falls by so much within three bands, and nothing comes above it."""
MIXED = 0.3
"""Share of scenes with two excerpts at once."""
MIDDLE = 128
"""Columns in the middle that are learnt: those of a block, and some on both sides."""
NOTHING = -300.0
"""In dB; a power that vanishes in sums."""
DB_OF_TWO = 10 * math.log10(2)


@dataclass(frozen=True)
class Batch:
    """Features, shape (batch, FEATURES, BANDS, COLUMNS); levels in units of 20 dB, shape (batch, BANDS, COLUMNS); how
    much each band's errors weigh, shape (batch, BANDS), and each column's, shape (batch, COLUMNS)."""

    features: torch.Tensor
    levels: torch.Tensor
    weights: torch.Tensor
    columns: torch.Tensor


class TrebleScenes:
    """Batches without end; the same seed gives the same on the same kind of device.

    Args:
        recordings: excerpts of each.
        device: where batches are made.
    """

    def __init__(self, recordings: Sequence[Recording], seed: int, device: str = "cpu") -> None:
        self._device = torch.device(device)
        self._random = torch.Generator(device=self._device).manual_seed(seed)
        found = [
            (recording.package, excerpt, _left_out(recording.excerpts))
            for recording in recordings
            for excerpt in recording.excerpts
            if excerpt.levels.shape[1] >= COLUMNS
        ]
        levels = np.zeros((len(found), BANDS, LONGEST), np.uint8)
        tonality = np.zeros((len(found), BANDS, LONGEST // TONAL_COLUMNS), np.uint8)
        for number, (_, excerpt, _) in enumerate(found):
            levels[number, :, : excerpt.levels.shape[1]] = excerpt.levels
            tonality[number, :, : excerpt.tonality.shape[1]] = excerpt.tonality
        self._levels, self._tonality = self._put(levels), self._put(tonality)
        self._lengths = self._put(np.array([excerpt.levels.shape[1] for _, excerpt, _ in found]))
        self._left_out = self._put(np.stack([bands for _, _, bands in found]))
        self._chances = self._put(_chances([package for package, _, _ in found]))
        self._edges = self._put(heard_levels.EDGES_HZ.astype(np.float32))
        self._centres = self._put(heard_levels.CENTRES_HZ.astype(np.float32))

    def batch(self, size: int) -> Batch:
        """So many excerpts of three seconds."""
        levels, tonality, left_out = self._mixed(size)
        levels = levels + self._tilt_db(size)[:, :, None]
        cutoff = LOWEST_HZ * torch.exp(self._uniform(size) * math.log(HIGHEST_HZ / LOWEST_HZ))
        found = cutoff * (0.97 + 0.06 * self._uniform(size))
        heard, sounding = self._heard(levels, cutoff, found)
        seen, reference = features(heard, tonality, found, sounding)
        wanted = (levels - reference[:, None, None]).clamp(min=-RANGE_DB) / STEP_DB
        above = (self._edges[None, 1:] > found[:, None]).float()
        above = above * torch.where(self._centres > HARDLY_HEARD_HZ, HARDLY_HEARD, 1.0)
        above = above * torch.where(left_out, SAVED_WITHOUT, 1.0)
        column = torch.arange(COLUMNS, device=self._device)
        middle = (column >= (COLUMNS - MIDDLE) // 2) & (column < (COLUMNS + MIDDLE) // 2)
        return Batch(seen, wanted, above / above.sum(dim=1, keepdim=True), (middle & sounding).float())

    def _put(self, array: NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(array).to(self._device)

    def _uniform(self, *shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=self._random, device=self._device)

    def _normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=self._random, device=self._device)

    def _excerpts(self, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Levels and how tonal they are, in dB, and the bands that codecs left out."""
        which = torch.multinomial(self._chances, size, replacement=True, generator=self._random)
        places = ((self._lengths[which] - COLUMNS) // TONAL_COLUMNS + 1) * self._uniform(size)
        band = torch.arange(BANDS, device=self._device)[None, :, None]
        column = places.long()[:, None, None] * TONAL_COLUMNS + torch.arange(COLUMNS, device=self._device)
        kept = self._levels[which[:, None, None], band, column].float()
        tonality = TONAL_STEP_DB * self._tonality[which[:, None, None], band, column // TONAL_COLUMNS].float()
        # Within the steps that they are kept in, levels are anything.
        return kept - LOUDEST + self._uniform(size, BANDS, COLUMNS) - 0.5, tonality, self._left_out[which]

    def _mixed(self, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The same, with another excerpt beneath some."""
        levels, tonality, left_out = self._excerpts(size)
        others, their_tonality, theirs = self._excerpts(size)
        is_mixed = self._uniform(size) < MIXED
        gain = levels.amax(dim=(1, 2)) - others.amax(dim=(1, 2)) - 20 * self._uniform(size)
        others = others + torch.where(is_mixed, gain, NOTHING)[:, None, None]
        tonality = torch.where(others > levels, their_tonality, tonality)
        left_out = torch.where(is_mixed[:, None], left_out & theirs, left_out)
        return torch.logaddexp2(levels / DB_OF_TWO, others / DB_OF_TWO) * DB_OF_TWO, tonality, left_out

    def _tilt_db(self, size: int) -> torch.Tensor:
        """Recordings differ in tone; shape (size, BANDS)."""
        slope = torch.where(self._uniform(size) < 0.5, self._normal(size), 0.0)
        return slope[:, None] * torch.log2(self._centres / 1000)

    def _heard(
        self, levels: torch.Tensor, cutoff: torch.Tensor, found: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What is left of levels, and which columns sound: some excerpts begin or end, some have a noise floor."""
        size, column = len(levels), torch.arange(COLUMNS, device=self._device)
        missing = (torch.where(self._uniform(size) < 0.15, self._uniform(size), 0.0) * (COLUMNS - 64) / 2).long()[
            :, None
        ]
        begins = (self._uniform(size) < 0.5)[:, None]
        sounding = torch.where(begins, column >= missing, column < COLUMNS - missing)
        weakened = levels - self._attenuation_db(cutoff)[:, :, None]
        heard = torch.where(sounding[:, None], weakened, NOTHING)
        reference = _loudest(heard, self._edges[1:] <= found[:, None])
        floor = reference + torch.where(self._uniform(size) < 0.3, -45 - 45 * self._uniform(size), NOTHING)
        noisy = torch.logaddexp2(heard / DB_OF_TWO, floor[:, None, None] / DB_OF_TWO) * DB_OF_TWO
        return torch.where(sounding[:, None], noisy, NOTHING), sounding

    def _attenuation_db(self, cutoff: torch.Tensor) -> torch.Tensor:
        """Of each band, by a low-pass that takes `FOUND_DB` at the cut-off: a wall, or Butterworth's once or twice."""
        size = len(cutoff)
        twice, order = 1 + (self._uniform(size) * 2).floor(), 6 + (self._uniform(size) * 11).floor()
        corner = cutoff / (10 ** (FOUND_DB / twice / 10) - 1) ** (1 / (2 * order))
        power = (self._centres / corner[:, None]) ** (2 * order[:, None])
        filtered = twice[:, None] * 10 * torch.log10(1 + power)
        return torch.where(self._uniform(size, 1) < 0.4, 0.0, filtered)


def features(
    heard: torch.Tensor, tonality: torch.Tensor, cutoff_hz: torch.Tensor, sounding: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """`levels.features` of many scenes, and the loudest level of each that is known, in dB.

    Args:
        heard: levels, shape (batch, BANDS, columns), in dB.
        tonality: how tonal they are, of the same shape, in dB.
        cutoff_hz: shape (batch,).
        sounding: which columns are no silence, shape (batch, columns).
    """
    edges = torch.tensor(heard_levels.EDGES_HZ, dtype=torch.float32, device=heard.device)
    octaves = torch.log2(torch.tensor(heard_levels.CENTRES_HZ, dtype=torch.float32, device=heard.device))
    known, band = edges[1:] <= cutoff_hz[:, None], torch.arange(BANDS, device=heard.device)
    reference = _loudest(heard, known)
    relative = heard - reference[:, None, None]
    scaled = relative.clamp(min=-RANGE_DB - 10) / STEP_DB
    sounding = (sounding & (torch.where(known[:, :, None], relative, NOTHING).amax(dim=1) > -RANGE_DB)).float()
    columns = sounding.sum(dim=1, keepdim=True)
    last = known.sum(dim=1, keepdim=True) - 1
    lowest = edges[last.squeeze(1)][:, None] / heard_levels.LINE
    under = ((band < last) & (edges[:-1] >= lowest)).float()
    under = under / under.sum(dim=1, keepdim=True)
    away = octaves - (under * octaves).sum(dim=1, keepdim=True)
    mean = (scaled * sounding[:, None]).sum(dim=-1) / columns
    slope = (under * away * mean).sum(dim=1, keepdim=True) / (under * away**2).sum(dim=1, keepdim=True)
    line = (under * mean).sum(dim=1, keepdim=True) + slope.clamp(*heard_levels.SLOPES) * away
    highest = ((band < last) & (band >= last - heard_levels.HIGHEST)).float() / heard_levels.HIGHEST
    top = torch.einsum("nb,nbt->nt", highest, scaled)
    moved = top - (top * sounding).sum(dim=1, keepdim=True) / columns
    guess = (line[:, :, None] + moved[:, None]).clamp(min=heard_levels.LOWEST_GUESS)
    shown = known[:, :, None].float().expand_as(scaled)
    tonal = tonality / heard_levels.TONALITY_DB * shown * (relative > -RANGE_DB)
    return torch.stack([scaled * shown, shown, tonal, guess], dim=1), reference


def _loudest(levels: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Of the bands that are known, shape (batch,)."""
    return torch.where(known[:, :, None], levels, NOTHING).amax(dim=(1, 2))


def _left_out(excerpts: Sequence[Excerpt]) -> NDArray[np.bool_]:
    """The bands that a recording's codec left out, shape (BANDS,)."""
    loud = np.percentile(np.concatenate([each.levels[:, ::4] for each in excerpts], axis=1), 99, axis=1)
    top = int(np.flatnonzero(loud > loud.max() - RANGE_DB + 5)[-1])
    codec = top + 2 < BANDS and loud[top - 1] - loud[top + 2] > CODEC_DB
    return np.asarray((np.arange(BANDS) > top) & codec)


def _chances(packages: Sequence[str]) -> NDArray[np.float32]:
    """Of each excerpt to be heard: those of a package go with the root of their number, up to a limit."""
    counts = {package: packages.count(package) for package in packages}
    most = 3 * MOST_OF_A_PACKAGE
    return np.array([math.sqrt(min(counts[each], most)) / counts[each] for each in packages], np.float32)
