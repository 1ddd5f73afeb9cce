"""An evaluation that tests stop, and what it leaves when nobody does."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from folders import files
from identity import Identity, identity
from stopping import StoppedError

from stream_restore.degradation import Degradation
from stream_restore.experiment.evaluation import Experiment, evaluate
from stream_restore.experiment.report import write_report
from stream_restore.models import Model

__all__ = ["FAST", "Evaluation", "in_the_middle", "segments_in"]

FAST = Experiment(sample_rate=4000, degradation=Degradation(cutoff_hz=800, sample_rate=2000))


@dataclass
class Evaluation:
    """Of one clip.

    Attributes:
        clip: the file.
        files: all that is left when nobody disturbs it.
        segments: how many the network hears then.
    """

    clip: Path
    files: dict[str, bytes] = field(default_factory=dict)
    segments: int = 0

    def run(self, folder: Path, model: Model | None = None, *, clip: Path | None = None, **options: Any) -> None:
        folder.mkdir(exist_ok=True)
        write_report(folder, evaluate([clip or self.clip], folder, {"same": model or identity()}, FAST, **options))

    def undisturbed(self, folder: Path) -> "Evaluation":
        """The same, after a run to see what it leaves."""
        model = identity()
        self.run(folder, model)
        return Evaluation(self.clip, files(folder), segments_in(model))


def segments_in(model: Model) -> int:
    """How many segments the network was given."""
    network = model.members[0].backend
    assert isinstance(network, Identity)
    return len(network.inputs)


def in_the_middle(done: int, total: int | None) -> None:
    """Progress that stops a run while it restores, which takes from 4/29 to 24/29 of the work."""
    if total and done > total / 2:
        raise StoppedError
