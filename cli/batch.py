"""`stream-restore batch`."""

import json
import sys
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigError, SourceError, errors_as
from . import degradation_options as chain
from . import network_options as network
from . import options, paths
from .messages import print_message
from .progress import progress as meter

if TYPE_CHECKING:
    from ..batch import Item, Summary
    from ..degradation.degradation import Degradation
    from ..models import Model
    from ..passes.job import Report
    from ..restoration.restoration import Restoration

__all__ = ["command"]

Patterns = list[str] | None


def command(
    invocation: typer.Context,
    places: Annotated[
        list[str],
        typer.Argument(metavar="[IN...] OUT_DIR", parser=paths.anywhere,
                       help="Folders of recordings, at any depth; recordings; patterns in quotes, as 'tapes/**/*.wav'. "
                       "Last the folder that gets the results, in the same folders. Each may be a URL, as "
                       "s3://archive/tapes/."),
    ],
    listed: Annotated[
        str | None,
        typer.Option("--list", metavar="FILE", parser=paths.file_or_stream,
                     help="A file of paths or URLs, one a line, or as find -print0 writes them; - is stdin. The "
                     "results have the same paths below OUT_DIR; those of URLs begin with the host or bucket."),
    ] = None,
    include: Annotated[
        Patterns, typer.Option(metavar="PATTERN", help="Only names, or paths below IN, like this; repeatable.")
    ] = None,
    exclude: Annotated[Patterns, typer.Option(metavar="PATTERN", help="None like this; repeatable.")] = None,
    output_name: Annotated[
        str, typer.Option(metavar="TEMPLATE", help="Names of results, as '{stem}.restored.{ext}'.")
    ] = "{stem}.{ext}",
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", parser=paths.file_on_disk,
                     help="What became of each recording, as .jsonl (a JSON object a line) or .csv."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="DIR", parser=paths.folder_on_disk, show_default=False,
                     help="With a URL as OUT_DIR: the folder of the journal that --resume needs, and of results that "
                     "are not yet stored.  [default: one for this URL in ~/.local/state/stream-restore]"),
    ] = None,
    retries: Annotated[
        int,
        typer.Option(min=0, max=100, metavar="N", help="How often a recording is tried again whose storage was busy or "
                     "cut off: after 10 s, 30 s, 90 s, ..., when the others are done."),
    ] = 3,
    name: network.Name = "compact",
    repo: network.Repo = None,
    backend: network.Backend = "auto",
    device: network.Device = "cpu",
    provider: network.Provider = None,
    precision: network.Precision = "f32",
    threads: network.Threads = None,
    jobs: Annotated[
        int | None,
        typer.Option("-j", "--jobs", min=1, max=1024, metavar="N", help="Recordings treated at once, in processes "
                     "with a copy of the model each; with as many as cores, --threads 1.  [default: 1]",
                     show_default=False),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Work on the Ray cluster at this address, or with local on one of "
                     "its own. All nodes must see the same files. -j is then the number of actors, by default as "
                     "many as there are CPUs, or GPUs with -d cuda.", show_default=False),
    ] = None,
    cut: Annotated[
        float,
        typer.Option(metavar="MINUTES", help="On a cluster, recordings that last longer are restored in pieces of this "
                     "length by different actors, and joined."),
    ] = 30.0,
    segment: network.Segment = None,
    overlap: network.Overlap = 0.25,
    context: network.Context = 0,
    shifts: network.Shifts = 0,
    seed: Annotated[int, typer.Option(help="Of shifts, dither, and the noise of --degrade.")] = 0,
    normalise: network.Normalise = "constant",
    dry: network.Dry = None,
    stems: network.Stems = None,
    repair: network.Repair = None,
    strength: network.Strength = None,
    max_reduction: network.MaxReduction = None,
    headroom: network.Headroom = 0.0,
    degrade: Annotated[
        bool,
        typer.Option("--degrade", help="Degrade the recordings instead, as the command degrade does each: with its "
                     "--cutoff, --order, --phase, --rate, --bits, --snr and --power, which follow, and without "
                     "what is about restoring."),
    ] = False,
    cutoff: chain.Cutoff = "7000",
    order: chain.Order = 6,
    phase: chain.Phase = "zero",
    rate: chain.Rate = "16000",
    bits: chain.Bits = "8",
    snr: chain.Snr = "20",
    power: chain.Power = None,
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
) -> None:  # fmt: skip
    """Restore many recordings, or degrade them. One that fails does not stop the others; then the exit code is 3."""
    from ..api import Output
    from ..batch import Batch, Cluster, find_recordings, write_report
    from ..batch.report import refuse_other_report
    from ..models import load

    _refuse_foreign(invocation, degrade)
    if report:
        refuse_other_report(report)
    outputs = paths.folder_anywhere(places.pop())
    if not places and listed is None:
        raise ConfigError("name recordings, and then the folder that gets the results")
    recordings = find_recordings(places, outputs, listed=_listed(listed), include=include or (), exclude=exclude or ())
    spread = Cluster(cluster, 60 * cut, int(device == "cuda")) if cluster is not None else None
    stored = Output(container, options.encoding(float32, int24, int16), clip_mode, seed, force)
    model: Model | None = None
    restoration: Restoration | None = None
    degradation: Degradation | None = None
    if degrade:
        degradation = chain.degradation(
            cutoff=cutoff, order=order, phase=phase, rate=rate, bits=bits, snr=snr, seed=seed
        )  # fmt: skip
    else:
        restoration = network.restoration(
            overlap=overlap, segment=segment, context=context, shifts=shifts, seed=seed, dry=dry, stems=stems,
            repair=repair, strength=strength, max_reduction=max_reduction, headroom=headroom,
        )  # fmt: skip
        model = load(
            name, repo=repo, backend=backend, device=device, provider=provider, precision=precision, threads=threads
        )
    with Batch(
        recordings,
        outputs,
        model=model,
        restoration=restoration,
        normalise=normalise == "track",
        degradation=degradation,
        power=chain.mean_square(power),
        stored=stored,
        on_damage=on_damage,
        resume=resume,
        name=output_name,
        state=state,
    ) as batch:
        files = sum(not item.finished for item in batch.items)
        messages = _Messages(quiet, progress == "json", files, batch.treatment.done)
        with meter(progress, quiet, "bytes") as shown:
            summary = batch.run(
                messages.begin, messages.end, shown, jobs, spread, retries=retries, again=messages.again
            )
        if report:
            write_report(report, summary.rows)
    messages.sum_up(summary)
    if summary.failed:
        raise typer.Exit(3)


