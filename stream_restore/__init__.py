"""Degrade and restore audio of any length in bounded memory.

    import stream_restore

    stream_restore.degrade("clean.wav", "bad.wav")
    stream_restore.restore("bad.wav", "restored.wav")
    figures = stream_restore.compare("clean.wav", "restored.wav").figures

For a loop of your own, take the stages: `stream_restore.stage` holds their law, `stream_restore.degradation`,
`stream_restore.restoration` and the modules beside them the stages, `stream_restore.testing` the check for new ones.
Importing the package loads nothing heavy; what is named here is imported when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Output, Report, degrade, restore
    from .comparison import compare
    from .degradation import Degradation
    from .metrics import Distortion, Metrics
    from .restoration import Restoration
    from .spec import Audio, Spec
    from .stage import Chain, Stage

__all__ = [
    "Audio",
    "Chain",
    "Degradation",
    "Distortion",
    "Metrics",
    "Output",
    "Report",
    "Restoration",
    "Spec",
    "Stage",
    "__version__",
    "compare",
    "degrade",
    "restore",
]

__version__ = "0.1.0"

_HOMES = {
    "api": ("Output", "Report", "degrade", "restore"),
    "comparison": ("compare",),
    "degradation": ("Degradation",),
    "metrics": ("Distortion", "Metrics"),
    "restoration": ("Restoration",),
    "spec": ("Audio", "Spec"),
    "stage": ("Chain", "Stage"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f".{home}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
