"""What the network gains on pieces held out of training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from stream_restore.degradation import Degradation
from stream_restore.metrics import Distortion
from stream_restore.spec import Audio

from .corpus import SAMPLE_RATE, Piece
from .material import both, degrade

__all__ = ["Validation", "si_sdr"]

SNRS = (5.0, 10.0, 20.0)
SECONDS = 4


class Validation:
    """Four seconds from the middle of each piece through the evaluation's chain at 5, 10 and 20 dB, and clean."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.clean = [_middle(piece) for piece in pieces]
        self.degraded = {
            snr_db: [both(degrade(sound, Degradation(snr_db=snr_db))) for sound in self.clean] for snr_db in SNRS
        }
        self.clean = [both(sound) for sound in self.clean]

    def report(self, model: Any) -> str:
        """One line: mean and least gain in SI-SDR at each SNR, and the SI-SDR of clean input put through."""
        model.eval()
        parts = []
        for snr_db, sounds in self.degraded.items():
            gains = [
                si_sdr(clean, restore(model, sound)) - si_sdr(clean, sound)
                for clean, sound in zip(self.clean, sounds, strict=True)
            ]
            parts.append(f"{snr_db:g} dB {np.mean(gains):+.2f} (least {np.min(gains):+.2f})")
        kept = [si_sdr(clean, restore(model, clean)) for clean in self.clean]
        return ", ".join(parts) + f", clean {np.mean(kept):.1f} (least {np.min(kept):.1f})"


def restore(model: Any, sound: Audio) -> Audio:
    """`sound` (2, frames) less the predicted artefacts, in one piece."""
    with torch.no_grad():
        degraded = torch.from_numpy(np.ascontiguousarray(sound))
        return np.asarray((degraded - model(degraded[None])[0, 0]).numpy())


def si_sdr(reference: Audio, estimate: Audio) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, all samples together."""
    distortion = Distortion()
    distortion.update(reference, estimate)
    return distortion.result().si_sdr_db


def _middle(piece: Piece) -> Audio:
    """Shape (1, frames) where both channels are equal."""
    frames = SECONDS * SAMPLE_RATE
    start = max(0, (piece.sound.shape[1] - frames) // 2)
    sound = piece.sound[:, start : start + frames].astype(np.float32)
    return sound[:1] if (sound[0] == sound[1]).all() else sound
