"""Restore many recordings into a folder, each by `api.restore`.

OUT_DIR/batch.journal holds the parameters of the batch, the state of each input when its restoration began, and what
became of it. A stopped batch resumes from it: finished recordings are skipped, interrupted ones resume from their own
journals.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Self

from ..audio import OnDamage
from ..audio.formats import CONTAINERS, refuse_unwritable, written_suffix
from ..audio.outputs.atomic_file import make_folder
from ..audio.outputs.lock import refuse_busy
from ..engine.loop import Progress
from ..errors import ConfigError, RestoreError, SourceError
from ..models import Model
from ..passes.job import Output, Report
from ..passes.journal import Facts, file_facts, versions
from ..passes.step_log import StepLog
from ..restoration.restoration import Restoration
from ..spec import Spec
from .cluster import Cluster, restored_on_cluster
from .pieces import clear
from .recordings import Recording, find_recordings, output_name, suffix_of
from .report import Row, row_of
from .restorer import Item, Restorer
from .workers import restored_by_workers

__all__ = ["Batch", "Summary"]

Begin = Callable[[int, Item], None]
"""Called with the number of an item, from 1, and the item, when its restoration begins."""
End = Callable[[Item, Report | str], None]
"""Called with the report on an item, or with the message of its error."""
Outcome = tuple[Item, Report | str, int]


@dataclass
class Summary:
    """Recordings restored, skipped, and failed with their errors; and a row of the report for each, in order."""

    restored: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)


class Batch:
    """Recordings and where their results go: below a folder, as they lie below the one that was given.

    `outputs` is locked until `close`, which the context manager calls.

    Args:
        inputs: a folder, or what `find_recordings` found.
        outputs: is created; may lie inside `inputs`.
        model: loaded once, for all.
        restoration, normalise, stored, on_damage: as for `api.restore`.
        resume: resume a stopped batch; if there is none, begin.
        name: of results, see `output_name`.

    Attributes:
        items: the recordings, sorted by path.

    Raises:
        ConfigError: if there are no recordings, folders or outputs clash, an option cannot work for any recording, or
            the stopped batch had other parameters.
        SinkError: if `outputs` cannot be written, or another batch is writing into it.
        SourceError: if `inputs` cannot be read.
    """

    def __init__(
        self,
        inputs: Path | Sequence[Recording],
        outputs: Path,
        *,
        model: Model,
        restoration: Restoration | None = None,
        normalise: bool = False,
        stored: Output | None = None,
        on_damage: OnDamage = "conceal",
        resume: bool = False,
        name: str = "{stem}.{ext}",
    ) -> None:
        restoration = (restoration or Restoration()).with_defaults_of(model)
        self._restorer = Restorer(model, restoration, normalise, stored or Output(), on_damage)
        self._resume = resume
        self._refuse_early()
        found = find_recordings([inputs], outputs) if isinstance(inputs, Path) else inputs
        container = self._restorer.stored.container
        pairs = [(each.path, _target(outputs / each.place, container, name)) for each in found]
        _refuse_twins(pairs)
        self._folder = outputs
        self._log = _begun(outputs / "batch.journal", self._facts(), resume, self._restorer.stored.force)
        self.items = tuple(Item(source, target, self._finished(source, target)) for source, target in pairs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the folder. May be called repeatedly."""
        self._log.close()

    def restore(self, item: Item) -> Report:
        """Restore one recording, here.

        Raises:
            RestoreError: as `api.restore`.
        """
        self._note_begin(item)
        return self._restorer(item, self._resume)

    def run(
        self,
        begin: Begin,
        end: End,
        progress: Progress | None = None,
        jobs: int | None = None,
        cluster: Cluster | None = None,
    ) -> Summary:
        """Restore all unfinished recordings. A failure does not stop the others.

        Args:
            begin, end: called for each recording that is not finished.
            progress: called with bytes of inputs done, and of all inputs.
            jobs: recordings restored at once; None: one, or as many as a cluster has room for. Beyond 1, each is
                restored in a process with a copy of the model, which is started as multiprocessing's "spawn" does, so a
                script must begin under `if __name__ == "__main__"`. The bytes of the outputs do not depend on it.
            cluster: where Ray runs, if that restores them.

        Raises:
            ConfigError: see `restored_on_cluster`.
        """
        items = [item for item in self.items if not item.finished]
        meter = _Meter(items, progress)
        begun: dict[Path, float] = {}
        rows: dict[Path, Row] = {}

        def noted(number: int, item: Item) -> None:
            begun[item.target] = time.monotonic()
            begin(number, item)
            with suppress(SourceError):  # restoring it says what is wrong with it
                self._note_begin(item)

        if cluster:
            outcomes = restored_on_cluster(
                self._restorer, items, cluster, jobs=jobs, resume=self._resume, begin=noted, share=meter.share
            )
        elif jobs and jobs > 1:
            outcomes = restored_by_workers(self._restorer, items, jobs, self._resume, noted, meter.share)
        else:
            outcomes = self._restored_here(items, noted, meter)
        summary = Summary(skipped=[item.source for item in self.items if item.finished])
        for item, outcome, attempts in outcomes:
            meter.share(item, 1.0)
            rows[item.target] = row_of(item, outcome, attempts, time.monotonic() - begun[item.target])
            self._note_end(item, rows[item.target])
            if isinstance(outcome, str):
                summary.failed[item.source] = outcome
            else:
                clear(item)  # of a cluster that was stopped, where this run had none
                summary.restored.append(item.source)
            end(item, outcome)
        summary.rows = [rows.get(item.target) or self._earlier_row(item) for item in self.items]
        return summary

    def _restored_here(self, items: Sequence[Item], begin: Begin, meter: "_Meter") -> Iterator[Outcome]:
        for number, item in enumerate(items, 1):
            try:
                begin(number, item)
                yield item, self._restorer(item, self._resume, partial(meter.share, item)), 1
            except (RestoreError, OSError, MemoryError) as error:
                yield item, str(error), 1

    def _refuse_early(self) -> None:
        """Check once what would fail for every recording, before anything is created."""
        model, stored = self._restorer.model, self._restorer.stored
        self._restorer.restoration.stage(Spec(model.manifest.sample_rate, model.manifest.channels), model)
        if stored.container is not None:
            refuse_unwritable(stored.container, stored.encoding)

    def _note_begin(self, item: Item) -> None:
        name, about = self._name(item.target), file_facts(item.source)
        if not self._resume or self._log.done.get(name, {}).get("input") != about:
            clear(item)
        before = file_facts(item.target) if item.target.exists() else None
        self._log.note(name, {"input": about, "before": before})

    def _note_end(self, item: Item, row: Row) -> None:
        name = self._name(item.target)
        if name in self._log.done:  # else its input was gone before it began
            self._log.note(name, {**self._log.done[name], "row": row})

    def _earlier_row(self, item: Item) -> Row:
        """What became of a finished item in the run that restored it, unless that was stopped before it noted this."""
        noted: Row = self._log.done[self._name(item.target)].get("row", {})
        return {"input": str(item.source), "output": str(item.target), **noted, "status": "skipped"}

    def _finished(self, source: Path, target: Path) -> bool:
        """Whether the output is complete and its input has not changed since."""
        about = self._log.done.get(self._name(target))
        if about is None or not target.is_file() or _under_way(target):
            return False
        return bool(about["before"] != file_facts(target) and about["input"] == file_facts(source))

    def _name(self, target: Path) -> str:
        return target.relative_to(self._folder).as_posix()

    def _facts(self) -> Facts:
        how = self._restorer
        stored = {name: value for name, value in asdict(how.stored).items() if name != "force"}
        work = {"restoration": asdict(replace(how.restoration, jobs=1)), "normalise": how.normalise}
        return {"stored": stored, "work": work | how.model.facts() | how.restoration.facts(), "versions": versions()}


