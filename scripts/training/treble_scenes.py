"""What the network of the repair `treble` learns from: levels of music, cut off anywhere between 3 and 16 kHz.

A low-pass weakens levels, and that is all of it that the network sees: it is done to the levels of the whole corpus,
which are computed once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from passes import SAMPLE_RATE

from stream_restore.restoration.repairs.treble.levels import (
    BANDS,
    CENTRES_HZ,
    COLUMNS,
    RANGE_DB,
    STEP_DB,
    BandLayout,
    column_size,
    features,
    known_bands,
    reference_db,
)

from .corpus import Piece

__all__ = ["Batch", "TrebleScenes", "band_levels"]

LOWEST_HZ, HIGHEST_HZ = 3000.0, 16000.0
FOUND_DB = 6.0
"""A cut-off is found where the level has fallen by so much."""
MOST_OF_A_PACKAGE = 30
HARDLY_HEARD_HZ, HARDLY_HEARD = 20000.0, 0.3
"""Above this, errors weigh less."""
SAVED_WITHOUT = 0.2
"""So much weigh bands that a codec left out: what was there is not known, but much that is restored lacks them, too."""
CODEC_DB = 20.0
"""A codec's cut-off falls by so much within three bands, and nothing comes above it."""
PIECE = 1024
"""Columns that are computed at once."""


@dataclass(frozen=True)
class Batch:
    """Features, shape (batch, FEATURES, BANDS, COLUMNS); levels in units of 20 dB and how much each band's errors
    weigh, shape (batch, BANDS, COLUMNS) and (batch, BANDS)."""

    features: NDArray[np.float32]
    levels: NDArray[np.float32]
    weights: NDArray[np.float32]


def band_levels(piece: Piece, cache: Path) -> NDArray[np.float16]:
    """Levels of a piece in dB, shape (2, BANDS, columns), computed once."""
    cache.mkdir(parents=True, exist_ok=True)
    kept = cache / f"{piece.package}-{piece.name.replace('/', '-')}.npy"
    if not kept.exists():
        np.save(kept, np.stack([_levels(channel) for channel in piece.sound]))
    levels: NDArray[np.float16] = np.load(kept, mmap_mode="r")
    return levels


def _levels(channel: NDArray[np.float16]) -> NDArray[np.float16]:
    size = column_size(SAMPLE_RATE)
    layout, window, hop = BandLayout(SAMPLE_RATE, size), np.hanning(size + 1)[:-1].astype(np.float32), size // 4
    out = []
    for start in range(0, len(channel) - size + 1, PIECE * hop):
        frames = np.asarray(channel[start : start + (PIECE - 1) * hop + size], np.float32)
        spectrum = scipy.fft.rfft(np.lib.stride_tricks.sliding_window_view(frames, size)[::hop] * window, axis=-1)
        out.append(layout.levels(spectrum.real**2 + spectrum.imag**2).T.astype(np.float16))
    return np.concatenate(out, axis=1)


class TrebleScenes:
    """Batches without end; the same seed gives the same.

    Args:
        levels: of each piece, by package.
    """

    def __init__(self, levels: Sequence[tuple[str, NDArray[np.float16]]], seed: int) -> None:
        self._packages: dict[str, list[NDArray[np.float16]]] = {}
        for package, each in levels:
            if each.shape[-1] >= COLUMNS:
                self._packages.setdefault(package, []).append(each)
        weights = np.sqrt([min(len(each), MOST_OF_A_PACKAGE) for each in self._packages.values()])
        self._weights = weights / weights.sum()
        self._rng = np.random.default_rng(seed)
        self._weights_of: dict[int, NDArray[np.float64]] = {}

    def batch(self, size: int) -> Batch:
        """So many excerpts of three seconds."""
        scenes = [self._scene() for _ in range(size)]
        return Batch(*(np.stack(parts) for parts in zip(*scenes, strict=True)))

    def _saved(self, piece: NDArray[np.float16]) -> NDArray[np.float64]:
        """Weights of the bands of a piece: what its codec left out has less."""
        if id(piece) not in self._weights_of:
            self._weights_of[id(piece)] = _band_weights(piece)
        return self._weights_of[id(piece)]

    def _scene(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        rng = self._rng
        package = list(self._packages)[rng.choice(len(self._weights), p=self._weights)]
        piece = self._packages[package][rng.integers(len(self._packages[package]))]
        start = int(rng.integers(piece.shape[-1] - COLUMNS + 1))
        levels = piece[rng.integers(len(piece)), :, start : start + COLUMNS].astype(np.float32)
        if rng.random() < 0.5:  # recordings differ in tone
            levels = levels + np.float32(rng.normal(0, 1.0)) * np.log2(CENTRES_HZ / 1000)[:, None].astype(np.float32)
        cutoff = float(np.exp(rng.uniform(np.log(LOWEST_HZ), np.log(HIGHEST_HZ))))
        heard = levels - _attenuation_db(rng, cutoff)[:, None]
        found = cutoff * float(rng.uniform(0.97, 1.03))
        known = known_bands(found)
        reference = reference_db(heard, known)
        if rng.random() < 0.3:  # a noise floor
            heard = np.logaddexp2(heard / 3.01, (reference - rng.uniform(45, 90)) / 3.01) * np.float32(3.01)
        wanted = np.maximum(levels - reference, -RANGE_DB) / STEP_DB
        above = self._saved(piece) * np.where(CENTRES_HZ > HARDLY_HEARD_HZ, HARDLY_HEARD, 1.0) * (found < CENTRES_HZ)
        weights = (above / above.sum()).astype(np.float32)
        return features(heard.astype(np.float32), found), wanted.astype(np.float32), weights


def _band_weights(piece: NDArray[np.float16]) -> NDArray[np.float64]:
    loud = np.percentile(piece[:, :, ::16].astype(np.float32), 99, axis=(0, 2))
    top = int(np.flatnonzero(loud > loud.max() - RANGE_DB + 5)[-1])
    codec = top + 2 < BANDS and loud[top - 1] - loud[top + 2] > CODEC_DB
    return np.where((np.arange(BANDS) > top) & codec, SAVED_WITHOUT, 1.0)


def _attenuation_db(rng: np.random.Generator, cutoff_hz: float) -> NDArray[np.float32]:
    """Of each band, by a low-pass that takes `FOUND_DB` at the cut-off: a wall, or Butterworth's once or twice."""
    if rng.random() < 0.4:
        return np.zeros(BANDS, np.float32)
    twice, order = int(rng.integers(1, 3)), int(rng.integers(6, 17))
    corner = cutoff_hz / (10 ** (FOUND_DB / twice / 10) - 1) ** (1 / (2 * order))
    return np.asarray(twice * 10 * np.log10(1 + (CENTRES_HZ / corner) ** (2 * order)), np.float32)
