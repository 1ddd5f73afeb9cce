"""Options of the network and its application, shared by several commands."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from ..errors import ConfigError
from . import paths

if TYPE_CHECKING:
    from ..restoration import noise_profile as measured
    from ..restoration.restoration import Restoration

__all__ = [
    "CLIPPED",
    "Backend",
    "Context",
    "Device",
    "Dry",
    "Headroom",
    "Jobs",
    "MaxReduction",
    "Name",
    "Normalise",
    "Overlap",
    "Precision",
    "Provider",
    "Repair",
    "Repo",
    "Seed",
    "Segment",
    "Shifts",
    "Stems",
    "Strength",
    "Threads",
    "restoration",
]

Name: TypeAlias = Annotated[
    str, typer.Option("-n", "--name", help="A model: see 'models list', hf://user/name, or an .onnx file.")
]
Repo: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="A folder of Demucs models (.yaml and .th files) for -n.", parser=paths.existing),
]
Backend: TypeAlias = Annotated[
    Literal["auto", "onnx", "torch", "openvino"],
    typer.Option(help="auto: ONNX Runtime for .onnx and compact, else PyTorch."),
]
Device: TypeAlias = Annotated[Literal["cpu", "cuda"], typer.Option("-d", "--device", help="Where networks run.")]
Provider: TypeAlias = Annotated[
    str | None, typer.Option(metavar="NAME", help="ONNX Runtime execution provider; an error if it is not there.")
]
Precision: TypeAlias = Annotated[
    Literal["f32", "bf16"],
    typer.Option(help="Of the network's arithmetic; bf16: --backend openvino on a CPU with AVX512-BF16 or AMX."),
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

Repair: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="LIST", help="What is repaired: clipping, scratches, clicks, hum, noise (the network), "
                 "treble, joined by commas; or all, or none.  [default: clipping,clicks,hum,noise with compact, noise "
                 "with other networks]",
                 show_default=False),
]  # fmt: skip
Strength: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=PERCENT", help="How much of what a repair changes is changed, 0 to 100; repeatable."),
]
MaxReduction: TypeAlias = Annotated[
    float | None, typer.Option(metavar="DB", help="The most by which noise is lowered.  [default: as the network does]")
]

NoiseProfile: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="START:END|FILE", help="Where in the recording there is nothing but noise, as 12.5:14 or "
                 "1:30:1:32, or a file of it.  [default: found in the minute around]", show_default=False),
]  # fmt: skip
Latency: TypeAlias = Annotated[
    float | None,
    typer.Option(metavar="S", help="The most by which the output may lag behind the input, in a live pipe.  "
                 "[default: as far as repairs look ahead]", show_default=False),
]  # fmt: skip
Headroom: TypeAlias = Annotated[
    float,
    typer.Option(metavar="DB", help="Lower all outputs by so much: room for peaks that were given back.  [default: 0]",
                 show_default=False),
]  # fmt: skip

CLIPPED = "--headroom DB makes room, --float32 keeps all"
"""Advice if a result clips in integer samples."""


def restoration(
    *,
    overlap: float = 0.25,
    segment: float | None = None,
    context: float = 0.0,
    shifts: int = 0,
    seed: int = 0,
    jobs: int = 1,
    dry: float | None = None,
    stems: str | None = None,
    repair: str | None = None,
    strength: Sequence[str] | None = None,
    max_reduction: float | None = None,
    headroom: float = 0.0,
    noise_profile: str | None = None,
    latency: float | None = None,
) -> "Restoration":
    """The `Restoration` of the options."""
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
        repairs=_repairs(repair),
        strengths=dict(map(_strength, strength or ())),
        max_reduction_db=max_reduction,
        headroom_db=headroom,
        noise_profile=_noise_profile(noise_profile),
        latency_seconds=latency,
    )


def _repairs(text: str | None) -> tuple[str, ...] | None:
    """The names in a comma-separated list, in processing order; None if the option is absent."""
    from ..restoration.repairs import NAMES, ordered

    if text is None:
        return None
    words = [word.strip() for word in text.split(",") if word.strip()]
    if words in (["all"], ["none"]):
        return NAMES if words == ["all"] else ()
    if not words:
        raise ConfigError(f"--repair takes all, none, or names among {', '.join(NAMES)}; got {text!r}")
    return ordered(words)


def _noise_profile(text: str | None) -> "measured.NoiseProfile | tuple[float, float] | None":
    """A passage of the recording, or what is in a file."""
    if text is None:
        return None
    from ..audio import open_source
    from ..ranges import Range
    from ..restoration import measure_noise

    if re.fullmatch(r"[\d.s]*(:[\d.s]*)+", text):
        passage = Range.parse(text)
        if passage.stop is None:
            raise ConfigError(f"a noise profile is START:END, got {text!r} without an end")
        return float(passage.start), float(passage.stop)

    with open_source(text, on_damage="stop") as source:
        return measure_noise(source, name=text)


def _strength(text: str) -> tuple[str, float]:
    """A repair and its strength, 0 to 1, from NAME=PERCENT."""
    name, _, percent = text.partition("=")
    try:
        number = float(percent.removesuffix("%"))
    except ValueError:
        number = math.nan
    if not 0 <= number <= 100:
        raise ConfigError(f"--strength takes NAME=PERCENT with 0 to 100 percent, as noise=50; got {text[:100]!r}")
    return name.strip(), number / 100
