"""Restore or degrade many recordings into a folder, on the disk or at a URL, each by `api.restore` or `api.degrade`.

A journal holds the parameters of the batch, the state of each input when its turn came, and what became of it: see
`log`. A stopped batch resumes from it: finished recordings are skipped, interrupted ones resume from their own
journals.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from ..audio import OnDamage
from ..audio.formats import CONTAINERS, written_suffix
from ..audio.storage import Place, Remote, place_of
from ..degradation.degradation import Degradation
from ..engine.loop import Progress
from ..errors import ConfigError, SourceError
from ..models import Model
from ..passes.job import Output, Report
from ..restoration.restoration import Restoration
from .cluster import Cluster, treated_on_cluster
from .item import Item, clear, outcome_of
from .log import BatchLog
from .recordings import Recording, find_recordings, output_name, suffix_of
from .report import Row, row_of
from .rounds import Again, Outcome, in_rounds
from .treatment import Degrader, Restorer, Treatment
from .workers import treated_by_workers

__all__ = ["Batch", "Summary"]

Begin = Callable[[int, Item], None]
"""Called with the number of an item, from 1, and the item, when its restoration begins."""
End = Callable[[Item, Report | str], None]
"""Called with the report on an item, or with the message of its error."""


@dataclass
class Summary:
    """Recordings restored (or degraded), skipped, and failed with their errors; and a row for each, in order."""

    restored: list[Place] = field(default_factory=list)
    skipped: list[Place] = field(default_factory=list)
    failed: dict[Place, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


class Batch:
    """Recordings and where their results go: below a folder, as they lie below the one that was given.

    `outputs`, or at a URL the folder of its state, is locked until `close`, which the context manager calls.

    Args:
        inputs: a folder, or its URL, or what `find_recordings` found.
        outputs: a folder, which is created, or its URL; may lie inside `inputs`.
        model: loaded once, for all, if they are restored.
        restoration, normalise: as for `api.restore`.
        degradation: as for `api.degrade`, if they are degraded.
        power: as for `api.degrade`, of each.
        stored, on_damage: as for both.
        resume: resume a stopped batch; if there is none, begin.
        name: of results, see `output_name`.
        state: of results at a URL: the folder for the journal and for what is made and not yet stored, as much as the
            longest results that are made at once; by default one of the user's for this URL, see `log.default_state`.

    Attributes:
        items: the recordings, sorted by path.
        treatment: what is done to each.

    Raises:
        ConfigError: if there is neither a model nor a degradation, or both, there are no recordings, folders or outputs
            clash, an option cannot work for any recording, or the stopped batch had other parameters.
        SinkError: if `outputs` cannot be written, or another batch is writing into it.
        SourceError: if `inputs` cannot be read.
    """

    def __init__(
        self,
        inputs: str | Place | Sequence[Recording],
        outputs: str | Place,
        *,
        model: Model | None = None,
        restoration: Restoration | None = None,
        normalise: bool = False,
        degradation: Degradation | None = None,
        power: float | None = None,
        stored: Output | None = None,
        on_damage: OnDamage = "conceal",
        resume: bool = False,
        name: str = "{stem}.{ext}",
        state: Path | None = None,
    ) -> None:
        if (model is None) == (degradation is None):
            raise ConfigError("a batch restores by a model, or degrades by a degradation: give one of the two")
        stored = stored or Output()
        if model is not None:
            restoration = (restoration or Restoration()).with_defaults_of(model)
            how: Treatment = Restorer(model, restoration, normalise, stored=stored, on_damage=on_damage)
        else:
            how = Degrader(degradation or Degradation(), power, stored=stored, on_damage=on_damage)
        self.treatment, self._resume = how, resume
        how.refuse_early()
        outputs = place_of(outputs)
        found = find_recordings([inputs], outputs) if isinstance(inputs, str | Path | Remote) else inputs
        container = stored.container
        pairs = [(each.path, outputs / _named(each.place, container, name)) for each in found]
        _refuse_twins(pairs)
        self._log = BatchLog(outputs, state, how.facts(), resume, stored.force)
        try:
            self.items = self._log.items(pairs)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the folder. May be called repeatedly."""
        self._log.close()

    def restore(self, item: Item) -> Report:
        """Treat one recording, here.

        Raises:
            RestoreError: as `api.restore`.
        """
        begun = time.monotonic()
        self._log.begin(item, self._resume)
        report = self.treatment(item, self._resume)
        self._log.end(item, row_of(item, report, 1, time.monotonic() - begun, self.treatment.done))
        return report

    def run(
        self,
        begin: Begin,
        end: End,
        progress: Progress | None = None,
        jobs: int | None = None,
        cluster: Cluster | None = None,
        *,
        retries: int = 3,
        again: Again = lambda item, error, seconds: None,
    ) -> Summary:
        """Treat all unfinished recordings. A failure does not stop the others.

        Args:
            begin, end: called for each recording that is not finished.
            progress: called with bytes of inputs done, and of all inputs.
            jobs: recordings treated at once; None: one, or as many as a cluster has room for. Beyond 1, each is
                treated in a process with a copy of the model, which is started as multiprocessing's "spawn" does, so a
                script must begin under `if __name__ == "__main__"`. The bytes of the outputs do not depend on it.
            cluster: where Ray runs, if that treats them.
            retries: how often one is tried again whose storage was busy or cut off, when the others are done, and 10 s,
                30 s, 90 s, ... have passed.
            again: called when one is to be tried again.

        Raises:
            ConfigError: see `in_rounds`, `treated_on_cluster`.
        """
        items = [item for item in self.items if not item.finished]
        for item in self.items:
            if item.finished:  # what a run left that was killed between the two
                clear(item)
                item.discard_made()
        meter = _Meter(items, progress)
        begun: dict[Place, float] = {}

        def noted(number: int, item: Item) -> None:
            retried = item.target in begun
            begun.setdefault(item.target, time.monotonic())
            if not retried:
                begin(number, item)
            with suppress(SourceError):  # restoring it says what is wrong with it
                meter.weigh(item, self._log.begin(item, self._resume or retried)["bytes"])

        def outcomes(items: Sequence[Item], resume: bool) -> Iterator[Outcome]:
            if cluster:
                return treated_on_cluster(
                    self.treatment, items, cluster, jobs=jobs, resume=resume, begin=noted, share=meter.share
                )
            if jobs and jobs > 1:
                return treated_by_workers(self.treatment, items, jobs, resume, noted, meter.share)
            return self._treated_here(items, resume, noted, meter)

        summary = Summary(skipped=[item.source for item in self.items if item.finished])
        for item, outcome, attempts in in_rounds(items, outcomes, self._resume, retries, again):
            meter.share(item, 1.0)
            seconds = time.monotonic() - begun.pop(item.target)
            self._log.end(item, row_of(item, outcome, attempts, seconds, self.treatment.done))
            if isinstance(outcome, str):
                summary.failed[item.source] = outcome
            else:
                clear(item)  # of a cluster that was stopped, where this run had none
                summary.restored.append(item.source)
            end(item, outcome)
        summary.rows = [self._log.row(item) for item in self.items]
        return summary

    def _treated_here(self, items: Sequence[Item], resume: bool, begin: Begin, meter: "_Meter") -> Iterator[Outcome]:
        def treated(number: int, item: Item) -> Report:
            begin(number, item)
            return self.treatment(item, resume, partial(meter.share, item))

        for number, item in enumerate(items, 1):
            yield item, outcome_of(item, partial(treated, number, item)), 1


