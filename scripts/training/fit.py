"""Training: the network, its loss, and a loop that can be stopped and resumed at any step."""

import copy
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
from demucs.htdemucs import HTDemucs
from passes import SAMPLE_RATE
from torch import Tensor

from .material import Batch, Material

__all__ = ["NETWORK", "Criterion", "Plan", "Trainer", "absolute", "adam", "build", "loss", "muon"]

Criterion: TypeAlias = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""What is made small, of degraded and clean crops, predicted artefacts, each (crops, channels, frames), and a floor."""

NETWORK: dict[str, Any] = {
    "sources": ["artifacts"],
    "channels": 16,
    "channels_time": 16,
    "depth": 4,
    "t_layers": 0,
    "bottom_channels": 0,
    "dconv_comp": 4,
    "dconv_init": 0.1,
    "samplerate": SAMPLE_RATE,
    "segment": 4,
    "use_train_segment": False,
}
"""Arguments of HTDemucs. Without its transformer the two branches stay apart. The residual branches begin at a tenth of
full strength instead of a thousandth, which a short training would spend its first part on."""

AHEAD = 6
"""Batches made in the background."""


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        steps: how many.
        rate: highest learning rate.
        warmup: steps in which it is reached.
        average: decay of the running average of the weights, which is the result.
        floors_db: an error this far below the signal is good enough, at first and at last.
        late: part of the steps after which the floor goes from the one to the other.
        seed: of the initial weights.
    """

    steps: int = 7000
    rate: float = 4e-3
    warmup: int = 100
    average: float = 0.998
    floors_db: tuple[float, float] = (-30.0, -45.0)
    late: float = 0.6
    seed: int = 0

    def rate_at(self, step: int) -> float:
        """Linear warm-up, then linearly down to 0 (Bergsma et al., "Straight to Zero", ICLR 2025)."""
        return self.rate * min(1.0, (step + 1) / self.warmup) * (1 - step / self.steps)

    def floor_at(self, step: int) -> float:
        """Relative energy of an error that is good enough.

        What is hard to tell from sound itself, as hum is, would be left alone for fear of touching clean sound if that
        counted from the beginning. Later the network learns to leave good recordings alone, too.
        """
        first, last = self.floors_db
        passed = max(0.0, (step / self.steps - self.late) / (1 - self.late))
        return float(10 ** ((first + passed * (last - first)) / 10))


