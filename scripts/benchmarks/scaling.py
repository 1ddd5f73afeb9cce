"""CPU time against the duration of the sound, and against the blocks in which it is given, through the Python API."""

import time
from collections.abc import Callable, Iterator

import numpy as np
from music import compose
from passes import SAMPLE_RATE

import stream_restore
from stream_restore.spec import Audio, Spec

from .sound import PIECE_SECONDS
from .table import table

__all__ = ["measure"]

MINUTES = (1, 2, 4, 8)
BLOCKS = (64, 1 << 10, 1 << 15, 1 << 20)
"""Frames."""
USUAL = BLOCKS[2]
WARMING_SECONDS = 5.0


def measure() -> str:
    """Two tables of CPU seconds for each minute of sound, and of the last row over the first."""
    piece = compose(PIECE_SECONDS, SAMPLE_RATE, seed=1).astype(np.float32)
    for work in WORK.values():
        work(piece, WARMING_SECONDS, USUAL)  # imports, loads networks
    lengths = [(f"{minutes} min", 60.0 * minutes, USUAL) for minutes in MINUTES]
    blocks = [(f"{frames} frames", 60.0, frames) for frames in BLOCKS]
    return "CPU seconds per minute of stereo, 44.1 kHz, without start.\n\n" + "\n\n".join(
        table([head, *WORK], _rows(piece, cases)) for head, cases in (("sound", lengths), ("blocks of", blocks))
    )


def _rows(piece: Audio, cases: list[tuple[str, float, int]]) -> list[list[str]]:
    costs = []
    for _, seconds, frames in cases:
        costs.append([_cpu(work, piece, seconds, frames) * 60 / seconds for work in WORK.values()])
    ratios = [f"{last / first:.2f}" for first, last in zip(costs[0], costs[-1], strict=True)]
    rows = [[name, *(f"{cost:.2f}" for cost in row)] for (name, *_), row in zip(cases, costs, strict=True)]
    return [*rows, ["last / first", *ratios]]


def _cpu(work: Callable[[Audio, float, int], None], piece: Audio, seconds: float, frames: int) -> float:
    begin = time.process_time()
    work(piece, seconds, frames)
    return time.process_time() - begin


def _blocks(piece: Audio, seconds: float, frames: int) -> Iterator[Audio]:
    """The piece over and over, in blocks of so many frames."""
    left, length = Spec(SAMPLE_RATE, len(piece)).frames(seconds), piece.shape[1]
    again = np.concatenate([piece] * (1 + -(-frames // length)), axis=1)
    at = 0
    while left:
        taken = min(frames, left)
        yield again[:, at : at + taken]
        at, left = (at + taken) % length, left - taken


def _degrade(piece: Audio, seconds: float, frames: int) -> None:
    for _ in stream_restore.degrade(_blocks(piece, seconds, frames), sample_rate=SAMPLE_RATE):
        pass


def _restore(piece: Audio, seconds: float, frames: int) -> None:
    for _ in stream_restore.restore(_blocks(piece, seconds, frames), sample_rate=SAMPLE_RATE):
        pass


def _metrics(piece: Audio, seconds: float, frames: int) -> None:
    pair = (_blocks(sound, seconds, frames) for sound in (piece, 0.9 * piece[::-1]))
    stream_restore.compare(*pair, sample_rate=SAMPLE_RATE)


WORK: dict[str, Callable[[Audio, float, int], None]] = {
    "`degrade`": _degrade,
    "`restore`": _restore,
    "`metrics`": _metrics,
}