def _refuse_foreign(invocation: typer.Context, degrade: bool) -> None:
    """Refuse options that would have no effect."""
    foreign = {"cut", *_declared_in(network)} if degrade else _declared_in(chain)
    for option in invocation.command.params:
        given = getattr(invocation.get_parameter_source(option.name or ""), "name", "") == "COMMANDLINE"
        if given and option.name in foreign:
            cure = "is about restoring; leave it out with --degrade" if degrade else "is about degrading; add --degrade"
            raise ConfigError(f"{max(option.opts, key=len)} {cure}")


def _declared_in(module: ModuleType) -> set[str]:
    """The parameters of this command whose options a module declares."""
    declared = list(vars(module).values())
    return {name for name, parameter in signature(command).parameters.items() if parameter.annotation in declared}


def _listed(name: str | None) -> Sequence[str]:
    from ..batch import read_list

    if name is None:
        return ()
    with errors_as(SourceError, f"{name}: cannot be read"):
        return read_list(sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes())


class _Messages:
    """Messages on stderr, text or JSON, above the line of progress where there is one."""

    def __init__(self, quiet: bool, as_json: bool, files: int, done: str) -> None:
        self._quiet, self._json, self._files, self._done = quiet, as_json, files, done

    def begin(self, number: int, item: "Item") -> None:
        if self._json and not self._quiet:
            print_message(json.dumps({"input": str(item.source), "file": number, "files": self._files}))
        elif not self._quiet:
            self._print(f"{number}/{self._files} {item.source}")

    def end(self, item: "Item", outcome: "Report | str") -> None:
        if not isinstance(outcome, str):
            cure = network.CLIPPED if self._done == "restored" else options.CLIPPED
            options.report_to_stderr(outcome, str(item.target), self._quiet, self._json, cure)
        elif self._json:
            print_message(json.dumps({"input": str(item.source), "error": outcome}))
        else:
            self._print(f"stream-restore: {outcome}")

    def again(self, item: "Item", error: str, seconds: float) -> None:
        if self._json:
            print_message(json.dumps({"input": str(item.source), "warning": error, "again_in_seconds": seconds}))
        elif not self._quiet:
            self._print(f"stream-restore: warning: {error}; tried again after the others, in {seconds:g} s or later")

    def sum_up(self, summary: "Summary") -> None:
        counts = {self._done: len(summary.restored)}
        counts |= {"skipped": len(summary.skipped), "failed": len(summary.failed)}
        if self._json:
            print_message(json.dumps(counts))
        elif not self._quiet or summary.failed:
            print_message(", ".join(f"{count} {name}" for name, count in counts.items()))
            for source in summary.failed:
                print_message(f"failed: {source}")

    def _print(self, text: str) -> None:
        """A line, over that of progress."""
        print_message(text, start="\r\x1b[K" if sys.stderr.isatty() else "")