def muon(model: torch.nn.Module) -> list[torch.optim.Optimizer]:
    """Steps of equal strength in all directions for kernels (Jordan et al., "Muon", 2024); AdamW for all else.

    A kernel is the matrix of its first axis by all others. Its steps have the size of AdamW's (Liu et al., "Muon is
    scalable for LLM training", 2025), and as large where there is little to learn: without a decay, kernels grow and
    layers that matter little explode. AdamW itself takes half the rate: scales of the residual branches begin small,
    and would soon be anything.
    """
    kernels = [each for each in model.parameters() if each.ndim > 1]
    matrices = [torch.nn.Parameter(each.detach().flatten(1)) for each in kernels]  # the same memory in another shape

    def hand_on(*_: Any) -> None:
        for matrix, kernel in zip(matrices, kernels, strict=True):
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)

    optimiser = torch.optim.Muon(matrices, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    optimiser.register_step_pre_hook(hand_on)
    return [optimiser, _adam((each for each in model.parameters() if each.ndim < 2), share=0.5)]


def adam(model: torch.nn.Module) -> list[torch.optim.Optimizer]:
    """AdamW for everything, for comparison."""
    return [_adam(model.parameters())]


def _adam(parameters: Iterable[torch.nn.Parameter], share: float = 1.0) -> torch.optim.Optimizer:
    """With this share of the learning rate."""
    group = {"params": list(parameters), "share": share}
    return torch.optim.AdamW([group], betas=(0.9, 0.98), weight_decay=1e-4, fused=True)


def build(network: dict[str, Any]) -> Any:
    """An HTDemucs that predicts what is to be subtracted from its input."""
    return HTDemucs(**network)


def loss(degraded: Tensor, clean: Tensor, artifacts: Tensor, floor: float) -> Tensor:
    """Mean over the crops of log10 of the relative error's energy, plus a distance of spectra.

    A logarithm asks for the same gain in dB at every SNR; a plain L1 or L2 sees only the noisiest crops.

    Args:
        degraded, clean: (crops, channels, frames).
        artifacts: the prediction of degraded - clean.
        floor: relative energy of an error that is good enough.
    """
    scale = degraded.std(dim=(1, 2), keepdim=True) + 1e-5
    restored, clean = (degraded - artifacts) / scale, clean / scale
    energy = (restored - clean).square().mean(dim=(1, 2))
    return torch.log10(energy + floor).mean() + 0.5 * _spectral(restored, clean)


def absolute(degraded: Tensor, clean: Tensor, artifacts: Tensor, floor: float) -> Tensor:
    """Mean absolute error, as Demucs is trained; for comparison."""
    return (degraded - artifacts - clean).abs().mean()


def _spectral(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean absolute difference of magnitudes, unit power spectra, over two window lengths."""
    return sum((_distance(restored, clean, size) for size in (512, 2048)), torch.zeros(()))


def _distance(restored: Tensor, clean: Tensor, size: int) -> Tensor:
    window = torch.hann_window(size)
    magnitudes = [
        torch.view_as_real(
            torch.stft(sound.flatten(0, 1), size, size // 4, window=window, return_complex=True, normalized=True)
        )
        .square()
        .sum(-1)
        .add(1e-8)
        .sqrt()
        for sound in (restored, clean)
    ]
    return (magnitudes[0] - magnitudes[1]).abs().mean()


@dataclass
class Trainer:
    """A training under way.

    Attributes:
        checkpoint: file that `save` writes and a new Trainer starts from.
        network: arguments of HTDemucs.
        criterion: what is made small.
        optimise: makes the optimisers of a network.
        step, seconds: trained so far.
        averaged: the network with averaged weights.
    """

    plan: Plan
    material: Material
    checkpoint: Path
    network: dict[str, Any] = field(default_factory=lambda: NETWORK)
    criterion: Criterion = loss
    optimise: Callable[[torch.nn.Module], list[torch.optim.Optimizer]] = muon

    def __post_init__(self) -> None:
        torch.manual_seed(self.plan.seed)
        self.model = build(self.network)
        self.averaged = copy.deepcopy(self.model).requires_grad_(False)
        self.optimisers = self.optimise(self.model)
        self.step, self.seconds = 0, 0.0
        if self.checkpoint.exists():
            self._load()

    def run(self, until: int | None = None, report: Callable[[int, float, float], None] | None = None) -> None:
        """Train to the end of the plan, or to step `until`.

        Args:
            report: called after each step with the step, its loss and its gradient's norm.
        """
        for number, batch in self._batches(until):
            began = time.monotonic()
            value, norm = self._learn(*(torch.from_numpy(sound) for sound in batch))
            self.step, self.seconds = number + 1, self.seconds + time.monotonic() - began
            if report is not None:
                report(self.step, value, norm)

    def save(self) -> None:
        """Write the checkpoint; it appears whole or not at all."""
        state = {
            "network": self.network,
            "model": self.model.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimisers": [each.state_dict() for each in self.optimisers],
            "step": self.step,
            "seconds": self.seconds,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint)

    def _load(self) -> None:
        state = torch.load(self.checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        self.step, self.seconds = state["step"], state["seconds"]

    def _batches(self, until: int | None) -> Iterator[tuple[int, Batch]]:
        """Batches from `step` on, made ahead in a thread, as long as there is something left to do."""
        with ThreadPoolExecutor(1) as pool:
            waiting: list[Future[Batch]] = []
            number = self.step
            while self.step < self.plan.steps and number != until:
                while len(waiting) < AHEAD:
                    waiting.append(pool.submit(self.material.batch, number + len(waiting)))
                yield number, waiting.pop(0).result()
                number += 1
            pool.shutdown(cancel_futures=True)

    def _learn(self, degraded: Tensor, clean: Tensor) -> tuple[float, float]:
        self.model.train()
        floor = self.plan.floor_at(self.step)
        value = self.criterion(degraded, clean, self.model(degraded)[:, 0], floor)
        self.model.zero_grad()
        torch.autograd.backward(value)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = group.get("share", 1.0) * self.plan.rate_at(self.step)
            optimiser.step()
        self._average()
        return value.item(), norm.item()

    def _average(self) -> None:
        """Exponential average whose memory grows with the steps taken, up to `average`."""
        decay = min(self.plan.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for kept, new in zip(self.averaged.parameters(), self.model.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
