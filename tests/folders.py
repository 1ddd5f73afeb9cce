"""What lies in a folder."""

from pathlib import Path

__all__ = ["files", "names"]


def names(folder: Path) -> set[str]:
    """The names of files and folders right in it."""
    return {path.name for path in folder.iterdir()}


def files(folder: Path) -> dict[str, bytes]:
    """The bytes of all files, at any depth, by their paths inside it."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
