"""Train the embedded network `compact` and export it to models/compact.onnx: `scripts/train`.

Recordings come from the folder `train` in the one that the environment variable STREAM_RESTORE_AUDIO names. Without it
the network hears synthetic sound only; without espeak-ng no speech, without FluidSynth no instruments, without ffmpeg
nothing of lossy coding. Stop at any time: the same command goes on from the last checkpoint. `scripts/bench quality`
then measures the network, on recordings that it never heard.
"""

import argparse
import os
import time
from pathlib import Path

import torch
from benchmarks.table import table
from passes import SAMPLE_RATE

from stream_restore.models.export import export_model

from .corpus import gather
from .fit import Plan, Trainer
from .material import FRAMES, Material
from .validation import Validation
from .variants import HEAD, compare

MODEL = Path(__file__).parents[2] / "models" / "compact.onnx"


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    train(options)


def train(options: argparse.Namespace) -> None:
    """Train all steps, then export; or compare variants."""
    corpus = gather(_recordings(), options.work / "sound", options.synthetic)
    hours = sum(piece.sound.shape[1] for piece in corpus.training) / SAMPLE_RATE / 3600
    _log(options.work, f"{len(corpus.training)} pieces, {hours:.2f} h; {len(corpus.validation)} to validate with")
    if options.compare:
        print(table(HEAD, [_told(options.work, row) for row in compare(corpus, options.compare, options.work)]))
        return
    material = Material(corpus.training, frames=options.frames, size=options.batch, seed=options.seed)
    trainer = Trainer(Plan(options.steps, seed=options.seed), material, options.work / "checkpoint.pt")
    Progress(trainer, Validation(corpus.validation), options.work).train()
    manifest = export_model(trainer.averaged.eval(), MODEL, name="compact", licence="MIT", force=True)
    _log(options.work, f"wrote {MODEL}, {MODEL.stat().st_size / 1e6:.1f} MB, parity {manifest.parity:.1e}")


class Progress:
    """Trains, saves every minute and a half, validates every twelve."""

    def __init__(self, trainer: Trainer, validation: Validation, work: Path) -> None:
        self.trainer, self.validation, self.work = trainer, validation, work
        self.saved = self.validated = time.monotonic()
        self.losses: list[float] = []
        self.norms: list[float] = []

    def train(self) -> None:
        self.trainer.run(report=self._after_step)
        self.trainer.save()
        self._validate()

    def _after_step(self, step: int, value: float, norm: float) -> None:
        self.losses.append(value)
        self.norms.append(norm)
        now = time.monotonic()
        if now - self.saved > 90:
            self.trainer.save()
            mean, most = sum(self.losses) / len(self.losses), max(self.norms)
            done = step / self.trainer.plan.steps
            place = f"step {step}, {self.trainer.seconds / 60:.1f} min, {done:.0%}"
            _log(self.work, f"{place}: loss {mean:.4f}, {len(self.losses)} steps, gradient up to {most:.2f}")
            self.saved, self.losses, self.norms = now, [], []
        if now - self.validated > 720:
            self._validate()
            self.validated = now

    def _validate(self) -> None:
        report = self.validation.report(self.trainer.averaged)
        _log(self.work, f"step {self.trainer.step}: SI-SDR gain {report}")


def _log(work: Path, line: str) -> None:
    line = f"{time.strftime('%H:%M:%S')} {line}"
    print(line, flush=True)
    with (work / "log.txt").open("a") as file:
        file.write(line + "\n")


def _told(work: Path, row: list[str]) -> list[str]:
    _log(work, ", ".join(row))
    return row


def _recordings() -> Path | None:
    folder = os.environ.get("STREAM_RESTORE_AUDIO")
    return Path(folder) / "train" if folder else None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache/stream_restore/train")
    parser.add_argument("--steps", type=int, default=Plan.steps, help="batches to learn from (default %(default)s)")
    parser.add_argument(
        "--synthetic", type=int, default=1, metavar="TIMES", help="times as much synthetic sound (default 1: two hours)"
    )
    parser.add_argument("--batch", type=int, default=4, help="crops in a batch (default 4)")
    parser.add_argument("--frames", type=int, default=FRAMES, help="length of a crop (default %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="(default: all cores)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--compare", type=int, metavar="STEPS", help="train variants for so many steps, and compare them"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
