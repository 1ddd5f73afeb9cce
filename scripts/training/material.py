"""Training pairs: crops of the corpus, varied, and degraded with the engine's own stages.

Batch number n is a function of the seed and n, so that a resumed training sees what an uninterrupted one would.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray
from passes import SAMPLE_RATE, degrade, with_phase_of
from scipy.signal import lfilter

from stream_restore.degradation import Degradation
from stream_restore.degradation.filters import butterworth
from stream_restore.spec import Audio

from .corpus import ENCODERS, Kind, Piece
from .damage import Damage, click, clip, hiss, hum

__all__ = ["FRAMES", "Batch", "Material", "both"]

SHARES: dict[Kind, float] = {"music": 0.38, "samples": 0.07, "composed": 0.1, "orchestra": 0.35, "speech": 0.1}
"""How often a crop comes from each kind of sound."""

MARGIN = 2048
"""Frames degraded beyond both ends of a crop and cut off: the filters' own edges are not to be learnt."""

QUIET = 1e-5
"""Mean square below which a crop counts as a pause: its noise is that of a passage this loud."""

FRAMES = 64 * 1024 + 4 * SAMPLE_RATE % 1024
"""Of a crop: it ends within a column, and within what one step of the waveform branch hears, as a segment of 4 s does.

A network that never met such an end may make anything of it."""

Batch = tuple[NDArray[np.float32], NDArray[np.float32]]

DAMAGED: Sequence[tuple[Damage, float]] = ((hiss, 0.2), (hum, 0.32), (click, 0.2), (clip, 0.28))
"""What else there is than chains and encoders, and how often it is chosen. Hum takes the network longest, to tell it
from a bass, and clipping, to tell a peak that was cut from one that was not."""

CODED, CHAINS = 0.15, 0.45
"""How many crops come from a lossy encoder, and of the others are clean or have been through nothing but a chain."""


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
        coded = self._coded(rng) if rng.random() < CODED else None
        degraded, clean = coded or _damaged(self._clean(rng), rng)
        inside = slice(MARGIN, MARGIN + self.frames)
        heard = _edge(self.frames, rng)
        return both(degraded[:, inside] * heard), both(clean[:, inside] * heard)

    def _coded(self, rng: np.random.Generator) -> tuple[Audio, Audio] | None:
        """A crop as a lossy encoder left it, at times in noise, and as it was; None where nothing was coded."""
        encoder = str(rng.choice(list(ENCODERS)))
        pieces = [piece for piece in self.pieces if piece.coded[encoder].shape[1]]
        if not pieces:
            return None
        piece = pieces[int(rng.integers(len(pieces)))]
        frames = self.frames + 2 * MARGIN
        pair = piece.pair(encoder, int(rng.integers(max(1, piece.coded[encoder].shape[1] - frames))), frames)
        pair = np.pad(pair, ((0, 0), (0, 0), (0, frames - pair.shape[2])))
        if rng.random() < 0.2:
            pair = pair.mean(axis=1, keepdims=True)
        degraded, clean = _set_level(np.concatenate(pair), rng).reshape(pair.shape)
        if rng.random() < 0.3:  # as an encoder at a higher rate leaves it: the network is to let good recordings be
            degraded = clean + np.float32(rng.uniform(0.1, 1.0)) * (degraded - clean)
        return (_chained(degraded, rng), clean) if rng.random() < 0.2 else (degraded, clean)

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


def _damaged(clean: Audio, rng: np.random.Generator) -> tuple[Audio, Audio]:
    """A sound as something left it, and what is to be made of it."""
    kind = rng.random()
    if kind < 0.2 * CHAINS:
        return clean, clean
    if kind < 0.7 * CHAINS:
        return degrade(clean, Degradation(snr_db=_snr(rng), seed=_seed(rng)), QUIET), clean
    if kind < 0.9 * CHAINS:
        return degrade(clean, draw_degradation(rng), QUIET), clean
    if kind < CHAINS:
        return _causally(clean, rng)
    degraded = clean
    damages, shares = zip(*DAMAGED, strict=True)
    count = min(len(damages), 1 + (rng.random() < 0.2))
    for chosen in rng.choice(len(damages), count, replace=False, p=shares):
        degraded = damages[chosen](degraded, SAMPLE_RATE, rng)
    return _chained(degraded, rng) if rng.random() < 0.3 else degraded, clean


def _chained(sound: Audio, rng: np.random.Generator) -> Audio:
    return degrade(sound, draw_degradation(rng), QUIET)


def _causally(clean: Audio, rng: np.random.Generator) -> tuple[Audio, Audio]:
    """Through a causal chain. What is wanted keeps the phases of its filter.

    A network that is asked to undo a shift of phases that may or may not be there hedges, and loses on all else.
    """
    cutoff_hz, order = float(np.exp(rng.uniform(np.log(4000), np.log(16000)))), int(rng.integers(2, 9))
    chain = Degradation(cutoff_hz, order, "causal", sample_rate=_rate(rng), snr_db=_snr(rng), seed=_seed(rng))
    return degrade(clean, chain, QUIET), with_phase_of(butterworth(cutoff_hz, order, SAMPLE_RATE), clean)


def draw_degradation(rng: np.random.Generator) -> Degradation:
    """Any zero-phase chain."""
    return Degradation(
        cutoff_hz=None if rng.random() < 0.2 else float(np.exp(rng.uniform(np.log(3000), np.log(16000)))),
        order=int(rng.integers(3, 9)),
        sample_rate=_rate(rng),
        bits=None if rng.random() < 0.2 else int(rng.choice([6, 7, 8, 8, 8, 9, 10, 12, 16])),
        snr_db=None if rng.random() < 0.1 else _snr(rng),
        seed=_seed(rng),
    )


def _snr(rng: np.random.Generator) -> float:
    return float(np.clip(rng.normal(14.0, 8.0), -5.0, 40.0))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _rate(rng: np.random.Generator) -> int | None:
    rates = [None, 8000, 11025, 12000, 16000, 16000, 16000, 22050, 24000, 32000]
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