class _Meter:
    """One progress over all recordings, by the bytes of their files: lengths are not known before."""

    def __init__(self, items: Sequence[Item], progress: Progress | None) -> None:
        self._progress = progress
        self._bytes = {item.source: _size(item.source) for item in items}
        self._shares: dict[Path, float] = {}
        self._total, self._whole = sum(self._bytes.values()), 0

    def share(self, item: Item, share: float) -> None:
        """This part of an item is done; at 1.0 it is whole."""
        self._shares[item.source] = share
        if share >= 1:
            del self._shares[item.source]
            self._whole += self._bytes.pop(item.source, 0)
        if self._progress:
            under_way = sum(self._bytes.get(source, 0) * part for source, part in self._shares.items())
            self._progress(self._whole + int(under_way), self._total)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # restoring it says what is wrong with it
        return 0


def _begun(path: Path, about: Facts, resume: bool, force: bool) -> StepLog:
    """OUT_DIR/batch.journal, with a step for each recording begun: facts of the input and of the previous output."""
    make_folder(path.parent)
    if path.exists() and path.stat().st_size and not resume and not force:
        refuse_busy(path)
        raise ConfigError(f"{path}: a batch was made here; --resume goes on with it, --force starts again")
    return StepLog(path, about, resume)


def _target(place: Path, container: str | None, name: str) -> Path:
    """The mirrored path, with another suffix if a container was requested or the input's cannot be written."""
    suffix = place.suffix[1:]
    if container is not None and container in CONTAINERS:
        suffixes = CONTAINERS[container].suffixes
        suffix = suffix if suffix_of(place) in suffixes else suffixes[0]
    else:
        suffix = written_suffix(place.suffix)[1:]
    return place.with_name(output_name(name, place.stem, suffix))


def _under_way(target: Path) -> bool:
    return any(target.with_name(target.name + end).exists() for end in (".part", ".journal"))


def _refuse_twins(pairs: Sequence[tuple[Path, Path]]) -> None:
    seen: dict[Path, Path] = {}
    for source, target in pairs:
        if target in seen:
            raise ConfigError(f"{seen[target]} and {source} would both become {target}; rename one of them")
        seen[target] = source
