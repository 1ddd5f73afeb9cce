"""Hearing recordings from their start to their end, in a way that can go on where it was stopped."""

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

    Whoever is given blocks brings them into `state` and `sinks` before asking for more. In between, a journal keeps
    both; with one that is there already, `state` is changed to what it was, and the blocks that follow are given.

    Args:
        sources: each at its start; with a journal, all of one length, or nobody heeds what is longer than the first.
        state: all that is made of the blocks, in memory: a list, or what else `load_state_dict` can change in place.
        journal: removed by the caller, when what follows the pass is done.
        progress: told the number of frames of each block after it was used, and before of those heard earlier.
        sinks: opened where the journal's checkpoint says they were.
        settle: called before the state is kept, to bring to the disk what else was made of the blocks.

    Raises:
        ConfigError: a damaged journal, or one of another work.
        SourceError: a recording that became shorter.
        SinkError: the disk is full, or whatever else the system says.
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
    """Go to where the journal says; how many frames of the first recording were heard."""
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
