"""`stream-restore spectrogram`."""

from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import Annotated, Literal

import typer

from . import options, paths
from .messages import print_path, warn
from .progress import progress as meter

__all__ = ["command"]


def command(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN...", help="Recordings, shown on one time axis; - is stdin.",
                       parser=paths.file_or_stream),
    ],
    output: options.Folder,
    scale: Annotated[Literal["mel", "linear"], typer.Option(help="Of frequency.")] = "mel",
    rows: Annotated[int, typer.Option(min=1, max=1024, help="Height of the spectrograms in bands.")] = 128,
    quietest: Annotated[float, typer.Option(metavar="DB", help="Level of the darkest colour.")] = -100.0,
    loudest: Annotated[float, typer.Option(metavar="DB", help="Level of the lightest colour.")] = 0.0,
    raw: options.Raw = None,
    on_damage: options.OnDamage = "conceal",
    force: options.Force = False,
    quiet: options.Quiet = False,
    progress: options.ProgressMode = "auto",
) -> None:  # fmt: skip
    """Spectrograms to look at and listen to: a folder whose index.html opens in any browser, with no server."""
    from ..audio import open_source
    from ..engine.loop import Ticker
    from ..show.tiles import Axes
    from ..show.viewer import Track, prepared, write_viewer

    options.refuse_stdin_twice(inputs)
    axes = Axes(scale, rows, quietest, loudest)
    with ExitStack() as stack, meter(progress, quiet) as shown:
        sources = [
            stack.enter_context(open_source(each, raw=options.parsed_raw(raw), on_damage=on_damage)) for each in inputs
        ]
        stack.enter_context(prepared(output, force))
        names = [Path(source.name).name for source in sources]
        tracks = [Track(name, source) for name, source in zip(names, sources, strict=True)]
        lengths = [source.estimate for source in sources]
        ticker = Ticker(shown, None if None in lengths else sum(length or 0 for length in lengths), passes=1)
        page = write_viewer(output, " · ".join(names), tracks, axes=axes, progress=ticker)
    warn(*chain.from_iterable(source.warnings for source in sources), quiet=quiet, as_json=progress == "json")
    print_path(page)
