"""Degrade and restore audio of any length in bounded memory.

    import stream_restore

    stream_restore.degrade("clean.wav", "bad.wav")
    stream_restore.restore("bad.wav", "restored.wav")
    figures = stream_restore.compare("clean.wav", "restored.wav").figures
    restored = stream_restore.restore(array, sample_rate=44100)    # (channels, frames) or (frames,)

For a loop of your own, take the stages: `stream_restore.engine` holds their law, `stream_restore.degradation` and
`stream_restore.restoration` the stages, `stream_restore.testing` the check for new ones.
Importing the package loads nothing heavy; what is named here is imported when it is used.
"""

from typing import TYPE_CHECKING

from . import _moved
from ._on_demand import on_demand

if TYPE_CHECKING:
    from .api import Output, Report, compare, degrade, restore
    from .degradation import Degradation
    from .engine import Chain, Stage
    from .inspection import inspect
    from .measure import Distortion, Metrics
    from .ranges import Range
    from .restoration import Restoration
    from .spec import Audio, Spec

__all__ = [
    "Audio",
    "Chain",
    "Degradation",
    "Distortion",
    "Metrics",
    "Output",
    "Range",
    "Report",
    "Restoration",
    "Spec",
    "Stage",
    "__version__",
    "compare",
    "degrade",
    "inspect",
    "restore",
]

__version__ = "0.7.0"

__getattr__ = on_demand(
    __name__,
    {
        "api": ["Output", "Report", "compare", "degrade", "restore"],
        "degradation": ["Degradation"],
        "engine": ["Chain", "Stage"],
        "inspection": ["inspect"],
        "measure": ["Distortion", "Metrics"],
        "ranges": ["Range"],
        "restoration": ["Restoration"],
        "spec": ["Audio", "Spec"],
    },
)

_moved.install()


def __dir__() -> list[str]:
    return sorted(__all__)
