"""Destinations of bytes: a file that is renamed when complete, or a pipe."""

import contextlib
import filecmp
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn

from ...errors import ClosedPipeError, ConfigError, SinkError, errors_as
from ..storage import Place, is_url
from .lock import Lock

__all__ = ["PART", "Output", "claimed", "open_output", "part_of", "refuse_existing", "refuse_same_file"]

PART = ".part"
"""Suffix of an incomplete file."""


class Output:
    """Writes bytes to a file or a pipe, with the interface of a file object.

    C libraries call `write` back and cannot propagate an exception; so the first error is kept in `error`, later
    writes are ignored, and `check` raises it.

    Attributes:
        name: for messages.
        error: the first failure, as an exception of `stream_restore.errors`.
    """

    def __init__(
        self,
        raw: BinaryIO,
        name: str,
        part: Path | None = None,
        final: Path | None = None,
        lock: Lock | None = None,
    ) -> None:
        self._raw = raw
        self.name = name
        self._part = part
        self._final = final
        self._lock = lock
        self._written = 0
        self.error: SinkError | None = None

    def seekable(self) -> bool:
        """Whether `seek` works."""
        return self._part is not None

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of `data`; `check` reports a failure."""
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view) and self.error is None:
            try:
                # A raw stream may write less than given; the caller's own may return None.
                done += self._raw.write(view[done:]) or (len(view) - done)
            except (OSError, ValueError) as error:
                self.error = self._translated(error)
        self._written += len(view)
        return len(view)

    def read(self, size: int = -1) -> bytes:
        """Read bytes already written; for libraries that patch their output."""
        return self._raw.read(size)

    def seek(self, position: int, whence: int = 0) -> int:
        """Go to a byte already written; without effect on a pipe."""
        return self._raw.seek(position, whence) if self.seekable() else self._written

    def tell(self) -> int:
        """The position of the next write, in bytes."""
        return self._raw.tell() if self.seekable() else self._written

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes; for libraries that patch their output.

        Raises:
            SinkError: if the system reports an error.
        """
        try:
            self._raw.truncate(size)
        except (OSError, ValueError) as error:
            self.error = self._translated(error)
            raise self.error from error

    def check(self) -> None:
        """Raise the first failure.

        Raises:
            ClosedPipeError: if the reader closed the pipe.
            SinkError: if the disk is full, or the system reports another error.
        """
        if self.error is not None:
            raise self.error

    def sync(self) -> None:
        """Flush what was written so far to the disk.

        Raises:
            SinkError: if the system reports an error.
        """
        self.check()
        try:
            self._raw.flush()
            os.fsync(self._raw.fileno())
        except (OSError, ValueError) as error:
            self.error = self._translated(error)
            raise self.error from error

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield the contents of the file, `size` bytes at a time; the write position does not change.

        Raises:
            SinkError: if it cannot be read.
        """
        if self._part is None:
            return
        with errors_as(SinkError, f"{self._part}: cannot be read"), open(self._part, "rb") as file:
            while data := file.read(size):
                yield data

    def cut(self, size: int) -> None:
        """Truncate to `size` bytes and continue after them.

        Raises:
            SinkError: if the file is shorter.
        """
        if self._raw.seek(0, os.SEEK_END) < size:
            raise SinkError(f"{self._part}: is shorter than its journal says; start again without --resume")
        self._raw.truncate(size)
        self._raw.seek(size)

    def leave(self) -> None:
        """Close, and keep NAME.part unchanged."""
        with contextlib.suppress(OSError, ValueError):
            self._raw.close()
        self._release()

    def commit(self, replace: bool) -> None:
        """Flush to the disk, then rename the file to its final name.

        Raises:
            SinkError: if writing fails, or another file has the name and `replace` is off.
        """
        self.check()
        try:
            self._raw.flush()
            if self._part is not None:
                os.fsync(self._raw.fileno())
                self._raw.close()
                self._publish(self._part, replace)
                self._release()
        except (OSError, ValueError) as error:
            self.error = self._translated(error)
            raise self.error from error

    def discard(self) -> None:
        """Close and delete NAME.part. Idempotent."""
        if self._part is not None:
            with contextlib.suppress(OSError):
                self._raw.close()
            self._part.unlink(missing_ok=True)
        self._release()

    def _publish(self, part: Path, replace: bool) -> None:
        """Give a complete file its name."""
        final = self._final or part
        # An identical file is from this same run, stopped between renaming and the next step.
        if not replace and final.exists() and not filecmp.cmp(part, final, shallow=False):
            self._came_to_exist(part)
        os.replace(part, final)
        _sync_folder(final.parent)

    def _came_to_exist(self, part: Path) -> NoReturn:
        self._release()  # do not delete hours of work
        raise OSError(f"came to exist meanwhile; the finished sound is kept as {part}")

    def _release(self) -> None:
        """Give up NAME.part: other runs may now write it."""
        self._part = None
        if self._lock is not None:
            self._lock.release()

    def _translated(self, error: Exception) -> SinkError:
        if isinstance(error, BrokenPipeError | ConnectionResetError):
            return ClosedPipeError(f"{self.name}: its reader went away")
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return SinkError(f"{self.name}: cannot write: {reason}")


def part_of(path: Path, suffix: str = PART) -> Path:
    """The path at which a file is written until complete: beside the file that `path` resolves to."""
    final = path.resolve()
    return final.with_name(final.name + suffix)


def open_output(target: str | Path | BinaryIO, force: bool, resume: bool = False, suffix: str = PART) -> Output:
    """Open a file, "-" for stdout, or a binary stream; with `resume` an existing NAME.part.

    A regular file is written as NAME plus `suffix` until it is complete, and locked meanwhile, see
    `stream_restore.audio.outputs.lock`. Devices and named pipes are written directly.

    Raises:
        SinkError: if it exists and `force` is off, it is a folder, its folder is missing, it cannot be opened, or
            another run is writing it.
    """
    if not isinstance(target, str | Path):
        return Output(target, str(getattr(target, "name", "output stream")))
    if str(target) == "-":
        return _stdout()
    path = Path(target)
    with errors_as(SinkError, f"{path}: cannot be created"):
        try:
            return _opened(path, force, resume, suffix)
        except FileNotFoundError as error:
            if not resume:
                raise
            raise SinkError(
                f"{path}.part: is gone, it cannot be continued; --force without --resume starts again"
            ) from error


@contextlib.contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Prevent other runs from writing this file while the context is active; afterwards its folder is as before.

    Raises:
        SinkError: if its folder is missing, it cannot be created there, or another run is writing it.
    """
    part = part_of(path)
    _require_folder(path, part)
    there = part.exists()
    with errors_as(SinkError, f"{path}: cannot be created"):
        lock = Lock(part)
    try:
        yield
    finally:
        if not there:
            part.unlink(missing_ok=True)
        lock.release()


