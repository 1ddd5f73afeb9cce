"""Module paths of version 0.1, which lay flat in the package: `from stream_restore.stage import Stage` still works.

Each old path is a module that looks names up in the new one and warns. Python asks the finder last, so it costs nothing
where no old path is used.
"""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["MOVED", "install"]

MOVED = {
    "combine": "engine.channels",
    "comparison": "measure.comparison",
    "display": "show.viewer",
    "evaluation": "experiment.evaluation",
    "exact": "engine.exact_sum",
    "examples": "experiment.examples",
    "filters": "degradation.filters",
    "grid": "engine.grid",
    "job": "passes.job",
    "journal": "passes.journal",
    "mel": "show.mel",
    "metrics": "measure",
    "metrics.delay": "measure.delay",
    "metrics.distortion": "measure.distortion",
    "metrics.projection": "measure.bss_eval",
    "metrics.segments": "measure.segmental",
    "metrics.spectral": "measure.spectral",
    "noise": "engine.noise",
    "overlap": "restoration.segments",
    "picture": "show.picture",
    "report": "experiment.report",
    "resample": "engine.resample",
    "run": "engine.loop",
    "separation": "restoration.separate",
    "snapshot": "engine.state",
    "stage": "engine.stage",
    "tiles": "show.tiles",
    "window": "engine.window",
}
"""Old path: new path, both below the package."""

RENAMED = {
    "through": "identity",
    "slip": "misaligned",
    "take": "state_dict",
    "put": "load_state_dict",
    "show": "write_viewer",
    "Part": "Accumulator",
}
"""Old name: new name, wherever the new module has no such name of its own."""


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, old = fullname.partition(".")
        return (
            ModuleSpec(fullname, self, is_package=old == "metrics") if package == __package__ and old in MOVED else None
        )

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ModuleType(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        new = f"{__package__}.{MOVED[module.__name__.partition('.')[2]]}"
        warnings.warn(f"{module.__name__} has moved to {new}", DeprecationWarning, stacklevel=2)
        home = import_module(new)

        def lookup(name: str) -> object:
            return getattr(home, name if hasattr(home, name) else RENAMED.get(name, name))

        module.__dict__["__getattr__"] = lookup


def install() -> None:
    """Let Python find the old paths."""
    sys.meta_path.append(_Finder())
