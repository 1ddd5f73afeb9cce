"""The clips of an experiment side by side on a cluster of Ray.

Each actor has all models, and takes one clip after the other. What it leaves is what one process leaves. A clip whose
actor dies, or leaves with its node, goes on where its log says, see `stream_restore.batch.actors`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..batch.actors import Actors, Death, connected
from ..errors import BusyError, RestoreError
from ..models import Model
from .clip import Clip, Experiment, work_of

__all__ = ["results_on_cluster"]


class _Actor:
    """Runs on a worker of Ray."""

    def __init__(self, shared: tuple[Experiment, Mapping[str, Model]]) -> None:
        self._experiment, self._models = shared

    def run(
        self, source: Path, folder: Path, name: str, resume: bool, again: bool
    ) -> dict[str, Any] | RestoreError | Death:
        """The contents of `clip.json`, or what was wrong."""
        clip = Clip(source, folder, name, self._experiment, self._models, lambda seconds: None)
        resume = resume or (again and clip.is_begun())
        try:
            return clip.result(resume)
        except BusyError as error:  # an actor that was lost may live on where it cannot be reached
            return Death(str(error), lost=True) if again else error
        except RestoreError as error:
            return error


def results_on_cluster(clips: Sequence[Clip], address: str, jobs: int | None, resume: bool) -> list[dict[str, Any]]:
    """The contents of each `clip.json`, in order. The first clip that fails ends all.

    Args:
        clips: of one experiment, with the same models.
        address: of the cluster, or "local".
        jobs: actors; None: as many as there are CPUs.
        resume: as for `Clip.result`.

    Raises:
        ConfigError: if Ray is not installed, there is no cluster at the address, or it has no worker for a long time.
        RestoreError: if a step fails, or actors die of a clip again and again.
    """
    found: dict[int, dict[str, Any]] = {}
    with connected(address) as ray:
        actors: Actors[int] = Actors(ray, _Actor, (clips[0].experiment, clips[0].models), jobs=jobs)
        coming = iter(enumerate(clips))
        while True:
            while actors.has_room and (new := next(coming, None)):
                number, clip = new
                actors.submit(number, clip.source.absolute(), clip.folder.absolute(), clip.name, resume)
            if not actors.busy:
                return [found[number] for number in range(len(clips))]
            number, outcome, tries = actors.next_outcome()
            if isinstance(outcome, Death):
                raise RestoreError(
                    f"{clips[number].source}: workers died of it {tries} times, at last: {outcome.cause}"
                )
            if isinstance(outcome, RestoreError):
                raise outcome
            found[number] = outcome
            clips[number].done(work_of(len(clips[number].models)) * outcome["seconds"])