def _require_folder(path: Path, part: Path) -> None:
    if not part.parent.is_dir():
        raise SinkError(f"{path}: the folder {part.parent} does not exist; make it first")


def _opened(path: Path, force: bool, resume: bool, suffix: str) -> Output:
    mode = path.stat().st_mode if path.exists() else None
    if mode is not None and stat.S_ISDIR(mode):
        raise SinkError(f"{path}: is a folder; give the name of a file")
    if mode is not None and not stat.S_ISREG(mode):
        return Output(open(path, "wb", buffering=0), str(path))
    if not force:
        refuse_existing(path)
    part = part_of(path, suffix)
    _require_folder(path, part)
    lock = Lock(part, create=not resume)
    return Output(open(part, "rb+" if resume else "wb+", buffering=0), str(path), part, path.resolve(), lock)


def refuse_existing(place: Place) -> None:
    """Refuse to replace a file or an object.

    Raises:
        SinkError: if it exists, or its storage cannot be reached.
    """
    with errors_as(SinkError, f"{place}: cannot be reached"):
        exists = place.exists()
    if exists:
        raise SinkError(f"{place}: exists; --force replaces it")


def _stdout() -> Output:
    if sys.stdout is None:
        raise SinkError("stdout is closed; name a file with -o")
    stream = sys.stdout.buffer
    if stream.isatty():
        raise SinkError("stdout is a terminal, sound belongs into a file or a pipe; name one with -o")
    stream.flush()
    # Unbuffered, so that no write can fail at interpreter exit.
    return Output(getattr(stream, "raw", stream), "stdout")


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power failure, if the system supports it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def refuse_same_file(source: str | Path | BinaryIO, target: str | Path | BinaryIO) -> None:
    """Refuse an output that is the input, even under another name or link.

    Raises:
        ConfigError: if both are the same file.
    """
    if not (isinstance(source, str | Path) and isinstance(target, str | Path)):
        return
    first, second = Path(source), Path(target)
    if (is_url(target) and source == target) or (first.is_file() and second.is_file() and first.samefile(second)):
        raise ConfigError(f"{target}: is the input itself; give the output another name")
