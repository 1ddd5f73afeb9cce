"""What several commands say in the same words about the network and how it is applied."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

if TYPE_CHECKING:
    from ..restoration.restoration import Restoration

__all__ = [
    "Backend",
    "Context",
    "Device",
    "Dry",
    "Jobs",
    "Name",
    "Normalise",
    "Overlap",
    "Provider",
    "Repo",
    "Seed",
    "Segment",
    "Shifts",
    "Stems",
    "Threads",
    "restoration",
]

Name: TypeAlias = Annotated[
    str, typer.Option("-n", "--name", help="A model: see 'models list', hf://user/name, or an .onnx file.")
]
Repo: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="DIR", help="A folder of Demucs models (.yaml and .th files) for -n.")
]
Backend: TypeAlias = Annotated[
    Literal["auto", "onnx", "torch"], typer.Option(help="auto: ONNX Runtime for .onnx and compact, else PyTorch.")
]
Device: TypeAlias = Annotated[Literal["cpu", "cuda"], typer.Option("-d", "--device", help="Where networks run.")]
Provider: TypeAlias = Annotated[
    str | None, typer.Option(metavar="NAME", help="ONNX Runtime execution provider; an error if it is not there.")
]
Threads: TypeAlias = Annotated[
    int | None, typer.Option(min=1, max=1024, metavar="N", help="Threads of one network.  [default: all cores]")
]
Jobs: TypeAlias = Annotated[
    int, typer.Option("-j", "--jobs", min=1, max=1024, metavar="N", help="Segments computed at once.")
]
Segment: TypeAlias = Annotated[
    float | None, typer.Option(metavar="S", help="Seconds of a segment.  [default: the model's own]")
]
Overlap: TypeAlias = Annotated[float, typer.Option(help="Part of a segment shared with the next.")]
Context: TypeAlias = Annotated[
    float, typer.Option(metavar="S", help="Seconds computed and thrown away around a segment.")
]
Shifts: TypeAlias = Annotated[int, typer.Option(min=0, max=1000, help="Average over this many randomly moved grids.")]
Seed: TypeAlias = Annotated[int, typer.Option(help="Of shifts and of the dither of integer outputs.")]
Normalise: TypeAlias = Annotated[
    Literal["constant", "track"],
    typer.Option("--normalise", "--normalize", help="constant: one gain for all recordings; track: by the "
                 "recording's mean and deviation, as demucs does (reads it twice)."),
]  # fmt: skip
Dry: TypeAlias = Annotated[
    float | None, typer.Option(metavar="X", help="Factor on the input in the result.  [default: the model's own]")
]
Stems: TypeAlias = Annotated[
    str | None, typer.Option(metavar="A,B", help="Stems that make up the result.  [default: all]")
]


def restoration(
    *,
    overlap: float,
    segment: float | None,
    context: float,
    shifts: int,
    seed: int,
    jobs: int,
    dry: float | None,
    stems: str | None,
) -> "Restoration":
    """The options as the engine takes them."""
    from ..restoration.restoration import Restoration

    return Restoration(
        overlap=overlap,
        segment_seconds=segment,
        context_seconds=context,
        shifts=shifts,
        seed=seed,
        jobs=jobs,
        dry=dry,
        stems=tuple(stem.strip() for stem in stems.split(",") if stem.strip()) if stems is not None else None,
    )
