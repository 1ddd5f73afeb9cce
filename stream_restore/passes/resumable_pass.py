"""Resumable passes through recordings, from start to end."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..audio import Sink
from ..engine.loop import BLOCK, Readable, skip
from ..engine.state import load_state_dict, state_dict
from ..errors import ConfigError, StreamError
from ..spec import Audio
from .journal import Journal

__all__ = ["run_pass"]


def run_pass(
    sources: Sequence[Readable],
    state: object,
    journal: Journal | None = None,
    *,
    progress: Callable[[int], None] | None = None,
    sinks: Sequence[Sink] = (),
    settle: Callable[[], None] = lambda: None,
) -> Iterator[list[Audio]]:
    """Blocks of recordings side by side, up to the end of the longest.

    The caller must process each block into `state` and `sinks` before requesting the next. Between blocks the journal
    saves both; if the journal already exists, `state` is restored from it and the pass continues from there.

    Args:
        sources: each at its start; with a journal, the caller must ignore frames beyond the end of the first.
        state: all results in memory: a list, or anything that `load_state_dict` can change in place.
        journal: the caller must remove it when the work after the pass is done.
        progress: told the number of frames of each block after its use; first, the frames of an earlier run.
        sinks: opened at the positions in the journal's checkpoint.
        settle: called before the state is saved, to flush other results to the disk.

    Raises:
        ConfigError: if the journal is damaged or belongs to another work.
        SourceError: if a recording became shorter.
        SinkError: if a file cannot be written, e.g. because the disk is full.
    """
    frames = _resume(sources, state, journal)
    if progress and frames:
        progress(frames)

    def kept() -> dict[str, Any]:
        settle()
        return state_dict(state)

    while True:
        blocks = [source.read(BLOCK) for source in sources]
        if not any(block.shape[1] for block in blocks):
            return
        yield blocks
        frames += blocks[0].shape[1]
        if progress:
            progress(blocks[0].shape[1])
        if journal:
            journal.tick(frames, sinks, kept)


def _resume(sources: Sequence[Readable], state: object, journal: Journal | None) -> int:
    """Restore `state` and skip to the journal's checkpoint; return its frame in the first recording."""
    checkpoint = journal.load() if journal else None
    if journal is None or checkpoint is None:
        return 0
    try:
        load_state_dict(state, checkpoint.state)
    except StreamError as error:
        raise ConfigError(f"{journal.path}: {error}") from error
    for source in sources:
        skip(source, checkpoint.frames)
    return checkpoint.frames
