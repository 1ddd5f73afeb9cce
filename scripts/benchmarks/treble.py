"""How near the repair `treble` comes to the treble that a low-pass took, beside plainer ways.

Band error: mean absolute difference of levels in twenty bands, evenly spaced over octaves from the cut-off to 20 kHz,
in frames of 2048 every 512. A level is the mean power of a band's bins, and no less than 80 dB below the loudest band
of the clip, those below the cut-off (39 from 100 Hz on) included. Bias: the mean difference. Distance: mean absolute
difference of 128 mel bands from 0 to half the sample rate, with a floor likewise.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import scipy.fft
import soxr
from free_music import fresh_music
from numpy.typing import NDArray
from passes import SAMPLE_RATE, apply
from training.corpus import held_out, recordings

from stream_restore.degradation.filters import ZeroPhaseLowPass
from stream_restore.restoration import Restoration
from stream_restore.restoration.repairs import Treble
from stream_restore.show.mel import filters
from stream_restore.spec import Audio, Spec

from . import clips
from .damage import mp3
from .table import table

__all__ = ["DAMAGES", "band_error", "levels", "measure"]

SIZE, HOP = 2048, 512
LOWEST_HZ, HIGHEST_HZ = 100.0, 20000.0
BELOW, ABOVE = 39, 20
LINE = 3.5
"""A straight line is laid through the bands from the cut-off over this up to the cut-off."""
RANGE_DB, MELS = 80.0, 128
SECONDS = 10.0

Decibels = NDArray[np.float64]


@dataclass(frozen=True)
class Damage:
    """A way to lose the treble.

    Attributes:
        hertz: above which it is lost.
    """

    hertz: float
    apply: Callable[[Audio], Audio]


def _low_pass(sound: Audio, hertz: float, order: int) -> Audio:
    return apply(ZeroPhaseLowPass(Spec(SAMPLE_RATE, len(sound)), hertz, order), sound)


def _at_rate(sound: Audio, rate: int) -> Audio:
    back = soxr.resample(soxr.resample(sound.T, SAMPLE_RATE, rate), rate, SAMPLE_RATE).T[:, : sound.shape[1]]
    return np.pad(back, ((0, 0), (0, sound.shape[1] - back.shape[1]))).astype(np.float32)


DAMAGES = {
    "order 6 at 7 kHz": Damage(7000.0, partial(_low_pass, hertz=7000, order=6)),
    "order 8 at 4 kHz": Damage(4000.0, partial(_low_pass, hertz=4000, order=8)),
    "rate of 16 kHz": Damage(8000.0, partial(_at_rate, rate=16000)),
    "rate of 22.05 kHz": Damage(11025.0, partial(_at_rate, rate=22050)),
    "MP3, 64 kbit/s": Damage(11000.0, lambda sound: mp3(sound, np.random.default_rng(0), 64)),
}


@dataclass(frozen=True)
class Row:
    """Figures of a method on a clip, in dB."""

    damage: str
    name: str
    method: str
    band_error: float
    bias: float
    distance: float


def measure(options: argparse.Namespace, folder: Path) -> str:
    """Two tables: clip by clip for the first damage, means for all."""
    rows: list[Row] = []
    for name, clean in _clips(options):
        for damage in options.damage:
            rows += _rows(damage, name, clean)
        print(name, file=sys.stderr, flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), "utf-8")
    return f"{_by_clip(rows, options.damage[0])}\n\n{_means(rows, options.damage)}"


def _clips(options: argparse.Namespace) -> Iterator[tuple[str, Audio]]:
    """Music that nothing was learnt from and that reaches beyond 16 kHz, or was saved so."""
    fresh = [
        (package, clips.found([path], options.seconds)[0]) for package, path in (fresh_music() if options.fresh else [])
    ]
    found = [(f"{package}: {clip.piece}", clip.sound) for package, clip in fresh]
    if not options.fresh:
        found += [(clip.name, clip.sound) for clip in clips.found(options.clips, options.seconds) if not clip.speech]
    for piece in [] if options.fresh or options.clips else held_out(recordings(), options.work / "sound"):
        frames = min(piece.sound.shape[1], round(options.seconds * SAMPLE_RATE))
        found.append((f"{piece.package}: {piece.name}", piece.excerpt((piece.sound.shape[1] - frames) // 2, frames)))
    for name, sound in found:
        stage = Treble(Spec(SAMPLE_RATE, len(sound)))
        apply(stage, sound)
        if stage.report()["seconds"]:
            print(f"left out, it is cut off itself: {name}", file=sys.stderr, flush=True)
        else:
            yield name, sound


def _rows(damage: str, name: str, clean: Audio) -> Iterator[Row]:
    hertz, heard = DAMAGES[damage].hertz, DAMAGES[damage].apply(clean)
    spec = Spec(SAMPLE_RATE, len(clean))
    ours = apply(Restoration(repairs=("treble",)).stage(spec, None), heard)
    for method, sound in {
        "nothing": heard,
        "fold": heard + _folded(heard, hertz),
        "line, made": apply(Treble(spec), heard),
        "ours": ours,
    }.items():
        error = band_error(levels(clean, hertz), levels(sound, hertz))
        yield Row(damage, name, method, *error, _distance(clean, sound))
    yield Row(damage, name, "line", *band_error(levels(clean, hertz), _line(levels(heard, hertz), hertz)), np.nan)


def _edges(cutoff_hz: float) -> NDArray[np.float64]:
    below = np.geomspace(LOWEST_HZ, cutoff_hz, BELOW + 1)
    return np.concatenate([below, np.geomspace(cutoff_hz, HIGHEST_HZ, ABOVE + 1)[1:]])


def levels(sound: Audio, cutoff_hz: float) -> Decibels:
    """Levels in dB of 39 bands below a cut-off and 20 above, shape (channels, frames, 59)."""
    starts = np.ceil(_edges(cutoff_hz) * SIZE / SAMPLE_RATE).astype(int)
    power = _powers(sound)
    bands = [power[..., a : max(b, a + 1)].mean(axis=-1) for a, b in pairwise(starts)]
    return np.asarray(10 * np.log10(np.stack(bands, axis=-1) + 1e-20))


def band_error(clean: Decibels, found: Decibels) -> tuple[float, float]:
    """Mean absolute difference, and mean difference, of the levels above a cut-off."""
    floor = clean.max() - RANGE_DB
    wanted, got = (np.maximum(each[..., BELOW:], floor) for each in (clean, found))
    return float(np.abs(got - wanted).mean()), float((got - wanted).mean())


def _powers(sound: Audio) -> NDArray[np.float32]:
    columns = np.lib.stride_tricks.sliding_window_view(sound, SIZE, axis=-1)[:, ::HOP]
    spectrum = scipy.fft.rfft(columns * np.hanning(SIZE + 1)[:-1].astype(np.float32), axis=-1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2)


def _line(heard: Decibels, cutoff_hz: float) -> Decibels:
    """Levels, those above the cut-off as a straight line through those below, frame by frame."""
    edges = _edges(cutoff_hz)
    octaves = np.log2(np.sqrt(edges[:-1] * edges[1:]))
    used = np.flatnonzero(edges[:BELOW] >= cutoff_hz / LINE)
    terms = np.stack([octaves, np.ones_like(octaves)], axis=1)
    return np.asarray(heard[..., used] @ np.linalg.pinv(terms[used]).T @ terms.T)


def _folded(sound: Audio, cutoff_hz: float) -> Audio:
    """What lies below a cut-off, mirrored there, as loud as it is."""
    spectrum = scipy.fft.rfft(sound.astype(np.float64))
    place = round(cutoff_hz * sound.shape[1] / SAMPLE_RATE)
    count = min(place, spectrum.shape[1] - place)
    mirrored = np.zeros_like(spectrum)
    mirrored[:, place : place + count] = spectrum[:, place : place - count : -1].conj()
    return np.asarray(scipy.fft.irfft(mirrored, sound.shape[1]), np.float32)


def _distance(clean: Audio, sound: Audio) -> float:
    mel = filters(SAMPLE_RATE, SIZE, MELS).astype(np.float32).T
    one, other = (10 * np.log10(_powers(each) @ mel + 1e-20) for each in (clean, sound))
    floor = one.max() - RANGE_DB
    return float(np.abs(np.maximum(one, floor) - np.maximum(other, floor)).mean())


def _by_clip(rows: Sequence[Row], damage: str) -> str:
    named = {(row.name, row.method): row for row in rows if row.damage == damage}
    lines = []
    for name in dict.fromkeys(name for name, _ in named):
        nothing, line, fold, made, ours = (
            named[name, method] for method in ("nothing", "line", "fold", "line, made", "ours")
        )
        errors = [f"{row.band_error:.1f}" for row in (nothing, line, made, fold, ours)]
        distances = [f"{row.distance:.1f}" for row in (nothing, fold, ours)]
        lines.append([name, *errors, f"{ours.bias:+.1f}", *distances])
    head = ["clip", "nothing", "line", "line, made", "fold", "ours", "bias", "mel, nothing", "mel, fold", "mel, ours"]
    return f"{damage}: band error, bias of ours, distance, dB\n\n{table(head, lines)}"


def _means(rows: Sequence[Row], damages: Sequence[str]) -> str:
    lines = []
    for damage in damages:
        for method in ("nothing", "line", "line, made", "fold", "ours"):
            found = [row for row in rows if (row.damage, row.method) == (damage, method)]
            better = [_better(found, rows, damage, line) for line in ("line", "line, made")]
            means = [np.mean([getattr(row, name) for row in found]) for name in ("band_error", "bias", "distance")]
            lines.append([damage, method, *("" if np.isnan(mean) else f"{mean:.2f}" for mean in means), *better])
    head = ["damage", "method", "band error, dB", "bias, dB", "distance, dB", "better than the line", "than its sound"]
    return f"{len({row.name for row in rows})} clips, means\n\n{table(head, lines)}"


def _better(found: Sequence[Row], rows: Sequence[Row], damage: str, other: str) -> str:
    """On how many clips a method is nearer than another."""
    others = [row.band_error for row in rows if (row.damage, row.method) == (damage, other)]
    better = np.mean([row.band_error < error for row, error in zip(found, others, strict=True)])
    return f"{100 * better:.0f} %"
