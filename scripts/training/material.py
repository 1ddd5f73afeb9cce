"""Training pairs: crops of the corpus, varied, and degraded with the engine's own stages.

Batch number n is a function of the seed and n, so that a resumed training sees what an uninterrupted one would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import lfilter

from stream_restore.degradation import Degradation, mean_power
from stream_restore.spec import Audio, Spec
from stream_restore.stage import Stage

from .corpus import SAMPLE_RATE, Kind, Piece

__all__ = ["Material", "both", "degrade", "draw_degradation", "whole"]

SHARES: dict[Kind, float] = {"music": 0.6, "samples": 0.1, "composed": 0.17, "speech": 0.13}
"""How often a crop comes from each kind of sound."""

MARGIN = 2048
"""Frames degraded beyond both ends of a crop and cut off: the filters' own edges are not to be learnt."""

QUIET = 1e-5
"""Mean square below which a crop counts as a pause: its noise is that of a passage this loud."""

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True)
class Material:
    """Batches of (degraded, clean), each of shape (size, 2, frames).

    Attributes:
        pieces: what crops are taken from.
        frames: length of a crop.
        size: crops in a batch.
        seed: of every choice.
    """

    pieces: Sequence[Piece]
    frames: int
    size: int
    seed: int = 0

    def batch(self, number: int) -> Batch:
        """Batch `number`, the same whenever it is asked for."""
        pairs = [self._pair(np.random.default_rng([self.seed, number, item])) for item in range(self.size)]
        degraded, clean = zip(*pairs, strict=True)
        return np.stack(degraded), np.stack(clean)

    def _pair(self, rng: np.random.Generator) -> tuple[Audio, Audio]:
        clean = self._clean(rng)
        chain = draw_degradation(rng)
        degraded = clean if chain is None else degrade(clean, chain, QUIET)
        inside = slice(MARGIN, MARGIN + self.frames)
        heard = _edge(self.frames, rng)
        return both(degraded[:, inside] * heard), both(clean[:, inside] * heard)

    def _clean(self, rng: np.random.Generator) -> Audio:
        sound = self._crop(rng)
        if rng.random() < 0.1:
            sound = sound + rng.uniform(0.2, 1.0) * self._crop(rng)
        return _set_level(_vary(sound, rng), rng)

    def _crop(self, rng: np.random.Generator) -> Audio:
        kinds = [kind for kind in SHARES if any(piece.kind == kind for piece in self.pieces)]
        shares = np.array([SHARES[kind] for kind in kinds])
        kind = rng.choice(np.array(kinds), p=shares / shares.sum())
        pieces = [piece for piece in self.pieces if piece.kind == kind]
        lengths = np.array([piece.sound.shape[1] for piece in pieces], float)
        count = int(rng.integers(2, 7)) if kind == "samples" else 1
        chosen = rng.choice(len(pieces), count, p=lengths / lengths.sum())
        frames = self.frames + 2 * MARGIN
        return np.asarray(np.sum([_excerpt(pieces[index], frames, rng) for index in chosen], axis=0, dtype=np.float32))


def draw_degradation(rng: np.random.Generator) -> Degradation | None:
    """None (leave it clean), the evaluation's chain at some SNR, or any zero-phase chain."""
    kind = rng.random()
    if kind < 0.1:
        return None
    seed, snr_db = int(rng.integers(2**31)), float(np.clip(rng.normal(13.0, 8.0), -5.0, 40.0))
    if kind < 0.65:
        return Degradation(snr_db=snr_db, seed=seed)
    return Degradation(
        cutoff_hz=None if rng.random() < 0.2 else float(np.exp(rng.uniform(np.log(3000), np.log(16000)))),
        order=int(rng.integers(3, 9)),
        sample_rate=_rate(rng),
        bits=None if rng.random() < 0.2 else int(rng.choice([8, 8, 8, 9, 10, 12, 16])),
        snr_db=None if rng.random() < 0.1 else snr_db,
        seed=seed,
    )


def degrade(clean: Audio, chain: Degradation, least_power: float = 0.0) -> Audio:
    """`clean` (channels, frames) at `SAMPLE_RATE` through the chain, its noise relative to its own power."""
    spec = Spec(SAMPLE_RATE, len(clean))
    power = mean_power([whole(chain.before_noise(spec), clean)])
    return whole(chain.stage(spec, max(power, least_power)), clean)


