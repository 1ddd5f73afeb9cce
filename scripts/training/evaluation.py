"""What an exported network does to recordings that it never heard, through the engine as users run it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from stream_restore.degradation import Degradation
from stream_restore.models import Model
from stream_restore.restoration import Restoration
from stream_restore.spec import Spec

from .corpus import SAMPLE_RATE
from .material import degrade, whole
from .validation import si_sdr

__all__ = ["Score", "evaluate", "table"]

SNRS = (10.0, 20.0)


@dataclass(frozen=True)
class Score:
    """SI-SDR in dB against the clean clip.

    Attributes:
        clip: name of the recording.
        degraded, restored: at each of `SNRS` under the evaluation's chain, zero-phase.
        clean: of the clean clip put through the network.
    """

    clip: str
    degraded: tuple[float, ...]
    restored: tuple[float, ...]
    clean: float


def evaluate(model: Model, folder: Path) -> Iterator[Score]:
    """Scores of all recordings in a folder, whole, at `SAMPLE_RATE`, in their own channels."""
    for path in sorted(folder.glob("*.ogg")):
        frames, rate = soundfile.read(path, dtype="float32", always_2d=True)
        clean = np.ascontiguousarray(soxr.resample(frames, rate, SAMPLE_RATE).T)
        restoration = Restoration().stage(Spec(SAMPLE_RATE, len(clean)), model)
        sounds = [degrade(clean, Degradation(snr_db=snr_db)) for snr_db in SNRS]
        yield Score(
            path.stem,
            tuple(si_sdr(clean, sound) for sound in sounds),
            tuple(si_sdr(clean, whole(restoration, sound)) for sound in sounds),
            si_sdr(clean, whole(restoration, clean)),
        )


def table(scores: list[Score]) -> str:
    """The scores in Markdown, with the mean gain in the last row."""
    heads = [f"{snr_db:g} dB: degraded -> restored" for snr_db in SNRS]
    lines = [f"| clip | {' | '.join(heads)} | clean |", "|---" * (len(SNRS) + 2) + "|"]
    for score in scores:
        pairs = zip(score.degraded, score.restored, strict=True)
        cells = [f"{before:.1f} -> {after:.1f} ({after - before:+.1f})" for before, after in pairs]
        lines.append(f"| {score.clip} | {' | '.join(cells)} | {score.clean:.1f} |")
    gains = np.mean([np.subtract(score.restored, score.degraded) for score in scores], axis=0)
    lines.append(f"| mean gain | {' | '.join(f'{gain:+.2f}' for gain in gains)} | |")
    return "\n".join(lines)
