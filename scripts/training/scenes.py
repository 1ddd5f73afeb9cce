"""What the network learns from: music with steady noise, or with nothing wrong, as it hears them.

Floors are found in the noisy sound itself, wrong as they may be: the network learns when to leave things alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from passes import SAMPLE_RATE
from torch import Tensor

from stream_restore.restoration.denoise import CELL_COLUMNS, REACH
from stream_restore.restoration.noise_floor import COLUMNS, HOP

from .corpus import Piece
from .floors import BANDS_OF, band_sums, columns_of, features, find_floors
from .noise import steady_noise

__all__ = ["Batch", "Scenes"]

CROP_COLUMNS = 128
LONGEST_SECONDS, SHORTEST_SECONDS = 60.0, 8.0
MOST_OF_A_PACKAGE = 30
"""Packages are drawn by the root of their number of pieces, at most this many, so that no kind is a few percent."""
MOMENTS = (2 * REACH + 1) * CELL_COLUMNS // COLUMNS


@dataclass(frozen=True)
class Batch:
    """Parts of spectrograms.

    Attributes:
        features: what the network is given, shape (crops, FEATURES, BANDS, CROP_COLUMNS).
        clean, noise, cross: energies of each band and column, and the real part of the sum of products of both, shape
            (crops, BANDS, CROP_COLUMNS).
        harmless: crops of scenes with nothing wrong, shape (crops,).
    """

    features: Tensor
    clean: Tensor
    noise: Tensor
    cross: Tensor
    harmless: Tensor


class Scenes:
    """Batches without end; the same seed gives the same on the same device.

    Args:
        pieces: of music.
        scenes: of each batch, all of the same length.
        crops: of each scene.
    """

    def __init__(self, pieces: Sequence[Piece], seed: int, scenes: int, crops: int, device: str = "cpu") -> None:
        self._packages: dict[str, list[Piece]] = {}
        for piece in pieces:
            self._packages.setdefault(piece.package, []).append(piece)
        weights = np.sqrt([min(len(each), MOST_OF_A_PACKAGE) for each in self._packages.values()])
        self._weights = weights / weights.sum()
        self._longest = max(piece.sound.shape[1] for piece in pieces)
        self._rng, self._device = np.random.default_rng(seed), device
        self._scenes, self._crops = scenes, crops

    def batch(self, clean_share: float) -> Batch:
        """Crops of scenes, of this share of them with nothing wrong."""
        harmless = self._rng.random(self._scenes) < clean_share
        return self.at(np.where(harmless, np.inf, self._rng.normal(18, 9, self._scenes)).tolist())

    def at(self, snrs_db: Sequence[float]) -> Batch:
        """Crops of one scene for each SNR in dB; of infinity: with nothing wrong."""
        seconds = LONGEST_SECONDS if self._rng.random() < 0.6 else self._rng.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)
        step = HOP * COLUMNS
        frames = min(int(seconds * SAMPLE_RATE), self._longest) // step * step
        sounds = [self._scene(frames, snr) for snr in snrs_db]
        clean, noise = (columns_of(torch.stack(each)) for each in zip(*sounds, strict=True))
        return self._cropped(clean, noise, torch.tensor(np.isinf(snrs_db), device=self._device))

    def _scene(self, frames: int, snr_db: float) -> tuple[Tensor, Tensor]:
        """One channel of a recording without its noise, and the noise, each of shape (frames,)."""
        sound = self._music(frames) * float(10 ** (self._rng.uniform(-18, 3) / 20))
        if np.isinf(snr_db):
            return sound, torch.zeros_like(sound)
        level = sound.double().square().mean().sqrt() * 10 ** (-snr_db / 20)
        return sound, (steady_noise(self._rng, frames, 1, self._device)[0] * level).float()

    def _music(self, frames: int) -> Tensor:
        rng = self._rng
        piece = self._piece(frames)
        start = int(rng.integers(piece.sound.shape[1] - frames + 1))
        stereo = torch.from_numpy(piece.sound[:, start : start + frames].copy()).to(self._device).float()
        sound = stereo.mean(dim=0) if rng.random() < 0.1 else stereo[int(rng.integers(len(stereo)))]
        if rng.random() < 0.25:  # what the evaluation's chain and low rates leave
            sound = _low_passed(sound, int(rng.integers(4, 13)), rng.uniform(3000, 12000))
        return sound

    def _piece(self, frames: int) -> Piece:
        while True:
            package = list(self._packages)[self._rng.choice(len(self._weights), p=self._weights)]
            piece = self._packages[package][self._rng.integers(len(self._packages[package]))]
            if piece.sound.shape[1] >= frames:
                return piece

    def _cropped(self, clean: Tensor, noise: Tensor, harmless: Tensor) -> Batch:
        heard = clean + noise
        powers = band_sums(_power(heard)) / torch.from_numpy(BANDS_OF).to(heard.device)
        floors = find_floors(powers[:, : powers.shape[1] // COLUMNS * COLUMNS], MOMENTS)
        starts = self._rng.integers(heard.shape[1] - CROP_COLUMNS + 1, size=(len(clean), self._crops))
        energies = (_power(clean), _power(noise), (clean * noise.conj()).real)
        wholes = [features(powers, floors), *(band_sums(each).mT for each in energies)]
        found = floors.found.repeat_interleave(self._crops)
        seen, sound, hiss, both = (_crops(each, starts)[found] for each in wholes)
        return Batch(seen, sound, hiss, both, harmless.repeat_interleave(self._crops)[found])


def _crops(whole: Tensor, starts: NDArray[np.int64]) -> Tensor:
    """Columns from each start, shape (scenes * crops, ..., CROP_COLUMNS), of starts of shape (scenes, crops)."""
    places = [(scene, start) for scene, row in enumerate(starts) for start in row]
    return torch.stack([whole[scene, ..., start : start + CROP_COLUMNS] for scene, start in places])


def _power(columns: Tensor) -> Tensor:
    return columns.real.square() + columns.imag.square()


def _low_passed(sound: Tensor, order: int, hertz: float) -> Tensor:
    """Butterworth's low-pass, forwards and backwards: the square of its magnitude, and no phase."""
    bins = torch.arange(len(sound) // 2 + 1, device=sound.device) * (SAMPLE_RATE / len(sound) / hertz)
    low: Tensor = torch.fft.irfft(torch.fft.rfft(sound) / (1 + bins ** (2 * order)), n=len(sound))
    return low