def whole(stage: Stage[Any], sound: Audio) -> Audio:
    """All that a stage makes of a sound, from its beginning to its end."""
    stage.reset()
    return np.concatenate([stage.process(sound), stage.flush()], axis=1)


def _rate(rng: np.random.Generator) -> int | None:
    rates = [None, 11025, 12000, 16000, 16000, 16000, 22050, 24000, 32000]
    return rates[int(rng.integers(len(rates)))]


def _excerpt(piece: Piece, frames: int, rng: np.random.Generator) -> Audio:
    """`frames` of a piece from anywhere, half of the time faster or slower (and so higher or lower)."""
    speed = float(np.exp(rng.uniform(-0.35, 0.35))) if rng.random() < 0.5 else 1.0
    needed = int(np.ceil(frames * speed)) + 2
    length = piece.sound.shape[1]
    start = int(rng.integers(-max(0, needed - length), max(1, length - needed)))
    sound = np.zeros((2, needed), np.float32)
    found = piece.sound[:, max(0, start) : start + needed]
    sound[:, max(0, -start) : max(0, -start) + found.shape[1]] = found
    if speed == 1.0:
        return sound[:, :frames]
    faster = np.ascontiguousarray(soxr.resample(sound.T, speed * SAMPLE_RATE, SAMPLE_RATE, "MQ").T)
    return np.pad(faster, ((0, 0), (0, max(0, frames - faster.shape[1]))))[:, :frames]


def _vary(sound: Audio, rng: np.random.Generator) -> Audio:
    """Channels joined to one or exchanged, a tilted spectrum, a narrower band, a pause: each at times."""
    if rng.random() < 0.5:
        sound = sound.mean(axis=0, keepdims=True)
    elif rng.random() < 0.5:
        sound = sound[::-1]
    if rng.random() < 0.3:
        sound = np.asarray(lfilter([1.0, rng.uniform(-0.7, 0.7)], [1.0], sound), np.float32)
    if rng.random() < 0.15:
        rate = int(rng.choice([16000, 22050, 24000, 32000]))
        sound = degrade(sound, Degradation(None, sample_rate=rate, bits=None, snr_db=None))
    if rng.random() < 0.12:
        sound = sound * _pause(sound.shape[1], rng)
    return sound


def _edge(frames: int, rng: np.random.Generator) -> Audio:
    """1 where a recording is, and at times 0 before its beginning or after its end.

    The engine fills the last segment with silence. A network that has not met this takes the noise beside it for
    sound, and leaves it.
    """
    if rng.random() >= 0.15:
        return np.ones(frames, np.float32)
    heard = np.arange(frames) < rng.integers(frames // 8, frames)
    return np.asarray(heard if rng.random() < 0.8 else heard[::-1], np.float32)


def _pause(frames: int, rng: np.random.Generator) -> Audio:
    """A gain that goes to or comes from silence somewhere, over 1 to 500 ms."""
    place, slope = rng.integers(frames), SAMPLE_RATE * np.exp(rng.uniform(np.log(0.001), np.log(0.5)))
    gain = np.clip((np.arange(frames) - place) / slope, 0.0, 1.0)
    return np.asarray(gain if rng.random() < 0.5 else 1.0 - gain, np.float32)


def both(sound: Audio) -> Audio:
    """One channel as two equal ones, as the engine gives it to the network: with the same noise in both.

    With a noise of its own in each, the network would learn that noise is what differs, and leave mono alone.
    """
    return np.repeat(sound, 2, axis=0) if len(sound) == 1 else sound


def _set_level(sound: Audio, rng: np.random.Generator) -> Audio:
    """Scaled to -32..-10 dBFS rms, and to a peak within full scale."""
    level = 10 ** (rng.uniform(-32.0, -10.0) / 20)
    rms, peak = float(np.sqrt(np.mean(np.square(sound)))), float(np.abs(sound).max())
    if rms < 1e-4:
        return sound.astype(np.float32)
    return (sound * min(level / rms, 0.98 / peak)).astype(np.float32)
