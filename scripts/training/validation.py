"""What the network gains on pieces held out of training, by kinds of damage."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from passes import SAMPLE_RATE, degrade

from stream_restore.degradation import Degradation
from stream_restore.measure import Distortion
from stream_restore.spec import Audio

from .corpus import ENCODERS, Piece, Stored
from .damage import DAMAGES
from .material import both

__all__ = ["Validation", "si_sdr"]

SNRS = (5.0, 10.0, 20.0)
FRAMES = 4 * SAMPLE_RATE


class Validation:
    """Four seconds of each piece through the evaluation's chain at 5, 10 and 20 dB, otherwise damaged, and clean."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        middles = [_middle(piece.sound) for piece in pieces]
        self.clean = [both(sound) for sound in middles]
        self.damaged = {
            f"{snr_db:g} dB": _pairs(middles, [degrade(sound, Degradation(snr_db=snr_db)) for sound in middles])
            for snr_db in SNRS
        }
        for damage in DAMAGES:
            heard = [damage(sound, SAMPLE_RATE, np.random.default_rng(n)) for n, sound in enumerate(middles)]
            self.damaged[damage.__name__] = _pairs(middles, heard)
        for encoder in ENCODERS:
            coded = [piece for piece in pieces if piece.coded[encoder].shape[1] > FRAMES]
            self.damaged[encoder] = [_middle_pair(piece, encoder) for piece in coded]

    def report(self, model: Any) -> str:
        """One line: mean and least gain in SI-SDR for each damage, and the SI-SDR of clean input put through."""
        parts = []
        for kind in self.damaged:
            gains = self.gains(model, kind)
            parts.append(f"{kind} {np.mean(gains):+.2f} ({np.min(gains):+.2f})" if gains else f"{kind} -")
        kept = self.kept(model)
        return ", ".join(parts) + f", clean {np.mean(kept):.1f} ({np.min(kept):.1f})"

    def gains(self, model: Any, kind: str) -> list[float]:
        """Gain in SI-SDR of each piece with one kind of damage."""
        model.eval()
        return [si_sdr(clean, restore(model, sound)) - si_sdr(clean, sound) for clean, sound in self.damaged[kind]]

    def kept(self, model: Any) -> list[float]:
        """SI-SDR of each clean piece put through."""
        model.eval()
        return [si_sdr(clean, restore(model, clean)) for clean in self.clean]


def _pairs(clean: Sequence[Audio], damaged: Sequence[Audio]) -> list[tuple[Audio, Audio]]:
    return [(both(sound), both(heard)) for sound, heard in zip(clean, damaged, strict=True)]


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


def _middle(sound: Stored) -> Audio:
    """Shape (1, frames) where both channels are equal."""
    start = max(0, (sound.shape[1] - FRAMES) // 2)
    middle = sound[:, start : start + FRAMES].astype(np.float32)
    return middle[:1] if (middle[0] == middle[1]).all() else middle


def _middle_pair(piece: Piece, encoder: str) -> tuple[Audio, Audio]:
    """As it was, and as an encoder left it."""
    coded, was = piece.pair(encoder, (piece.coded[encoder].shape[1] - FRAMES) // 2, FRAMES)
    return was, coded
