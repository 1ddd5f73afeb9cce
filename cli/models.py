"""`stream-restore models list|info|fetch`."""

from dataclasses import asdict
from typing import Annotated

import typer

from .messages import print_path

__all__ = ["app"]

app = typer.Typer(help="Models by name.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A name of the list, hf://user/name, or an .onnx file.")]


@app.command("list")
def list_() -> None:
    """The names that `-n` knows."""
    from ..errors import ModelError
    from ..models import info, names

    for name in names():
        try:
            summary = info(name).summary
        except ModelError as error:
            summary = str(error)
        typer.echo(f"{name:14} {summary}")


@app.command("info")
def info(name: Name) -> None:
    """What is known of a model; downloads nothing."""
    from ..models import info as find

    found = find(name)
    fields = {"name": found.name, "backend": found.backend, "is": found.summary, "from": found.source}
    fields |= {"licence": found.licence}
    if found.manifest is not None:
        fields |= {key: value for key, value in asdict(found.manifest).items() if key not in ("name", "licence")}
    for key, value in fields.items():
        typer.echo(f"{key:15} {', '.join(map(str, value)) if isinstance(value, tuple) else value}")
    if found.card:
        typer.echo(f"\n{found.card}")


@app.command("fetch")
def fetch(name: Name) -> None:
    """Download a model's files, check them, and say where they are."""
    from ..models import fetch as download

    print_path(download(name))
