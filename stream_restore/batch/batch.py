"""Restore a folder of recordings into another, one after the other, each by `api.restore`.

OUT_DIR/batch.journal holds the parameters of the batch and the state of each input when its restoration began. A
stopped batch resumes from it: finished recordings are skipped, the interrupted one resumes from its own journal.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from .. import api
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

__all__ = ["SUFFIXES", "Batch", "Item", "Summary"]

_WRITTEN = {suffix for container in CONTAINERS.values() for suffix in container.suffixes}
_HEADERLESS = set(CONTAINERS["raw"].suffixes)
_READ = {"ac3", "aifc", "amr", "ape", "bwf", "caf", "dff", "dsf", "mka", "mkv", "mp2", "mpc", "rf64", "tta", "w64"}
SUFFIXES = frozenset((_WRITTEN - _HEADERLESS) | _READ | {"webm", "wma", "wv"})
"""Suffixes of recordings, in lower case, without the dot."""


@dataclass(frozen=True)
class Item:
    """One recording and its output; `finished` if an earlier run completed it."""

    source: Path
    target: Path
    finished: bool


@dataclass
class Summary:
    """Recordings restored, skipped, and failed with their errors."""

    restored: list[Path] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: dict[Path, str] = field(default_factory=dict)


class Batch:
    """All recordings under a folder, at any depth; their paths are mirrored.

    Hidden files and folders, and symbolic links to folders, are left out. `outputs` is locked until `close`, which the
    context manager calls.

    Args:
        inputs, outputs: the folders; `outputs` is created, and may lie inside `inputs`.
        model: loaded once, for all.
        restoration, normalise, stored, on_damage: as for `api.restore`.
        resume: resume a stopped batch; if there is none, begin.

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
        inputs: Path,
        outputs: Path,
        *,
        model: Model,
        restoration: Restoration | None = None,
        normalise: bool = False,
        stored: Output | None = None,
        on_damage: OnDamage = "conceal",
        resume: bool = False,
    ) -> None:
        self._on_damage = on_damage
        self._model, self._normalise = model, normalise
        self._restoration = (restoration or Restoration()).with_defaults_of(model)
        self._stored, self._resume = stored or Output(), resume
        self._refuse_early()
        _refuse_clashes(inputs, outputs)
        pairs = [(source, self._target(inputs, outputs, source)) for source in _recordings(inputs, outputs)]
        if not pairs:
            raise ConfigError(f"{inputs}: holds no recordings; they end in .wav, .flac, .mp3, ...")
        _refuse_twins(pairs)
        self._folder = outputs
        self._log = _begun(outputs / "batch.journal", self._facts(inputs), resume, self._stored.force)
        self.items = tuple(Item(source, target, self._finished(source, target)) for source, target in pairs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the folder. May be called repeatedly."""
        self._log.close()

    def restore(self, item: Item, progress: Progress | None = None) -> Report:
        """Restore one recording.

        Raises:
            RestoreError: as `api.restore`.
        """
        make_folder(item.target.parent)
        before = file_facts(item.target) if item.target.exists() else None
        self._log.note(self._name(item.target), {"input": file_facts(item.source), "before": before})
        return api.restore(
            item.source,
            item.target,
            model=self._model,
            restoration=self._restoration,
            normalise=self._normalise,
            stored=self._stored,
            on_damage=self._on_damage,
            resume=self._resume,
            progress=progress,
        )

    def run(
        self,
        begin: Callable[[int, Item], AbstractContextManager[Progress | None]],
        end: Callable[[Item, Report | str], None],
    ) -> Summary:
        """Restore all unfinished recordings. A failure does not stop the others.

        Args:
            begin: called with the number of a recording, from 1; returns its progress callback in a context manager.
            end: called with the report, or with the error message.
        """
        summary = Summary()
        for number, item in enumerate(self.items, 1):
            if item.finished:
                summary.skipped.append(item.source)
                continue
            try:
                with begin(number, item) as progress:
                    report = self.restore(item, progress)
                summary.restored.append(item.source)
                end(item, report)
            except (RestoreError, OSError, MemoryError) as error:
                summary.failed[item.source] = str(error)
                end(item, str(error))
        return summary

    def _refuse_early(self) -> None:
        """Check once what would fail for every recording, before anything is created."""
        manifest = self._model.manifest
        self._restoration.stage(Spec(manifest.sample_rate, manifest.channels), self._model)
        if self._stored.container is not None:
            refuse_unwritable(self._stored.container, self._stored.encoding)

    def _finished(self, source: Path, target: Path) -> bool:
        """Whether the output is complete and its input has not changed since."""
        about = self._log.done.get(self._name(target))
        if about is None or not target.is_file() or _under_way(target):
            return False
        return bool(about["before"] != file_facts(target) and about["input"] == file_facts(source))

    def _name(self, target: Path) -> str:
        return target.relative_to(self._folder).as_posix()

    def _target(self, inputs: Path, outputs: Path, source: Path) -> Path:
        """The mirrored path, with another suffix if a container was requested or the input's cannot be written."""
        target = outputs / source.relative_to(inputs)
        container = self._stored.container
        if container is not None and container in CONTAINERS:
            suffixes = CONTAINERS[container].suffixes
            return target if _suffix(source) in suffixes else target.with_suffix(f".{suffixes[0]}")
        return target.with_suffix(written_suffix(source.suffix))

    def _facts(self, inputs: Path) -> Facts:
        stored = {name: value for name, value in asdict(self._stored).items() if name != "force"}
        work = {"restoration": asdict(replace(self._restoration, jobs=1)), "normalise": self._normalise}
        work |= self._model.facts()
        return {"inputs": str(inputs.resolve()), "stored": stored, "work": work, "versions": versions()}


def _begun(path: Path, about: Facts, resume: bool, force: bool) -> StepLog:
    """OUT_DIR/batch.journal, with one step for each recording begun: facts of the input and of the previous output."""
    make_folder(path.parent)
    if path.exists() and path.stat().st_size and not resume and not force:
        refuse_busy(path)
        raise ConfigError(f"{path}: a batch was made here; --resume goes on with it, --force starts again")
    return StepLog(path, about, resume)


def _under_way(target: Path) -> bool:
    return any(target.with_name(target.name + end).exists() for end in (".part", ".journal"))


def _suffix(path: Path) -> str:
    return path.suffix[1:].lower()


def _recordings(inputs: Path, outputs: Path) -> Iterator[Path]:
    """Files with a suffix of a recording, sorted by path, outside `outputs`."""
    found = []
    for folder, folders, names in os.walk(inputs, onerror=_unreadable):
        here = Path(folder)
        folders[:] = [name for name in folders if name[0] != "." and (here / name).resolve() != outputs.resolve()]
        found += [here / name for name in names if name[0] != "."]
    yield from sorted(path for path in found if _suffix(path) in SUFFIXES and path.is_file())


def _unreadable(error: OSError) -> None:
    raise SourceError(f"{error.filename}: cannot be read: {error.strerror}") from error


def _refuse_clashes(inputs: Path, outputs: Path) -> None:
    source, target = inputs.resolve(), outputs.resolve()
    if source == target or target in source.parents:
        raise ConfigError(f"{outputs}: holds the recordings themselves; give another folder")


def _refuse_twins(pairs: list[tuple[Path, Path]]) -> None:
    seen: dict[Path, Path] = {}
    for source, target in pairs:
        if target in seen:
            raise ConfigError(f"{seen[target]} and {source} would both become {target}; rename one of them")
        seen[target] = source
