"""`stream-restore metrics`."""

import json
import math
from typing import Annotated

import typer

from . import options
from .progress import progress as meter

__all__ = ["command"]


def command(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="The clean recording, or -.")],
    estimate: Annotated[str, typer.Argument(metavar="ESTIMATE", help="The restored or degraded one, or -.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    raw: options.Raw = None,
    quiet: options.Quiet = False,
    progress: options.ProgressMode = "auto",
) -> None:
    """SDR and SI-SDR of one recording against another, exact, in bounded memory."""
    from .. import api

    with meter(progress, quiet) as shown:
        spec, found = api.compare(reference, estimate, raw=options.parsed_raw(raw), progress=shown)
    figures = {"sdr_db": found.sdr_db, "si_sdr_db": found.si_sdr_db, "scale": found.scale}
    if as_json:
        facts = {"sample_rate": spec.sample_rate, "channels": spec.channels, "frames": found.frames}
        typer.echo(json.dumps(facts | {name: _plain(value) for name, value in figures.items()}))
    else:
        typer.echo(f"SDR     {found.sdr_db:8.3f} dB\nSI-SDR  {found.si_sdr_db:8.3f} dB")


def _plain(value: float) -> float | str | None:
    """JSON has no infinity and no nan: they become "inf", "-inf" and null."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)
