"""Parsers of paths on the command line, the only place that refuses invalid ones.

Every path argument and option uses one of these functions as its parser. `.`, `..` and `/` are folders, never files; an
empty string, as from an unset shell variable, is neither.
"""

from pathlib import Path

import typer

__all__ = ["anywhere", "existing", "file_on_disk", "file_or_stream", "folder_anywhere", "folder_on_disk"]


def file_or_stream(text: str) -> str:
    """A file name, a URL, or - for stdin or stdout.

    Raises:
        BadParameter: if it is empty or a folder.

    >>> file_or_stream("tapes/a.wav"), file_or_stream("s3://tapes/a.wav"), file_or_stream("-")
    ('tapes/a.wav', 's3://tapes/a.wav', '-')
    """
    if _named(text).name in ("", ".."):
        raise typer.BadParameter(f"{text!r} is a folder; give the name of a file")
    return text


def file_on_disk(text: str) -> Path:
    """The name of a file to write; not stdout.

    Raises:
        BadParameter: if it is empty, a folder, a URL, or -.
    """
    return existing(file_or_stream(_no_stream(text)))


def folder_on_disk(text: str) -> Path:
    """A folder to write.

    Raises:
        BadParameter: if it is empty, a URL, or -.
    """
    return existing(_no_stream(text))


def anywhere(text: str) -> str:
    """A file or folder, or the URL of one.

    Raises:
        BadParameter: if it is empty.
    """
    _named(text)
    return text


def folder_anywhere(text: str) -> str:
    """A folder to write, or the URL of one.

    Raises:
        BadParameter: if it is empty, or -.
    """
    return anywhere(_no_stream(text))


def existing(text: str) -> Path:
    """A file or folder to read, or -; it is checked for existence when opened.

    Raises:
        BadParameter: if it is empty or a URL.
    """
    if "://" in text:
        raise typer.BadParameter(f"{text!r} is a URL, and this must be on the disk; recordings may be elsewhere")
    return _named(text)


def _named(text: str) -> Path:
    if not text:
        raise typer.BadParameter("a path is empty; give the name of a file or folder")
    return Path(text)


def _no_stream(text: str) -> str:
    if text == "-":
        raise typer.BadParameter("'-' is stdout, and this goes to the disk: give it a name")
    return text
