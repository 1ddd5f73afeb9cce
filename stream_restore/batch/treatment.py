"""What is done to each recording of a batch, here or in another process: restored, or degraded."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

from .. import api
from ..audio import OnDamage, refuse_same_file
from ..audio.formats import refuse_unwritable
from ..audio.outputs.atomic_file import make_folder
from ..audio.outputs.output import refuse_existing
from ..audio.storage import Remote, target_of
from ..degradation.degradation import Degradation
from ..engine.loop import Progress
from ..models import Model
from ..passes.job import Output, Report
from ..passes.journal import Facts, versions
from ..restoration.restoration import Restoration
from ..spec import Spec
from .item import Item, keep, kept, store

__all__ = ["Degrader", "Restorer", "Share", "Treatment"]

_USUAL_RATE = 48000

Share = Callable[[float], None]
"""Called with the part of a recording that is done, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Treatment(ABC):
    """How recordings are treated, one after the other. It can be pickled.

    Attributes:
        done: what a recording is afterwards, in a word.
        stored, on_damage: as for `api.restore`.
    """

    done: ClassVar[str]
    stored: Output = field(default_factory=Output)
    on_damage: OnDamage = "conceal"

    @abstractmethod
    def refuse_early(self) -> None:
        """Check once what would fail for every recording, before anything is created.

        Raises:
            ConfigError: if so.
        """
        if self.stored.container is not None:
            refuse_unwritable(self.stored.container, self.stored.encoding)

    @abstractmethod
    def work(self) -> Facts:
        """The parameters that the bytes of results depend on, besides how they are stored."""

    @abstractmethod
    def write(self, item: Item, resume: bool, progress: Progress) -> Report:
        """Write `item.local`.

        Raises:
            RestoreError: as `api.restore`.
        """

    def facts(self) -> Facts:
        """What must be equal for a batch to go on."""
        return {"stored": self.stored.facts(), "work": self.work(), "versions": versions()}

    def __call__(self, item: Item, resume: bool, share: Share | None = None) -> Report:
        """Treat one recording.

        Raises:
            RestoreError: as `api.restore`.
        """
        if not isinstance(item.target, Remote):
            make_folder(item.target.parent)
            return self._written(item, resume, share)
        refuse_same_file(target_of(item.source), item.target.url)
        report = kept(item) if resume else None
        if report is None:
            if not self.stored.force:
                refuse_existing(item.target)
            make_folder(item.local.parent)
            report = self._written(item, resume, share)
            keep(item, report)
        store(item, report, self.stored.force, again=resume)
        return report

    def stored_for(self, item: Item) -> Output:
        """How the file is stored that is written; one that is uploaded is this batch's own."""
        return replace(self.stored, force=self.stored.force or item.made is not None)

    def _written(self, item: Item, resume: bool, share: Share | None) -> Report:
        def progress(done: int, total: int | None) -> None:
            if share and total:
                share(min(1.0, done / total))

        report = self.write(item, resume and _can_go_on(item), progress)
        if item.made is not None:
            made, target = str(item.made), str(item.target)
            report.clipped = {name.replace(made, target): samples for name, samples in report.clipped.items()}
            report.warnings = [warning.replace(made, target) for warning in report.warnings]
        return report


@dataclass(frozen=True)
class Restorer(Treatment):
    """A model and how it is applied.

    Attributes:
        model, restoration, normalise: as for `api.restore`.
    """

    done = "restored"
    model: Model
    restoration: Restoration = field(default_factory=Restoration)
    normalise: bool = False

    def refuse_early(self) -> None:
        self.restoration.stage(Spec(self.model.manifest.sample_rate, self.model.manifest.channels), self.model)
        super().refuse_early()

    def work(self) -> Facts:
        work = {"restoration": asdict(replace(self.restoration, jobs=1)), "normalise": self.normalise}
        return work | self.model.facts() | self.restoration.facts()

    def write(self, item: Item, resume: bool, progress: Progress) -> Report:
        return api.restore(
            target_of(item.source),
            item.local,
            model=self.model,
            restoration=self.restoration,
            normalise=self.normalise,
            stored=self.stored_for(item),
            on_damage=self.on_damage,
            resume=resume,
            progress=progress,
        )


@dataclass(frozen=True)
class Degrader(Treatment):
    """The chain of the evaluation.

    Attributes:
        degradation, power: as for `api.degrade`.
    """

    done = "degraded"
    degradation: Degradation = field(default_factory=Degradation)
    power: float | None = None

    def refuse_early(self) -> None:
        # Whether a recording's own rate is high enough for the cut-off, its turn says.
        usual = (self.degradation.cutoff_hz or 0) < _USUAL_RATE / 2
        early = self.degradation if usual else replace(self.degradation, cutoff_hz=None)
        early.stage(Spec(_USUAL_RATE, 1), 0.0 if self.power is None else self.power)
        super().refuse_early()

    def work(self) -> Facts:
        return {"degradation": asdict(self.degradation), "power": self.power}

    def write(self, item: Item, resume: bool, progress: Progress) -> Report:
        return api.degrade(
            target_of(item.source),
            item.local,
            degradation=self.degradation,
            power=self.power,
            stored=self.stored_for(item),
            on_damage=self.on_damage,
            resume=resume,
            progress=progress,
        )


def _can_go_on(item: Item) -> bool:
    """Whether a recording can be read from the middle; if not, it begins again."""
    try:
        return not isinstance(item.source, Remote) or item.source.seekable
    except OSError:  # restoring it says what is wrong with it
        return True
