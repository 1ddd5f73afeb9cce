"""One long recording in pieces that workers restore side by side, and the one file that is made of them.

A piece is a range of the recording in NAME.pieces beside the output, as float32; all workers must see that folder. When
all are there, they go one after the other through the sink that a single process would have filled, so its bytes are
the same. Meanwhile they take 4 bytes a sample. Those that are complete are not restored again when a batch goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import api
from ..audio import RawFormat, Source, open_source
from ..audio.outputs.atomic_file import make_folder
from ..audio.outputs.output import refuse_existing
from ..audio.storage import target_of
from ..engine.loop import BLOCK
from ..errors import SourceError
from ..passes.job import Output, Report
from ..passes.journal import Facts, changes, file_facts
from ..ranges import Range
from ..spec import Audio
from .item import Item, store
from .treatment import Restorer

__all__ = ["Cut", "cut", "join", "restore_piece"]

_WORD = "f32"


@dataclass(frozen=True)
class Cut:
    """A recording that is restored in pieces: its ranges, in order, and the facts of its file when it was cut."""

    item: Item
    ranges: tuple[Range, ...]
    facts: Facts


def cut(restorer: Restorer, item: Item, longest_seconds: float) -> Cut | None:
    """Ranges of at most this length; None for a recording that is no longer, or whose exact length is unknown.

    A recording that is normalised by its own level is not cut either: every piece would measure all of it.

    Raises:
        SourceError: if it cannot be opened.
        SinkError: if its output exists and is not to be replaced.
    """
    facts = file_facts(item.source)
    with open_source(target_of(item.source), on_damage=restorer.on_damage) as source:
        frames, step = source.frames, max(1, source.spec.frames(longest_seconds))
    if restorer.normalise or frames is None or frames <= step:
        return None
    if not restorer.stored.force:
        refuse_existing(item.target)
    stops = [*range(step, frames, step), None]
    return Cut(item, tuple(map(Range, range(0, frames, step), stops)), facts)


def restore_piece(restorer: Restorer, whole: Cut, number: int, resume: bool) -> Report:
    """Restore one range of a recording, unless it is there.

    Raises:
        RestoreError: as `api.restore`.
    """
    path = _path(whole, number)
    if resume and path.exists():
        return Report()
    make_folder(path.parent)
    return api.restore(
        target_of(whole.item.source),
        path,
        model=restorer.model,
        restoration=restorer.restoration,
        range=whole.ranges[number],
        stored=Output("raw", _WORD, force=not resume, checkpoint_seconds=restorer.stored.checkpoint_seconds),
        on_damage=restorer.on_damage,
        resume=resume,
    )


def join(restorer: Restorer, whole: Cut) -> Report:
    """Write the output of all pieces, then delete them.

    Findings of repairs are left out: pieces look at what lies around them, and would count it twice.

    Raises:
        SourceError: if the recording was changed since it was cut.
        SinkError: if the output cannot be written.
    """
    item = whole.item
    if changed := changes(dict(whole.facts), dict(file_facts(item.source))):
        raise SourceError(f"{item.source}: was changed while it was restored: {', '.join(changed)}; start again")
    with open_source(target_of(item.source), on_damage=restorer.on_damage) as source:
        report = Report(sample_rate=source.spec.sample_rate, peak=0.0)
        stored = restorer.stored_for(item)
        sink = stored.open(item.local, source.spec, source.format, source.frames, None, film=source.film)
        with sink:
            for block in _blocks(whole, source):
                sink.write(block)
                report.frames += block.shape[1]
                report.peak = max(report.peak or 0.0, float(np.abs(block).max()))
        report.warnings = [*source.warnings, *sink.warnings]
        report.clipped = {sink.name: sink.clipped} if sink.clipped else {}
    store(item, report, restorer.stored.force, again=True)
    item.discard_pieces()
    return report


def _blocks(whole: Cut, source: Source) -> Iterator[Audio]:
    form = RawFormat(_WORD, source.spec)
    for number in range(len(whole.ranges)):
        with open_source(_path(whole, number), raw=form) as piece:
            while (block := piece.read(BLOCK)).shape[1]:
                yield block


def _path(whole: Cut, number: int) -> Path:
    """The name says where the piece begins and ends, so that one of another cut is not taken for it."""
    part = whole.ranges[number]
    return whole.item.pieces / f"{part.start}-{part.stop or 'end'}.raw"
