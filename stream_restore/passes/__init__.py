"""Passes that can be stopped and resumed: the pass, its journal, a job with outputs, the log of a job's steps."""

from .job import Job, Output, Report, Target
from .journal import Journal
from .resumable_pass import run_pass
from .step_log import StepLog

__all__ = [
    "Job",
    "Journal",
    "Output",
    "Report",
    "StepLog",
    "Target",
    "run_pass",
]
