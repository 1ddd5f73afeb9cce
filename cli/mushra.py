"""`stream-restore mushra`."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .messages import print_path, warn

__all__ = ["app"]

app = typer.Typer(help="A formal listening test after ITU-R BS.1534-3.", no_args_is_help=True, rich_markup_mode=None)


@app.command("analyse")
def analyse_command(
    ratings: Annotated[
        list[Path],
        typer.Argument(metavar="RATINGS...", help="CSV files with the columns listener, trial, condition, score; or of "
                       "webMUSHRA."),
    ],
    output: options.Folder,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0)] = 0,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Post-screening, means and medians with intervals, tests with their power, box plots, in plain words."""
    from ..audio.outputs.atomic_file import make_folder
    from ..errors import SinkError
    from ..listening.analysis import analyse
    from ..listening.findings import findings
    from ..listening.ratings import read_csv, unique
    from ..listening.report import write_analysis

    if (output / "analysis.json").exists() and not force:
        raise SinkError(f"{output}: holds an analysis already: --force replaces it")
    told = unique(output, [rating for path in ratings for rating in read_csv(path)])
    found = analyse(told, seed=seed)
    make_folder(output)
    page, missing = write_analysis(output, found)
    for line in () if quiet else missing:
        warn(line)
    if not quiet:
        typer.echo("\n".join(findings(found)))
    print_path(page)
