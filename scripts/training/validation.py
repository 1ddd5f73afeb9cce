"""How well the network does on pieces that are held out, through the engine's own stage."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from benchmarks.denoisers import oracle
from benchmarks.figures import si_sdr_db
from numpy.typing import NDArray
from passes import SAMPLE_RATE, apply

from stream_restore.models.model import GainNetwork
from stream_restore.restoration.denoise import NoiseEstimate
from stream_restore.spec import Audio, Spec

from .corpus import Piece
from .network import Gains
from .noise import steady_noise

__all__ = ["Report", "validate"]

SECONDS, JUDGED_SECONDS = 60, 10
SNRS = (10.0, 20.0, 30.0, 40.0)


@dataclass(frozen=True)
class Report:
    """SI-SDR in dB of each piece: how clean music comes back, the gains at `SNRS`, and those of an oracle mask.

    Shape of `figures`: (pieces, 1 + 2 * len(SNRS)).
    """

    names: Sequence[str]
    figures: NDArray[np.float64]

    def __str__(self) -> str:
        clean, ours, theirs = np.split(self.figures, [1, 1 + len(SNRS)], axis=1)
        least = [f"{clean[place, 0]:.1f} {self.names[place]}" for place in clean[:, 0].argsort()[:3]]
        exact = f"{np.isinf(clean).sum()} bit for bit"
        told = f"clean comes back at {np.median(clean):.1f} (median; {exact}; least {', '.join(least)})"
        return f"{len(self.names)} pieces: {told}\ngain {_gains(ours)}\noracle mask {_gains(theirs)}"


def _gains(figures: NDArray[np.float64]) -> str:
    mean, least = figures.mean(axis=0), figures.min(axis=0)
    each = [f"{m:+.2f} (least {x:+.2f}) at {snr:g}" for snr, m, x in zip(SNRS, mean, least, strict=True)]
    return f"{', '.join(each)} dB"


class _Network:
    """A network of training as the engine takes it."""

    def __init__(self, network: Gains) -> None:
        self._network = network

    def gains(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            return np.asarray(self._network(torch.from_numpy(features)[None])[0])


def validate(network: Gains | GainNetwork, pieces: Sequence[Piece]) -> Report:
    """A minute from the middle of each piece is heard, ten seconds in its middle are judged."""
    stage = NoiseEstimate(Spec(SAMPLE_RATE, 2), _Network(network) if isinstance(network, Gains) else network)
    return Report([piece.name for piece in pieces], np.array([_figures(stage, piece) for piece in pieces]))


def _figures(stage: NoiseEstimate, piece: Piece) -> list[float]:
    frames = min(piece.sound.shape[1], SECONDS * SAMPLE_RATE)
    clean = piece.excerpt((piece.sound.shape[1] - frames) // 2, frames)
    rng = np.random.default_rng(sum(map(ord, piece.name)))
    judged = slice(max(0, (frames - JUDGED_SECONDS * SAMPLE_RATE) // 2), (frames + JUDGED_SECONDS * SAMPLE_RATE) // 2)

    def level(sound: Audio) -> float:
        return si_sdr_db(sound[:, judged], clean[:, judged])

    power = np.sqrt(np.mean(clean**2, dtype=np.float64))
    found, ideal = [level(clean - apply(stage, clean))], []
    for snr in SNRS:
        noise = steady_noise(rng, frames).numpy() * np.float32(power * 10 ** (-snr / 20))
        noisy = clean + noise.astype(np.float32)
        found.append(level(noisy - apply(stage, noisy)) - level(noisy))
        ideal.append(level(oracle(clean, noisy)) - level(noisy))
    return [*found, *ideal]
