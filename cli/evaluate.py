"""`stream-restore evaluate`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import ConfigError
from . import options
from .progress import progress as meter
from .say import say

__all__ = ["command"]


def command(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The folder to write.")],
    clips: Annotated[list[Path] | None, typer.Argument(metavar="[CLIP]...", help="Clean recordings.")] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("-n", "--name", help="A model, as for restore; give it more than once to compare.  "
                     "[default: compact]", show_default=False),
    ] = None,
    repo: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of Demucs models (.yaml and .th files) for -n.")
    ] = None,
    librosa: Annotated[
        bool, typer.Option("--librosa", help="Also librosa's example recordings, from its cache if they are there.")
    ] = False,
    sample_rate: Annotated[
        str, typer.Option(metavar="HZ", help="Rate at which clips are loaded, or none to keep theirs.")
    ] = "32000",
    stereo: Annotated[bool, typer.Option("--stereo", help="Keep the channels; without it they are averaged.")] = False,
    cutoff: Annotated[str, typer.Option(metavar="HZ", help="Cut-off of the Butterworth low-pass, or none.")] = "7000",
    order: Annotated[int, typer.Option(help="Order of the low-pass.")] = 6,
    phase: Annotated[
        Literal["zero", "causal"], typer.Option(help="zero: forward and backward; causal: forward only.")
    ] = "zero",
    rate: Annotated[str, typer.Option(metavar="HZ", help="Rate to sample down to and back, or none.")] = "16000",
    bits: Annotated[str, typer.Option(metavar="N", help="Word length, with TPDF dither, or none.")] = "8",
    snr: Annotated[str, typer.Option(metavar="DB", help="Gaussian noise this far below the signal, or none.")] = "20",
    seed: Annotated[int, typer.Option(help="Of dither and noise.")] = 0,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Threads of one network.  [default: all cores]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run was stopped.")] = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
    progress: options.ProgressMode = "auto",
) -> None:  # fmt: skip
    """The paper's experiment: degrade and restore clips, measure, draw, and write a report to read and to listen to."""
    from ..degradation import Degradation
    from ..display import prepare
    from ..evaluation import Experiment, evaluate
    from ..examples import librosa_examples
    from ..models import load
    from ..report import write_report

    chosen = list(clips or [])
    if librosa:
        chosen += librosa_examples(lambda text: say(f"stream-restore: warning: {text}"))
    if not chosen:
        raise ConfigError("name the clips to evaluate, or add --librosa")
    names = names or ["compact"]
    labels = list(map(_label, names))
    if twice := {label for label in labels if labels.count(label) > 1}:
        raise ConfigError(f"the files of two models would be called {min(twice)!r} twice; rename one of the models")
    models = {label: load(name, repo=repo, threads=threads) for label, name in zip(labels, names, strict=True)}
    degradation = Degradation(
        cutoff_hz=options.number_or_none(cutoff, "--cutoff"),
        order=order,
        phase=phase,
        sample_rate=options.whole_or_none(rate, "--rate"),
        bits=options.whole_or_none(bits, "--bits"),
        snr_db=options.number_or_none(snr, "--snr"),
        seed=seed,
    )
    experiment = Experiment(options.whole_or_none(sample_rate, "--sample-rate"), not stereo, degradation)
    prepare(output, force or resume, "go on with --resume, or start again with --force")
    with meter(progress, quiet) as shown:
        found = evaluate(chosen, output, models, experiment, resume=resume, progress=shown)
        page = write_report(output, found)
    typer.echo(str(page))


def _label(name: str) -> str:
    """A model's name as a part of file names."""
    return Path(name).stem if name.endswith(".onnx") else name.removeprefix("hf://").replace("/", "-")
