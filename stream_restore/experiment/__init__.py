"""The paper's evaluation: clips degraded, restored, measured and shown, and the report on all of them."""

from .evaluation import Experiment, evaluate
from .examples import librosa_examples
from .report import write_report

__all__ = [
    "Experiment",
    "evaluate",
    "librosa_examples",
    "write_report",
]
