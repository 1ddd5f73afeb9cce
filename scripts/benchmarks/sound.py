"""Music in a file, of any length in little memory."""

from pathlib import Path

from music import compose
from passes import SAMPLE_RATE

from stream_restore.audio import open_sink
from stream_restore.spec import Spec

__all__ = ["write_music"]

PIECE_SECONDS = 30


def write_music(path: Path, seconds: float) -> Path:
    """A 16-bit stereo WAV: one piece of music, over and over."""
    spec = Spec(SAMPLE_RATE, 2)
    left, piece = spec.frames(seconds), compose(PIECE_SECONDS, SAMPLE_RATE, seed=1)
    with open_sink(path, spec, encoding="s16") as sink:
        while left:
            taken = min(left, piece.shape[1])
            sink.write(piece[:, :taken])
            left -= taken
    return path
