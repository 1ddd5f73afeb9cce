"""Train the embedded network `compact` and export it to models/compact.onnx: `scripts/train`.

Music comes from Debian's packages (apt-get download, nothing is installed) and from the folder `train` in the one that
the environment variable STREAM_RESTORE_AUDIO names. Stop at any time: the same command goes on from the last
checkpoint. `scripts/bench quality` and `scripts/bench harm` then measure the network.
"""

import argparse
import os
import time
from functools import partial
from pathlib import Path

import torch

from stream_restore.models.onnx_gains import OnnxGains
from stream_restore.models.onnx_session import Session

from .corpus import gather, recordings
from .export import COMPACT, export
from .fit import Plan, Trainer
from .scenes import Scenes
from .validation import validate

MODEL = Path(__file__).parents[2] / "models" / "compact.onnx"
SAVED_SECONDS = 60.0


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    corpus = gather(recordings(), options.work / "sound")
    print(f"{len(corpus.training)} pieces to train on, {len(corpus.validation)} held out", flush=True)
    if options.validate:
        print(
            validate(OnnxGains(options.validate, Session(options.validate, "CPUExecutionProvider")), corpus.validation)
        )
        return
    trainer = Trainer(Plan(options.steps), partial(Scenes, corpus.training), options.work / "checkpoint.pt")
    trainer.run(_Progress(trainer))
    trainer.save()
    print(validate(trainer.averaged, corpus.validation), flush=True)
    manifest = export(trainer.averaged, COMPACT, options.output)
    print(f"wrote {options.output}, {options.output.stat().st_size / 1e3:.0f} kB, parity {manifest.parity:.1e}")


class _Progress:
    """Prints and saves once a minute."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer, self._saved = trainer, time.monotonic()
        self._errors: list[float] = []

    def __call__(self, step: int, error_db: float) -> None:
        self._errors.append(error_db)
        if time.monotonic() - self._saved > SAVED_SECONDS:
            self._trainer.save()
            mean = sum(self._errors) / len(self._errors)
            print(f"step {step} of {self._trainer.plan.steps}: error {mean:.2f} dB", flush=True)
            self._errors, self._saved = [], time.monotonic()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache/stream_restore/train")
    parser.add_argument("--steps", type=int, default=Plan.steps, help="batches to learn from (default %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="(default: all cores)")
    parser.add_argument("--validate", type=Path, metavar="FILE", help="only measure this network on held-out pieces")
    parser.add_argument("-o", "--output", type=Path, default=MODEL, help="(default %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
