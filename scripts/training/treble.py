"""Train the network of the repair `treble` and export it to models/treble.onnx: `scripts/train treble`.

It learns from the music that `compact` learns from; the same pieces are held out. Stop at any time: the same command
goes on from the last checkpoint. `scripts/bench treble` then measures it. On a GPU it takes minutes: `--device cuda`.
"""

import argparse
import copy
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from stream_restore.restoration.repairs.treble.levels import STEP_DB

from .checkpoint import Stateful, follow, load_checkpoint, save_checkpoint
from .corpus import recordings, sources
from .export import TREBLE, export
from .treble_levels import excerpts_of
from .treble_network import Continuation
from .treble_scenes import Batch, TrebleScenes

__all__ = ["Trainer", "loss"]

MODEL = Path(__file__).parents[2] / "models" / "treble.onnx"
RATE, WARMUP = 2e-3, 100
AVERAGE = 0.998
TOO_LITTLE = 1.2
SAVED_SECONDS = 60.0
SOFTER_DB = 0.4
"""Taken off all levels in the end: best on held-out pieces, where levels were as much too high on the mean."""


def loss(network: nn.Module, batch: Batch) -> torch.Tensor:
    """Mean absolute error in dB; where there was nothing, only what lies above that is an error.

    The smallest error is that of the median, and levels have a long tail downwards: too little weighs more than too
    much, so that levels are right on the mean.
    """
    wanted = batch.levels
    error = network(batch.features) - wanted
    nothing = wanted <= -3.999
    error = torch.where(nothing, error.clamp(min=0), error)
    error = torch.where(error < 0, TOO_LITTLE, 2 - TOO_LITTLE) * error
    return STEP_DB * _mean(error.abs(), batch)


def _mean(errors: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Over columns, bands and scenes, as they weigh."""
    of_bands = (errors * batch.columns[:, None]).sum(dim=-1) / batch.columns.sum(dim=-1).clamp(min=1)[:, None]
    return (of_bands * batch.weights).sum(dim=-1).mean()


class Trainer:
    """A network on its way.

    Args:
        steps: batches in all; the learning rate falls to nothing until then.
        path: of the checkpoint, which is written by `save`, and read when there is one.
        device: where it learns.
    """

    def __init__(self, steps: int, path: Path, device: str = "cpu", seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.steps, self._path = steps, path
        self.network = Continuation().to(device)
        self.averaged = copy.deepcopy(self.network).requires_grad_(False)
        self._optimiser = torch.optim.AdamW(self.network.parameters(), lr=RATE, weight_decay=1e-2)
        self.step = load_checkpoint(path, self._parts())

    def learn(self, batch: Batch) -> torch.Tensor:
        """One step; returns the error in dB."""
        for group in self._optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (self.step + 1) / WARMUP) * (1 - self.step / self.steps)
        error = loss(self.network, batch)
        self._optimiser.zero_grad()
        torch.autograd.backward(error)
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self._optimiser.step()
        follow(self.averaged, self.network, self.step, AVERAGE)
        self.step += 1
        return error.detach()

    def save(self) -> None:
        """Write the checkpoint."""
        save_checkpoint(self._path, self.step, self._parts())

    def _parts(self) -> dict[str, Stateful]:
        return {"network": self.network, "averaged": self.averaged, "optimiser": self._optimiser}


@torch.no_grad()
def watched(network: nn.Module, scenes: TrebleScenes, batches: int = 20) -> tuple[float, float]:
    """Mean absolute error, and mean error, in dB."""
    errors = []
    for _ in range(batches):
        batch = scenes.batch(16)
        error = STEP_DB * (network(batch.features).clamp(min=-4) - batch.levels)
        errors.append([float(_mean(error.abs(), batch)), float(_mean(error, batch))])
    return float(np.mean(errors, axis=0)[0]), float(np.mean(errors, axis=0)[1])


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    torch.set_num_threads(options.threads)
    found = [excerpts_of(source, options.work / "excerpts") for source in sources(recordings())]
    learnt, held = ([each for each in found if each.held_out is held] for held in (False, True))
    print(f"{len(learnt)} recordings to train on, {len(held)} held out", flush=True)
    trainer = Trainer(options.steps, options.work / "treble.pt", options.device)
    scenes, saved, errors = TrebleScenes(learnt, trainer.step, options.device), time.monotonic(), []
    while trainer.step < options.steps:
        errors.append(trainer.learn(scenes.batch(options.batch)))
        if time.monotonic() - saved > SAVED_SECONDS:
            trainer.save()
            other = watched(trainer.averaged, TrebleScenes(held, 1, options.device))
            told = f"{float(torch.stack(errors).mean()):.2f} dB; held out {other[0]:.2f}, bias {other[1]:+.2f}"
            print(f"step {trainer.step}: {told}", flush=True)
            saved, errors = time.monotonic(), []
    trainer.save()
    network = trainer.averaged.cpu()
    network.state_dict()["last.bias"].sub_(SOFTER_DB / STEP_DB)
    manifest = export(network, TREBLE, options.output)
    print(f"wrote {options.output}, {options.output.stat().st_size / 1e3:.0f} kB, parity {manifest.parity:.1e}")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/train treble", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache/stream_restore/train")
    parser.add_argument("--steps", type=int, default=6000, help="batches to learn from (default %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="excerpts in each (default %(default)s)")
    parser.add_argument("--device", default="cpu", help="of PyTorch (default %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="(default %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=MODEL, help="(default %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
