"""Train the embedded network `compact` and export it to models/compact.onnx: `scripts/train`.

Music comes from Debian's packages (apt-get download, nothing is installed) and from the folder `train` in the one that
the environment variable STREAM_RESTORE_AUDIO names. Stop at any time: the same command goes on from the last
checkpoint. `scripts/bench quality` and `scripts/bench harm` then measure the network.
"""

import argparse
import os
import time
from pathlib import Path

import torch

from stream_restore.models.onnx_gains import OnnxGains
from stream_restore.models.onnx_session import Session

from .corpus import gather, held_out, recordings
from .export import COMPACT, export
from .fit import Plan, Trainer
from .network import Gains
from .scenes import Scenes
from .validation import validate

MODEL = Path(__file__).parents[2] / "models" / "compact.onnx"
SAVED_SECONDS = 60.0


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    if options.validate:
        network = OnnxGains(options.validate, Session(options.validate, "CPUExecutionProvider"))
        print(validate(network, held_out(recordings(), options.work / "sound")[:: options.every]))
        return
    corpus = gather(recordings(), options.work / "sound")
    print(f"{len(corpus.training)} pieces to train on, {len(corpus.validation)} held out", flush=True)
    plan = Plan(options.steps, options.scenes, options.crops)
    torch.manual_seed(plan.seed)
    trainer = Trainer(plan, options.work / "checkpoint.pt", Gains().to(options.device))
    # Another beginning each time it goes on.
    scenes = Scenes(corpus.training, plan.seed + trainer.step, plan.scenes, plan.crops, options.device)
    _train(trainer, scenes)
    manifest = export(trainer.averaged.cpu(), COMPACT, options.output)
    print(validate(trainer.averaged, corpus.validation), flush=True)
    print(f"wrote {options.output}, {options.output.stat().st_size / 1e3:.0f} kB, parity {manifest.parity:.1e}")


def _train(trainer: Trainer, scenes: Scenes) -> None:
    """Take the steps that are left; print and save once a minute."""
    errors, saved = [], time.monotonic()
    while trainer.step < trainer.plan.steps:
        errors.append(trainer.learn(scenes.batch(trainer.plan.clean_share_at(trainer.step))))
        if time.monotonic() - saved > SAVED_SECONDS:
            trainer.save()
            print(f"step {trainer.step} of {trainer.plan.steps}: error {torch.stack(errors).mean():.2f} dB", flush=True)
            errors, saved = [], time.monotonic()
    trainer.save()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache/stream_restore/train")
    parser.add_argument("--steps", type=int, default=Plan.steps, help="batches to learn from (default %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    parser.add_argument("--scenes", type=int, default=Plan.scenes, help="of a batch (default %(default)s)")
    parser.add_argument("--crops", type=int, default=Plan.crops, help="of a scene (default %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="(default: all cores)")
    parser.add_argument("--validate", type=Path, metavar="FILE", help="only measure this network on held-out pieces")
    parser.add_argument("--every", type=int, default=1, help="on every so manieth of them (default %(default)s)")
    parser.add_argument("-o", "--output", type=Path, default=MODEL, help="(default %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
