"""Other networks, crops and losses, trained as long as the one that is shipped: what the choice rests on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .corpus import Corpus
from .fit import NETWORK, Criterion, Plan, Trainer, absolute, adam, loss, muon
from .material import FRAMES, Material
from .validation import Validation

__all__ = ["HEAD", "VARIANTS", "Variant", "compare"]

KINDS = ("5 dB", "10 dB", "20 dB", "hiss", "hum", "click", "clip", "mp3", "coded")
HEAD = ["variant", "seconds a step", "parameters", *KINDS, "clean"]


@dataclass(frozen=True)
class Variant:
    """What differs from the network that is shipped.

    Attributes:
        network: arguments of HTDemucs.
        frames, size: length of a crop, and crops in a batch.
        criterion: the loss.
        optimise: makes the optimisers.
        rate: highest learning rate.
    """

    network: dict[str, Any] = field(default_factory=dict)
    frames: int = FRAMES
    size: int = 4
    criterion: Criterion = loss
    optimise: Callable[[Any], list[Any]] = muon
    rate: float = Plan.rate


VARIANTS = {
    "as shipped": Variant(),
    "AdamW, a rate of 2e-3": Variant(optimise=adam, rate=2e-3),
    "AdamW, a rate of 7e-3": Variant(optimise=adam, rate=7e-3),
    "residual branches from a thousandth": Variant({"dconv_init": 1e-3}),
    "half the channels": Variant({"channels": 8}),
    "one and a half times the channels": Variant({"channels": 24}),
    "half the channels of the waveform": Variant({"channels_time": 8}),
    "half the channels in the dilated convolutions": Variant({"dconv_comp": 8}),
    "spectra of 2048": Variant({"nfft": 2048}),
    "depth 3": Variant({"depth": 3}),
    "crops of 3 s, two a batch": Variant(frames=2 * FRAMES, size=2),
    "mean absolute error": Variant(criterion=absolute),
}


def compare(corpus: Corpus, steps: int, work: Path) -> Iterator[list[str]]:
    """A row of `HEAD` for each network: gain in SI-SDR on the held-out pieces after as many steps.

    Args:
        steps: batches that each variant learns from, the same for all but for the length of their crops.
        work: folder for checkpoints; what is in it is not trained again.
    """
    validation = Validation(corpus.validation)
    for name, variant in VARIANTS.items():
        trainer = _trained(variant, corpus, steps, work / f"{name.replace(' ', '-')}-{steps}.pt")
        cost = f"{trainer.seconds / steps:.2f}"
        yield [name, cost, *_judged(trainer.averaged, validation)]
        if variant == Variant():
            yield [f"{name}, weights not averaged", cost, *_judged(trainer.model, validation)]


def _trained(variant: Variant, corpus: Corpus, steps: int, checkpoint: Path) -> Trainer:
    material = Material(corpus.training, frames=variant.frames, size=variant.size)
    plan, network = Plan(steps, variant.rate), {**NETWORK, **variant.network}
    trainer = Trainer(plan, material, checkpoint, network, variant.criterion, variant.optimise)
    trainer.run()
    trainer.save()
    return trainer


def _judged(model: Any, validation: Validation) -> list[str]:
    parameters = sum(parameter.numel() for parameter in model.parameters())
    gains = [_mean(validation.gains(model, kind)) for kind in KINDS]
    return [f"{parameters / 1e6:.2f} M", *gains, f"{np.mean(validation.kept(model)):.1f}"]


def _mean(gains: list[float]) -> str:
    """Of none, as of what was coded where there is no ffmpeg, there is none."""
    return f"{np.mean(gains):+.2f}" if gains else "-"
