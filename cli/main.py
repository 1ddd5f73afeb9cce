"""`stream-restore COMMAND`, and the only place that maps errors to exit codes.

0 success; 1 usage or configuration; 2 input unreadable; 3 some files of a batch failed; 130 interrupted. A broken pipe
on stdout is no error.
"""

import signal
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any

import typer

from ..errors import ClosedPipeError, RestoreError, SourceError
from . import batch, degrade, evaluate, export, inspect, metrics, models, mushra, restore, spectrogram
from .memory import keep_freed
from .messages import hold_standard_streams, named_stdout, print_message

__all__ = ["app", "main"]

# The base of typer's usage errors: the class of click, or of typer's copy of click.
_USAGE_ERROR: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

_NAME = "stream-restore"
app = typer.Typer(
    name=_NAME,
    help="Degrade and restore audio of any length in bounded memory. '-' is stdin or stdout.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
app.command("restore")(restore.command)
app.command("batch")(batch.command)
app.command("inspect")(inspect.command)
app.command("degrade")(degrade.command)
app.command("metrics")(metrics.command)
app.command("evaluate")(evaluate.command)
app.command("spectrogram")(spectrogram.command)
app.command("export")(export.command)
app.add_typer(mushra.app, name="mushra")
app.add_typer(models.app, name="models")


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Show the version and exit."),
) -> None:
    if version:
        from .. import __version__

        typer.echo(f"stream-restore {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    hold_standard_streams()
    keep_freed()
    try:
        return _run(arguments)
    except ClosedPipeError:
        return 0
    except SourceError as error:
        return _failed(error, 2)
    except (RestoreError, OSError) as error:
        return _failed(error, 1)
    except MemoryError as error:
        return _failed(f"not enough memory; a shorter --segment or fewer --jobs take less ({error})", 1)
    except (KeyboardInterrupt, typer.Abort):
        print_message("stream-restore: interrupted")
        return 130


def _run(arguments: Sequence[str] | None) -> int:
    try:
        with named_stdout():
            code = app(list(arguments) if arguments is not None else None, prog_name=_NAME, standalone_mode=False)
    except _USAGE_ERROR as error:
        with suppress(OSError):
            error.show()
        return 1
    if code == 130:  # typer's exit code after an interrupt
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _failed(error: Exception | str, code: int) -> int:
    print_message(f"stream-restore: {error}")
    return code
