"""What both trainings keep: a checkpoint that is complete or absent, and averaged weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

__all__ = ["Stateful", "follow", "load_checkpoint", "save_checkpoint"]


class Stateful(Protocol):
    """A network or an optimiser."""

    def state_dict(self) -> Any:
        """All that it needs to go on."""

    def load_state_dict(self, state_dict: Any) -> Any:
        """Go on from there."""


def save_checkpoint(path: Path, step: int, parts: Mapping[str, Stateful]) -> None:
    """Write a checkpoint; a process that is killed meanwhile leaves the one before."""
    part = path.with_suffix(".part")
    torch.save({"step": step} | {name: each.state_dict() for name, each in parts.items()}, part)
    part.replace(path)


def load_checkpoint(path: Path, parts: Mapping[str, Stateful]) -> int:
    """Read a checkpoint into its parts; returns the step, 0 where there is none."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    for name, each in parts.items():
        each.load_state_dict(state[name])
    return int(state["step"])


@torch.no_grad()
def follow(averaged: torch.nn.Module, network: torch.nn.Module, step: int, most: float) -> None:
    """Exponential average of weights, whose memory grows with the steps taken, up to `most`."""
    decay = min(most, (1 + step) / (10 + step))
    for kept, new in zip(averaged.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
