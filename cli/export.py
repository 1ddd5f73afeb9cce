"""`stream-restore export`."""

from pathlib import Path
from typing import Annotated

import typer

from . import network_options as network
from . import paths
from .messages import print_message

__all__ = ["command"]


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model: see 'models list', or hf://user/name.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="MODEL.onnx", parser=paths.file_on_disk, help="The file to write."),
    ],
    repo: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A folder of Demucs models (.yaml and .th files) for NAME.",
                     parser=paths.existing),
    ] = None,
    segment: network.Segment = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:  # fmt: skip
    """Write a model as one .onnx file that runs without PyTorch, checked against PyTorch."""
    from ..models import export_model

    manifest = export_model(name, output, repo=repo, segment=segment, force=force)
    parity = f"largest difference to PyTorch {manifest.parity:.1e} of the peak"
    print_message(f"{output}: {manifest.architecture}, {', '.join(manifest.stems)}; {parity}")
