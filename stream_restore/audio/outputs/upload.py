"""Outputs at a URL: written to the disk, stored when complete."""

import contextlib
import shutil
import tempfile
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from ...errors import SinkError, errors_as
from ..storage import Remote
from .output import PART, Output, refuse_existing

__all__ = ["open_upload"]


class Upload(Output):
    """A file in the folder for temporary files (environment variable TMPDIR), uploaded when it is complete.

    Formats complete their headers at the end, and a failed upload can be made again; so the disk must hold it.
    """

    def __init__(self, remote: Remote, part: Path) -> None:
        super().__init__(part.open("wb+", buffering=0), remote.name, part)
        self._remote = remote

    def _publish(self, part: Path, replace: bool) -> None:
        try:
            there = not replace and self._remote.exists()
            if not there:
                self._remote.upload(part)
        except OSError as error:
            self._release()
            # Without its number: by that of a broken connection it would be taken for a reader that went away.
            raise OSError(f"{error.strerror or error}; the finished sound is kept as {part}") from error
        if there:
            self._came_to_exist(part)
        shutil.rmtree(part.parent)

    def discard(self) -> None:
        folder = self._part.parent if self._part else None
        super().discard()
        if folder:
            with contextlib.suppress(OSError):
                folder.rmdir()


def open_upload(url: str, force: bool) -> Upload:
    """Open an object for writing.

    Raises:
        ConfigError: if the storage is unknown or takes nothing.
        SinkError: if it exists and `force` is off, the storage cannot be reached, or there is no temporary folder.
    """
    remote = Remote(url)
    remote.refuse_unwritable()
    if not force:
        refuse_existing(remote)
    with errors_as(SinkError, f"{remote.name}: cannot be created"):
        folder = Path(tempfile.mkdtemp(prefix="stream-restore-"))
        return Upload(remote, folder / f"{PurePosixPath(urlsplit(url).path).name}{PART}")