class _Meter:
    """One progress over all recordings, by the bytes of the inputs: lengths of sound are not known before.

    An object whose size is not known before it begins counts as the mean of those whose is.
    """

    def __init__(self, items: Sequence[Item], progress: Progress | None) -> None:
        self._progress = progress
        sizes = {item.source: _size(item) for item in items}
        self._known = {source: size for source, size in sizes.items() if size is not None}
        self._total, self._unknown = sum(self._known.values()), len(sizes) - len(self._known)
        self._shares: dict[Place, float] = {}
        self._whole, self._number = 0, len(sizes)

    def weigh(self, item: Item, size: int | None) -> None:
        """Note the size of an item that begins."""
        if size is not None and item.source not in self._known:
            self._known[item.source] = size
            self._total += size
            self._unknown -= 1

    def share(self, item: Item, share: float) -> None:
        """This part of an item is done; at 1.0 it is whole."""
        self._shares[item.source] = share
        usual = self._total / max(1, self._number - self._unknown)
        if share >= 1:
            del self._shares[item.source]
            self._whole += self._known.get(item.source, 0)
        if self._progress:
            under_way = sum(self._known.get(source, 0) * part for source, part in self._shares.items())
            self._progress(self._whole + int(under_way), self._total + int(usual * self._unknown))


def _size(item: Item) -> int | None:
    if isinstance(item.source, Remote):
        return item.source.listed.get("size") if item.source.listed else None
    try:
        return item.source.stat().st_size
    except OSError:  # restoring it says what is wrong with it
        return 0


def _named(place: Path, container: str | None, name: str) -> Path:
    """The place of a result: with another suffix if a container was requested or the input's cannot be written."""
    suffix = place.suffix[1:]
    if container is not None and container in CONTAINERS:
        suffixes = CONTAINERS[container].suffixes
        suffix = suffix if suffix_of(place) in suffixes else suffixes[0]
    else:
        suffix = written_suffix(place.suffix)[1:]
    return place.with_name(output_name(name, place.stem, suffix))


def _refuse_twins(pairs: Sequence[tuple[Place, Place]]) -> None:
    seen: dict[Place, Place] = {}
    for source, target in pairs:
        if target in seen:
            raise ConfigError(f"{seen[target]} and {source} would both become {target}; rename one of them")
        seen[target] = source
