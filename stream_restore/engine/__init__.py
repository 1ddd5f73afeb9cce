"""Stages and their contract: stages, chains, the grid, saved state, and the processing loop.

A block goes from a source through one `Stage` into sinks, see `loop.run`. Everything here works in memory that does not
grow with duration and gives the same output for any partition of the input.
"""

from .channels import Mix, SameLength, WithInput, identity
from .grid import GridStage, GridState
from .loop import Progress, Readable, Ticker, Writable, run, stream
from .stage import Chain, Stage, state_bytes
from .window import Window

__all__ = [
    "Chain",
    "GridStage",
    "GridState",
    "Mix",
    "Progress",
    "Readable",
    "SameLength",
    "Stage",
    "Ticker",
    "Window",
    "WithInput",
    "Writable",
    "identity",
    "run",
    "state_bytes",
    "stream",
]
