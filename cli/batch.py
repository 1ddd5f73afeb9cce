"""`stream-restore batch`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import network_options as network
from . import options, paths
from .messages import print_message
from .progress import progress as meter

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..batch.batch import Item, Summary
    from ..engine.loop import Progress
    from ..passes.job import Report

__all__ = ["command"]


def command(
    inputs: Annotated[
        Path, typer.Argument(metavar="IN_DIR", parser=paths.existing, help="A folder of recordings, at any depth.")
    ],
    outputs: Annotated[
        Path,
        typer.Argument(metavar="OUT_DIR", parser=paths.folder_on_disk, help="Gets the results under the same paths."),
    ],
    name: network.Name = "compact",
    repo: network.Repo = None,
    backend: network.Backend = "auto",
    device: network.Device = "cpu",
    provider: network.Provider = None,
    precision: network.Precision = "f32",
    threads: network.Threads = None,
    jobs: network.Jobs = 1,
    segment: network.Segment = None,
    overlap: network.Overlap = 0.25,
    context: network.Context = 0,
    shifts: network.Shifts = 0,
    seed: network.Seed = 0,
    normalise: network.Normalise = "constant",
    dry: network.Dry = None,
    stems: network.Stems = None,
    repair: network.Repair = None,
    strength: network.Strength = None,
    max_reduction: network.MaxReduction = None,
    headroom: network.Headroom = 0.0,
    float32: options.Float32 = False,
    int24: options.Int24 = False,
    int16: options.Int16 = False,
    clip_mode: options.ClipMode = "clamp",
    on_damage: options.OnDamage = "conceal",
    container: options.FormatName = None,
    force: options.Force = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    progress: options.ProgressMode = "auto",
) -> None:
    """Restore every recording of a folder. One that fails does not stop the others; then the exit code is 3."""
    from ..api import Output
    from ..batch.batch import Batch
    from ..models import load

    restoration = network.restoration(
        overlap=overlap, segment=segment, context=context, shifts=shifts, seed=seed, jobs=jobs, dry=dry, stems=stems,
        repair=repair, strength=strength, max_reduction=max_reduction, headroom=headroom,
    )  # fmt: skip
    stored = Output(container, options.encoding(float32, int24, int16), clip_mode, seed, force)
    model = load(
        name, repo=repo, backend=backend, device=device, provider=provider, precision=precision, threads=threads
    )
    with Batch(
        inputs,
        outputs,
        model=model,
        restoration=restoration,
        normalise=normalise == "track",
        stored=stored,
        on_damage=on_damage,
        resume=resume,
    ) as batch:
        messages = _Messages(quiet, progress, len(batch.items))
        summary = batch.run(messages.begin, messages.end)
    messages.sum_up(summary)
    if summary.failed:
        raise typer.Exit(3)


class _Messages:
    """Messages on stderr: text, or JSON if `mode` is "json"."""

    def __init__(self, quiet: bool, mode: str, files: int) -> None:
        self._quiet, self._mode, self._json, self._files = quiet, mode, mode == "json", files

    def begin(self, number: int, item: "Item") -> "AbstractContextManager[Progress | None]":
        if self._json and not self._quiet:
            print_message(json.dumps({"input": str(item.source), "file": number, "files": self._files}))
        elif not self._quiet:
            print_message(f"{number}/{self._files} {item.source}")
        return meter(self._mode, self._quiet)

    def end(self, item: "Item", outcome: "Report | str") -> None:
        if not isinstance(outcome, str):
            options.report_to_stderr(outcome, str(item.target), self._quiet, self._json, network.CLIPPED)
        elif self._json:
            print_message(json.dumps({"input": str(item.source), "error": outcome}))
        else:
            print_message(f"stream-restore: {outcome}")

    def sum_up(self, summary: "Summary") -> None:
        counts = {name: len(getattr(summary, name)) for name in ("restored", "skipped", "failed")}
        if self._json:
            print_message(json.dumps(counts))
        elif not self._quiet or summary.failed:
            print_message(", ".join(f"{count} {name}" for name, count in counts.items()))
            for source in summary.failed:
                print_message(f"failed: {source}")
