"""`stream-restore mushra`."""

from pathlib import Path
from typing import Annotated

import typer

from . import options, paths
from .messages import print_path, warn
from .progress import progress as meter

__all__ = ["app"]

app = typer.Typer(help="A formal listening test after ITU-R BS.1534-3.", no_args_is_help=True, rich_markup_mode=None)


@app.command("build")
def build_command(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="REPORT_OR_CLIPS...", help="The folder of an evaluation, or folders with one clip each: "
                       "original.wav and one file for each condition, whose name is the condition's.",
                       parser=paths.existing),
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


@app.command("serve")
def serve_command(
    test: Annotated[Path, typer.Argument(metavar="TEST", help="What `mushra build` wrote.", parser=paths.existing)],
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in. There is no encryption.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 for any that is free.", min=0, max=65535)] = 8000,
) -> None:
    """Serve the page and keep the ratings in TEST/ratings.sqlite, until it is interrupted. Prints the address."""
    from ..listening.serving import TestServer

    with TestServer(test, host, port, warn) as server:
        typer.echo(server.url)
        server.serve_forever()


@app.command("analyse")
def analyse_command(
    ratings: Annotated[
        list[Path],
        typer.Argument(metavar="RATINGS...", help="The folder of a test that was served; JSON or CSV files that its "
                       "page gave; CSV files with the columns listener, trial, condition, score, or of webMUSHRA.",
                       parser=paths.existing),
    ],
    output: options.Folder,
    key: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Of the test.  [default: key.json beside RATINGS]",
                     parser=paths.file_or_stream),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.", min=0)] = 0,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Post-screening, means and medians with intervals, tests with their power, box plots, in plain words."""
    from ..audio.outputs.atomic_file import make_folder
    from ..errors import SinkError
    from ..listening.analysis import analyse, write_analysis
    from ..listening.analysis.findings import findings
    from ..listening.submissions import read_ratings

    if (output / "analysis.json").exists() and not force:
        raise SinkError(f"{output}: holds an analysis already: --force replaces it")
    told, known = read_ratings(ratings, Path(key) if key else None)
    found = analyse(told, known.figures if known else None, seed)
    make_folder(output)
    page, missing = write_analysis(output, found)
    warn(*missing, quiet=quiet)
    if not quiet:
        typer.echo("\n".join(findings(found)))
    print_path(page)
