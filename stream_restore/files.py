"""Small files, and their folders, with errors that say which."""

from pathlib import Path

from .errors import SinkError

__all__ = ["write"]


def write(path: Path, data: bytes | str) -> None:
    """Write a file, and make its folder if it is not there.

    Raises:
        SinkError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from error
