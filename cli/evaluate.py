"""`stream-restore evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConfigError
from . import degradation_options as chain
from . import network_options as network
from . import options, paths
from .messages import print_path, warn
from .progress import progress as meter

__all__ = ["command"]


def command(
    output: options.Folder,
    clips: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CLIP]...", help="Clean recordings.", parser=paths.file_or_stream),
    ] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("-n", "--name", help="A model, as for restore; give it more than once to compare.  "
                     "[default: compact]", show_default=False),
    ] = None,
    repo: network.Repo = None,
    librosa: Annotated[
        bool, typer.Option("--librosa", help="Also librosa's example recordings, from its cache if they are there.")
    ] = False,
    sample_rate: Annotated[
        str, typer.Option(metavar="HZ", help="Rate at which clips are loaded, or none to keep theirs.")
    ] = "32000",
    stereo: Annotated[bool, typer.Option("--stereo", help="Keep the channels; without it they are averaged.")] = False,
    cutoff: chain.Cutoff = "7000",
    order: chain.Order = 6,
    phase: chain.Phase = "zero",
    rate: chain.Rate = "16000",
    bits: chain.Bits = "8",
    snr: chain.Snr = "20",
    seed: chain.Seed = 0,
    threads: network.Threads = None,
    repair: network.Repair = None,
    strength: network.Strength = None,
    max_reduction: network.MaxReduction = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Spread the clips over the Ray cluster at this address, or with local "
                     "over one of its own. All nodes must see the same files.", show_default=False),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("-j", "--jobs", min=1, max=1024, metavar="N", help="Clips at once on a cluster.  [default: as "
                     "many as it has CPUs]", show_default=False),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run was stopped.")] = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
    progress: options.ProgressMode = "auto",
) -> None:  # fmt: skip
    """The paper's experiment: degrade and restore clips, measure, draw, and write a report to read and to listen to."""
    from ..experiment.evaluation import Experiment, evaluate
    from ..experiment.examples import librosa_examples
    from ..experiment.report import write_report
    from ..models import load
    from ..show.viewer import prepare

    chosen = list(map(Path, clips or ()))
    if librosa:
        chosen += librosa_examples(warn)
    if Path("-") in chosen:
        raise ConfigError("evaluate reads files, more than once, and not stdin: name a file instead of -")
    if not chosen:
        raise ConfigError("name the clips to evaluate, or add --librosa")
    if jobs and cluster is None:
        raise ConfigError("-j takes clips side by side on a cluster: add --cluster local")
    names = names or ["compact"]
    labels = list(map(_label, names))
    if twice := {label for label in labels if labels.count(label) > 1}:
        raise ConfigError(f"the files of two models would be called {min(twice)!r} twice; rename one of the models")
    models = {label: load(name, repo=repo, threads=threads) for label, name in zip(labels, names, strict=True)}
    degradation = chain.degradation(cutoff=cutoff, order=order, phase=phase, rate=rate, bits=bits, snr=snr, seed=seed)
    restoration = network.restoration(repair=repair, strength=strength, max_reduction=max_reduction)
    experiment = Experiment(options.whole_or_none(sample_rate, "--sample-rate"), not stereo, degradation, restoration)
    prepare(output, force or resume, "go on with --resume, or start again with --force")
    with meter(progress, quiet) as shown:
        found = evaluate(chosen, output, models, experiment, resume=resume, progress=shown, cluster=cluster, jobs=jobs)
        page = write_report(output, found)
    print_path(page)


def _label(name: str) -> str:
    """A model's name for use in file names."""
    return Path(name).stem if name.endswith(".onnx") else name.removeprefix("hf://").replace("/", "-")
