"""What the network sees while it learns: music with noise or without, and the floor that was found in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from passes import SAMPLE_RATE
from scipy.signal import butter, sosfiltfilt

from stream_restore.restoration.denoise import CELL_COLUMNS, REACH
from stream_restore.restoration.noise_floor import (
    COLUMNS,
    HOP,
    band_powers,
    features,
    find_floor,
    quiet_moments,
    spectra,
)
from stream_restore.spec import Audio

from .corpus import Piece
from .noise import steady_noise

__all__ = ["Crop", "Scenes"]

CROP_COLUMNS = 128
BATCH = 6
MOST_OF_A_PACKAGE = 30
"""Packages are drawn by the root of their number of pieces, at most this many, so that no kind is a few percent."""
MOMENTS = (2 * REACH + 1) * CELL_COLUMNS // COLUMNS


@dataclass(frozen=True)
class Crop:
    """A part of a spectrogram.

    Attributes:
        features: what the network is given, shape (FEATURES, BANDS, CROP_COLUMNS).
        noisy, clean: spectra, shape (CROP_COLUMNS, bins).
    """

    features: NDArray[np.float32]
    noisy: NDArray[np.complex64]
    clean: NDArray[np.complex64]


class Scenes:
    """Batches without end; the same seed gives the same."""

    def __init__(self, pieces: Sequence[Piece], seed: int) -> None:
        self._packages: dict[str, list[Piece]] = {}
        for piece in pieces:
            self._packages.setdefault(piece.package, []).append(piece)
        weights = np.sqrt([min(len(each), MOST_OF_A_PACKAGE) for each in self._packages.values()])
        self._weights = weights / weights.sum()
        self._rng = np.random.default_rng(seed)

    def batch(self, clean_share: float) -> list[Crop]:
        """At least `BATCH` crops, of this share of scenes with nothing wrong."""
        crops: list[Crop] = []
        while len(crops) < BATCH:
            snr_db = None if self._rng.random() < clean_share else float(self._rng.normal(18, 9))
            crops += self._crops(*self._scene(snr_db))
        return crops

    def _scene(self, snr_db: float | None) -> tuple[Audio, Audio]:
        """A recording as it is heard, and without its noise, each of shape (2, frames)."""
        rng = self._rng
        package = list(self._packages)[rng.choice(len(self._weights), p=self._weights)]
        piece = self._packages[package][rng.integers(len(self._packages[package]))]
        seconds = 60.0 if rng.random() < 0.6 else rng.uniform(8, 60)
        clean = self._music(piece, int(seconds * SAMPLE_RATE)) * np.float32(10 ** (rng.uniform(-18, 3) / 20))
        if snr_db is None:
            return clean, clean
        level = np.sqrt(np.mean(clean**2, dtype=np.float64)) * 10 ** (-snr_db / 20)
        return clean + steady_noise(rng, clean.shape[1]) * np.float32(level), clean

    def _music(self, piece: Piece, frames: int) -> Audio:
        rng, step = self._rng, HOP * COLUMNS
        frames = min(frames, piece.sound.shape[1]) // step * step
        sound = piece.excerpt(int(rng.integers(piece.sound.shape[1] - frames + 1)), frames)
        if rng.random() < 0.25:  # what the evaluation's chain and low rates leave
            low_pass = butter(int(rng.integers(4, 13)), rng.uniform(3000, 12000), fs=SAMPLE_RATE, output="sos")
            sound = sosfiltfilt(low_pass, sound).astype(np.float32)
        if rng.random() < 0.1:
            sound = np.broadcast_to(sound.mean(axis=0), sound.shape)
        return sound

    def _crops(self, noisy: Audio, clean: Audio) -> Iterator[Crop]:
        for channel, original in zip(noisy, clean, strict=True):
            heard = spectra(channel[None])[0]
            wanted = heard if noisy is clean else spectra(original[None])[0]
            powers = band_powers(heard)
            moments = quiet_moments(powers[: len(powers) // COLUMNS * COLUMNS])
            start = int(self._rng.integers(len(heard) - CROP_COLUMNS + 1))
            middle = (start + CROP_COLUMNS // 2) // COLUMNS
            floor = find_floor(moments[max(0, middle - MOMENTS // 2) : middle + MOMENTS // 2], MOMENTS)
            if floor is not None:
                part = slice(start, start + CROP_COLUMNS)
                spectrum = heard[part]
                yield Crop(features(powers[part], floor), spectrum, spectrum if noisy is clean else wanted[part])
