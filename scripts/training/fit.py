"""Training: the network, its loss, and a loop that can be stopped and resumed at any step."""

import copy
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import torch
from demucs.htdemucs import HTDemucs
from passes import SAMPLE_RATE
from torch import Tensor

from .material import CLIPPED, FIRST, LAST, Batch, Material, Mixture

__all__ = ["NETWORK", "ROUNDS", "Criterion", "Plan", "Round", "Trainer", "absolute", "build", "loss"]

Criterion: TypeAlias = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""What is made small, of degraded and clean crops, predicted artefacts, each (crops, channels, frames), and a floor."""

NETWORK: dict[str, Any] = {
    "sources": ["artifacts"],
    "channels": 16,
    "channels_time": 8,
    "depth": 4,
    "t_layers": 0,
    "bottom_channels": 0,
    "samplerate": SAMPLE_RATE,
    "segment": 4,
    "use_train_segment": False,
}
"""Arguments of HTDemucs. Without its transformer the two branches stay apart, and a small time branch is enough."""

FLOOR, LAST_FLOOR = 1e-3, 1e-4
"""An error this far (30 dB) below the signal is good enough, and later one 40 dB below.

What is hard to tell from sound itself, as hum is, would otherwise be left alone for fear of touching clean sound."""

AHEAD = 6
"""Batches made in the background."""


@dataclass(frozen=True)
class Round:
    """A part of a training, along which the learning rate falls to 0 (warm restarts: Loshchilov and Hutter, ICLR 2017).

    Attributes:
        steps: how many.
        rate: highest learning rate.
        mixture: what crops suffer.
        late: part of it after which the network learns to leave good recordings alone, too.
        fresh: begin from the averaged weights, with an optimiser that remembers nothing.
    """

    steps: int
    rate: float
    mixture: Mixture = FIRST
    late: float = 0.0
    fresh: bool = False


ROUNDS = (
    Round(5500, 2e-3, late=0.7),
    Round(2400, 1e-3),
    Round(400, 1e-3, CLIPPED, late=1.0, fresh=True),
    Round(3400, 6e-4, LAST, late=1.0),
)
"""Of the network that is shipped."""


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes:
        rounds: one after the other.
        warmup: steps of a round in which the learning rate is reached.
        average: decay of the running average of the weights, which is the result.
        seed: of the initial weights.
    """

    rounds: tuple[Round, ...] = ROUNDS
    warmup: int = 60
    average: float = 0.998
    seed: int = 0

    @property
    def steps(self) -> int:
        """In all."""
        return sum(each.steps for each in self.rounds)

    def place(self, step: int) -> tuple[Round, int]:
        """The round of a step, and how many steps of it were done before."""
        for each in self.rounds[:-1]:
            if step < each.steps:
                return each, step
            step -= each.steps
        return self.rounds[-1], step

    def rate_at(self, step: int) -> float:
        """Linear warm-up, then linearly down to 0 (Bergsma et al., "Straight to Zero", ICLR 2025)."""
        now, done = self.place(step)
        return now.rate * min(1.0, (done + 1) / self.warmup) * (1 - done / now.steps)


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
        step, seconds: trained so far.
        averaged: the network with averaged weights.
    """

    plan: Plan
    material: Material
    checkpoint: Path
    network: dict[str, Any] = field(default_factory=lambda: NETWORK)
    criterion: Criterion = loss

    def __post_init__(self) -> None:
        torch.manual_seed(self.plan.seed)
        self.model = build(self.network)
        self.averaged = copy.deepcopy(self.model).requires_grad_(False)
        self.optimiser = self._optimiser()
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
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        partial = self.checkpoint.with_suffix(".partial")
        torch.save(state, partial)
        os.replace(partial, self.checkpoint)

    def _optimiser(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.model.parameters(), betas=(0.9, 0.98), weight_decay=1e-4, fused=True)

    def _load(self) -> None:
        state = torch.load(self.checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]

    def _batches(self, until: int | None) -> Iterator[tuple[int, Batch]]:
        """Batches from `step` on, made ahead in a thread, as long as there is something left to do."""
        with ThreadPoolExecutor(1) as pool:
            waiting: list[Future[Batch]] = []
            number = self.step
            while self.step < self.plan.steps and number != until:
                while len(waiting) < AHEAD:
                    ahead = number + len(waiting)
                    waiting.append(pool.submit(self.material.batch, ahead, self.plan.place(ahead)[0].mixture))
                yield number, waiting.pop(0).result()
                number += 1
            pool.shutdown(cancel_futures=True)

    def _learn(self, degraded: Tensor, clean: Tensor) -> tuple[float, float]:
        now, done = self.plan.place(self.step)
        if now.fresh and not done:
            self.model.load_state_dict(self.averaged.state_dict())
            self.optimiser = self._optimiser()
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        floor = FLOOR if done < now.late * now.steps else LAST_FLOOR
        value = self.criterion(degraded, clean, self.model(degraded)[:, 0], floor)
        self.optimiser.zero_grad()
        torch.autograd.backward(value)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimiser.step()
        self._average()
        return value.item(), norm.item()

    def _average(self) -> None:
        """Exponential average whose memory grows with the steps taken, up to `average`."""
        decay = min(self.plan.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for kept, new in zip(self.averaged.parameters(), self.model.parameters(), strict=True):
                kept.lerp_(new, 1 - decay)
