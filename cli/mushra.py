"""`stream-restore mushra`."""

from pathlib import Path
from typing import Annotated

import typer

from . import options
from .messages import print_path, warn
from .progress import progress as meter

__all__ = ["app"]

app = typer.Typer(help="A formal listening test after ITU-R BS.1534-3.", no_args_is_help=True, rich_markup_mode=None)


@app.command("build")
def build_command(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="REPORT_OR_CLIPS...", help="The folder of an evaluation, or folders with one clip each: "
                       "original.wav and one file for each condition, whose name is the condition's."),
    ],
    output: options.Folder,
    title: Annotated[str, typer.Option(help="What listeners read at the top.")] = "Listening test",
    seconds: Annotated[float, typer.Option(metavar="SECONDS", help="Of an excerpt, up to 12.")] = 12.0,
    at: Annotated[
        list[float] | None,
        typer.Option(metavar="SECONDS", help="Where an excerpt begins, once for each clip.  [default: where the "
                     "conditions differ most]"),
    ] = None,
    seed: Annotated[
        str | None,
        typer.Option(help="Gives the same test again; whoever knows it can tell conditions.  [default: a random one]"),
    ] = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    progress: options.ProgressMode = "auto",
) -> None:  # fmt: skip
    """Excerpts, hidden reference, anchors of 3.5 and 7 kHz, all at one loudness; a page to rate them; a key.

    DIR/page is for listeners: it opens from disk, or with `mushra serve`. DIR/key.json is not for them. DIR/webmushra
    is the same test for webMUSHRA.
    """
    from ..listening.building import build, find_clips
    from ..show.viewer import prepare

    clips = find_clips(inputs)
    prepare(output, force)
    with meter(progress, quiet) as shown:
        build(clips, output, title=title, seconds=seconds, at=at or (), seed=seed, progress=shown)
    print_path(output / "page" / "index.html")


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
    from ..listening.analysis.findings import findings
    from ..listening.analysis.report import write_analysis
    from ..listening.ratings import read_csv, unique

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
