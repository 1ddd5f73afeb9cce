"""`stream-restore restore`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from . import options
from .progress import progress as meter

__all__ = ["command"]


def command(
    input: options.Input,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="OUT", help="A file, or - for stdout.  [default: NAME.restored.SUFFIX "
                     "beside IN; - for stdin]", show_default=False),
    ] = None,
    name: Annotated[
        str, typer.Option("-n", "--name", help="A model: see 'models list', hf://user/name, or an .onnx file.")
    ] = "compact",
    repo: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder of Demucs models (.yaml and .th files) for -n.")
    ] = None,
    backend: Annotated[
        Literal["auto", "onnx", "torch"], typer.Option(help="auto: ONNX Runtime for .onnx and compact, else PyTorch.")
    ] = "auto",
    device: Annotated[Literal["cpu", "cuda"], typer.Option("-d", "--device", help="Where networks run.")] = "cpu",
    provider: Annotated[
        str | None, typer.Option(metavar="NAME", help="ONNX Runtime execution provider; an error if it is not there.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Threads of one network.  [default: all cores]")
    ] = None,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, metavar="N", help="Segments computed at once.")] = 1,
    segment: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds of a segment.  [default: the model's own]")
    ] = None,
    overlap: Annotated[float, typer.Option(help="Part of a segment shared with the next.")] = 0.25,
    context: Annotated[float, typer.Option(metavar="S", help="Seconds computed and thrown away around a segment.")] = 0,
    shifts: Annotated[int, typer.Option(min=0, help="Average over this many randomly moved grids.")] = 0,
    seed: Annotated[int, typer.Option(help="Of shifts and of the dither of integer outputs.")] = 0,
    normalise: Annotated[
        Literal["constant", "track"],
        typer.Option("--normalise", "--normalize", help="constant: one gain for all recordings; track: by the "
                     "recording's mean and deviation, as demucs does (reads it twice)."),
    ] = "constant",
    dry: Annotated[
        float | None, typer.Option(metavar="X", help="Factor on the input in the result.  [default: the model's own]")
    ] = None,
    stems: Annotated[
        str | None, typer.Option(metavar="A,B", help="Stems that make up the result.  [default: all]")
    ] = None,
    save_stems: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write each of these stems as DIR/STEM.SUFFIX.")
    ] = None,
    residual: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also write what was taken away, input - result.")
    ] = None,
    float32: Annotated[bool, typer.Option("--float32", help="32-bit float samples.")] = False,
    int24: Annotated[bool, typer.Option("--int24", help="24-bit samples.")] = False,
    int16: Annotated[bool, typer.Option("--int16", help="16-bit samples.  [default: as the input]")] = False,
    clip_mode: options.ClipMode = "clamp",
    raw: options.Raw = None,
    container: options.FormatName = None,
    force: options.Force = False,
    resume: options.Resume = False,
    quiet: options.Quiet = False,
    progress: options.ProgressMode = "auto",
) -> None:  # fmt: skip
    """Restore a recording with a Demucs network, segment by segment, in bounded memory."""
    from .. import api
    from ..models import load
    from ..restoration import Restoration

    target = options.default_output(input, output, "restored")
    stored = api.Output(container, options.encoding(float32, int24, int16), clip_mode, seed, force)
    chosen = tuple(stem.strip() for stem in stems.split(",") if stem.strip()) if stems is not None else None
    restoration = Restoration(
        overlap=overlap,
        segment_seconds=segment,
        context_seconds=context,
        shifts=shifts,
        seed=seed,
        jobs=jobs,
        dry=dry,
        stems=chosen,
    )
    model = load(name, repo=repo, backend=backend, device=device, provider=provider, threads=threads)
    with meter(progress, quiet) as shown:
        report = api.restore(
            input,
            target,
            model=model,
            restoration=restoration,
            normalise=normalise == "track",
            residual=residual,
            save_stems=save_stems,
            raw=options.parsed_raw(raw),
            stored=stored,
            resume=resume,
            progress=shown,
        )
    options.report_to_stderr(report, target, quiet, as_json=progress == "json")
