"""Training that can be stopped at any time: the same command goes on from the last checkpoint."""

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .checkpoint import Stateful, follow, load_checkpoint, save_checkpoint
from .network import Gains
from .scenes import Batch

__all__ = ["Plan", "Trainer", "error_db", "errors_db"]

HARMLESS_DB, HARM_DB = -45.0, 30.0
"""Nothing wrong: losses below the first are as good as none; the second says how fast the weight of others grows."""


@dataclass(frozen=True)
class Plan:
    """How long to train, and on what.

    Attributes:
        steps: batches.
        scenes: of each batch.
        crops: of each scene.
        rate: largest learning rate, after `warmup` steps; it falls linearly to nothing (Bergsma et al., "Straight to
            Zero", ICLR 2025).
        noisy_steps: in the beginning all scenes are noisy: a network that first meets clean ones learns to do nothing.
        clean_share: of scenes with nothing wrong after that.
        floors_db: relative error that is good enough, in the beginning, and from the middle on.
        average: how slowly the averaged weights follow.
        seed: of scenes and weights.
    """

    steps: int = 2122
    scenes: int = 8
    crops: int = 6
    rate: float = 3e-3
    warmup: int = 100
    noisy_steps: int = 300
    clean_share: float = 0.35
    floors_db: tuple[float, float] = (-35.0, -45.0)
    average: float = 0.998
    seed: int = 0

    def rate_at(self, step: int) -> float:
        """Linear warm-up, then linearly down to 0."""
        return self.rate * min(1.0, (step + 1) / self.warmup) * (1 - step / self.steps)

    def clean_share_at(self, step: int) -> float:
        """Of scenes with nothing wrong."""
        return self.clean_share if step >= self.noisy_steps else 0.0

    def floor_at(self, step: int) -> float:
        """Relative energy of an error that is good enough."""
        first, last = self.floors_db
        return float(10 ** ((first + min(1.0, 2 * step / self.steps) * (last - first)) / 10))


def muon(model: torch.nn.Module) -> list[torch.optim.Optimizer]:
    """Steps of equal strength in all directions for kernels (Jordan et al., "Muon", 2024); AdamW for all else.

    A kernel is the matrix of its first axis by all others. Its steps have the size of AdamW's (Liu et al., "Muon is
    scalable for LLM training", 2025). AdamW itself takes half the rate: scales of the residual branches begin small.
    """
    kernels = [each for each in model.parameters() if each.ndim > 1 and each.shape[0] > 1]
    others = [each for each in model.parameters() if not any(each is kernel for kernel in kernels)]
    matrices = [torch.nn.Parameter(each.detach().flatten(1)) for each in kernels]  # the same memory in another shape

    def hand_on(*_: Any) -> None:
        for matrix, kernel in zip(matrices, kernels, strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)

    optimiser = torch.optim.Muon(matrices, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    optimiser.register_step_pre_hook(hand_on)
    group = {"params": others, "share": 0.5}
    return [optimiser, torch.optim.AdamW([group], betas=(0.9, 0.98), weight_decay=1e-4)]


@dataclass
class Trainer:
    """A network on its way.

    Attributes:
        checkpoint: file that is written by `save`, and read when there is one.
        network: what learns.
        averaged: its averaged weights, which are what is used.
    """

    plan: Plan
    checkpoint: Path
    network: Gains = field(default_factory=Gains)
    step: int = field(default=0, init=False)
    averaged: Gains = field(init=False)

    def __post_init__(self) -> None:
        self.averaged = copy.deepcopy(self.network).requires_grad_(False)
        self._optimisers = muon(self.network)
        self.step = load_checkpoint(self.checkpoint, self._parts())

    def learn(self, batch: Batch) -> Tensor:
        """One step; returns the mean error in dB."""
        error = error_db(self.network, batch, self.plan.floor_at(self.step))
        self.network.zero_grad()
        torch.autograd.backward(error)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 50.0)
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group.get("share", 1.0) * self.plan.rate_at(self.step)
            optimiser.step()
        follow(self.averaged, self.network, self.step, self.plan.average)
        self.step += 1
        return error.detach()

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(self.checkpoint, self.step, self._parts())

    def _parts(self) -> dict[str, Stateful]:
        optimisers = {f"optimiser {number}": each for number, each in enumerate(self._optimisers)}
        return {"network": self.network, "averaged": self.averaged, **optimisers}


def errors_db(gains: Tensor, batch: Batch, floor: float = 0.0) -> Tensor:
    """Of each crop the energy of the error relative to the clean sound, in dB, shape (crops,).

    The sum over bands and columns of |gain * (clean + noise) - clean|^2.

    Args:
        floor: relative energy of an error that is good enough.
    """
    taken = gains - 1
    error = taken.square() * batch.clean + gains.square() * batch.noise + 2 * gains * taken * batch.cross
    relative = error.sum(dim=(1, 2)).clamp(min=0) / (batch.clean.sum(dim=(1, 2)) + 1e-6)
    return 10 * torch.log10(relative + floor + 1e-12)


def error_db(network: Gains, batch: Batch, floor: float = 0.0) -> Tensor:
    """Mean over crops of their errors in dB.

    A logarithm asks for the same gain in dB at every SNR; a plain error would see the noisiest crops only. Where
    nothing was wrong, what was lost weighs more the more it is: half a loss taken back in the worst crop is worth more
    than in one that hardly lost anything.
    """
    lost = errors_db(network(batch.features), batch, floor)
    harm = (lost - HARMLESS_DB).clamp(min=0).square() / HARM_DB
    return (lost + batch.harmless * harm).mean()
