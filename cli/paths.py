"""Paths on the command line: the one place that refuses those that name nothing.

Every argument and option that is a path has one of these functions as its parser. `.`, `..` and `/` are folders, never
files; an empty word, as an unset variable of a shell leaves it, is neither.
"""

from pathlib import Path

import typer

__all__ = ["existing", "file_on_disk", "file_or_stream", "folder_on_disk"]


def file_or_stream(text: str) -> str:
    """The name of a file, or - for stdin or stdout.

    Raises:
        BadParameter: nothing, or a folder.

    >>> file_or_stream("tapes/a.wav"), file_or_stream("-")
    ('tapes/a.wav', '-')
    """
    if existing(text).name in ("", ".."):
        raise typer.BadParameter(f"{text!r} is a folder; give the name of a file")
    return text


def file_on_disk(text: str) -> Path:
    """The name of a file to write, which cannot be stdout.

    Raises:
        BadParameter: nothing, a folder, or -.
    """
    return Path(file_or_stream(_no_stream(text)))


def folder_on_disk(text: str) -> Path:
    """A folder to write.

    Raises:
        BadParameter: nothing, or -.
    """
    return existing(_no_stream(text))


def existing(text: str) -> Path:
    """A file or a folder to read, or -; whoever opens it says whether it is there.

    Raises:
        BadParameter: nothing.
    """
    if not text:
        raise typer.BadParameter("a path is empty; give the name of a file or folder")
    return Path(text)


def _no_stream(text: str) -> str:
    if text == "-":
        raise typer.BadParameter("'-' is stdout, and this goes to the disk: give it a name")
    return text
