"""One object at a URL."""

import errno
import io
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, TypeGuard, cast
from urllib.parse import urlsplit

from ...errors import ConfigError
from .retry import Result, retried

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["Remote", "is_url"]

BLOCK = 1 << 22
"""Bytes of one request."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_ATOMIC = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"})
"""Where an object appears when its upload is complete; elsewhere it is uploaded under another name, then moved."""
_READ_ONLY = frozenset({"http", "https"})


def is_url(target: object) -> TypeGuard[str]:
    """Whether a target is the URL of an object, not the path of a file.

    >>> is_url("s3://archive/tape.wav"), is_url("tape.wav"), is_url("-")
    (True, False, False)
    """
    return isinstance(target, str) and _URL.match(target) is not None


@dataclass(frozen=True)
class Remote:
    """An object in storage. Credentials are those that its library finds: environment variables, configuration files.

    Attributes:
        url: s3://, gs://, sftp://, https://, ...

    Raises:
        ConfigError: by all methods, if the scheme is unknown, or its library is not installed.
    """

    url: str

    @property
    def name(self) -> str:
        """For messages: without password and query, which may be a signature.

        >>> Remote("https://me:secret@archive.org/tape.wav?signature=1").name
        'https://archive.org/tape.wav'
        """
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def facts(self) -> Mapping[str, Any]:
        """What changes when the object does, serialisable as JSON.

        Raises:
            OSError: if it does not exist or cannot be reached.
        """
        info = self._info()
        version = next((str(info[key]) for key in _VERSIONS if info.get(key)), "")
        return {"url": self.name, "bytes": info.get("size"), "version": version}

    def open(self, mode: str = "rb") -> BinaryIO:
        """The object's bytes, as `Path.open` gives those of a file; a request that fails is made again.

        Raises:
            OSError: if it does not exist or cannot be reached.
        """
        open_at = self._from if self.seekable else self._through
        raw = _Object(open_at, self._info().get("size"), self.seekable, self._tried)
        return cast("BinaryIO", io.BufferedReader(raw, 1 << 16))

    @cached_property
    def seekable(self) -> bool:
        """Whether any range of its bytes can be read, so that it need not be read from its beginning to its end.

        Raises:
            OSError: if it does not exist or cannot be reached.
        """
        info = self._info()
        if info.get("type") == "directory":
            raise IsADirectoryError(errno.EISDIR, "is a folder; give a file in it")
        return bool(info.get("size")) and self._gives_last_byte(int(info["size"]))

    @property
    def suffix(self) -> str:
        """Of its name, with the dot.

        >>> Remote("https://archive.org/tape.WAV?signature=1.2").suffix
        '.WAV'
        """
        return PurePosixPath(urlsplit(self.url).path).suffix

    def exists(self) -> bool:
        """Whether there is an object.

        Raises:
            OSError: if the storage cannot be reached.
        """
        try:
            self._info()
        except FileNotFoundError:
            return False
        return True

    def refuse_unwritable(self) -> None:
        """Refuse what cannot be written.

        Raises:
            ConfigError: if it is a web server, or the URL ends without the name of an object.
        """
        if self.url.endswith("/"):
            raise ConfigError(f"{self.name}: is a folder; give the name of an object in it")
        if self._scheme in _READ_ONLY:
            raise ConfigError(f"{self.name}: a web server takes no recordings; name a file or a bucket")

    def upload(self, file: Path) -> None:
        """Store a file as this object, which appears when it is complete, and replaces one of its name.

        Raises:
            OSError: if it cannot be stored. The object is then as before; but on sftp, which replaces none by another,
                it may be gone, and the new one lie beside it as NAME.part.
        """
        if self._scheme in _ATOMIC:
            self._tried(lambda: self._storage.put_file(str(file), self._path))
        else:
            self._upload_and_move(file)
        if self._info().get("size") != file.stat().st_size:
            raise OSError(errno.EIO, "is not as long as what was uploaded")

    def _upload_and_move(self, file: Path) -> None:
        part = f"{self._path}.part"
        try:
            self._tried(lambda: self._storage.put_file(str(file), part))
        except BaseException:
            with suppress(Exception):
                self._storage.rm_file(part)
            raise
        self._tried(lambda: self._replaced_by(part))

    def _replaced_by(self, part: str) -> None:
        """Move a complete upload here; it may have been moved before the connection broke."""
        if self._storage.exists(part):
            with suppress(FileNotFoundError):
                self._storage.rm_file(self._path)
            self._storage.mv(part, self._path)

    def _info(self) -> Mapping[str, Any]:
        self._storage.invalidate_cache()
        return cast("Mapping[str, Any]", self._tried(lambda: self._storage.info(self._path)))

    def _tried(self, attempt: Callable[[], Result]) -> Result:
        try:
            return retried(attempt)
        except OSError as error:
            parts = urlsplit(self.url)
            words = str(error.strerror)
            for secret in filter(None, (parts.query, parts.netloc.rpartition("@")[0])):
                words = words.replace(secret, "...")
            raise type(error)(error.errno, words) from None  # what caused it shows the secrets

    def _gives_last_byte(self, size: int) -> bool:
        """Whether a range can be read; servers do not say so reliably."""
        try:
            with self._from(size - 1) as file:
                return len(file.read(1)) == 1
        except FileNotFoundError:
            raise
        except Exception:  # one that fails for another reason fails again in `_through`
            return False

    def _from(self, position: int) -> BinaryIO:
        file = self._storage.open(self._path, "rb", block_size=BLOCK, cache_type="readahead")
        file.seek(position)
        return cast("BinaryIO", file)

    def _through(self, position: int) -> BinaryIO:
        file = self._storage.open(self._path, "rb", block_size=0)
        while position > 0:
            passed = len(file.read(min(position, BLOCK)))
            if not passed:
                raise OSError(errno.EIO, "is shorter than before")
            position -= passed
        return cast("BinaryIO", file)

    @property
    def _scheme(self) -> str:
        return self.url.partition("://")[0].lower()

    @property
    def _storage(self) -> "AbstractFileSystem":
        return self._found[0]

    @property
    def _path(self) -> str:
        return self._found[1]

    @cached_property
    def _found(self) -> "tuple[AbstractFileSystem, str]":
        if self._scheme in ("file", "local"):
            raise ConfigError(f"{self.name}: give the path itself, without {self._scheme}://")
        try:
            from fsspec.core import url_to_fs

            return cast("tuple[AbstractFileSystem, str]", url_to_fs(self.url))
        except ImportError as error:
            raise ConfigError(f"{self.name}: {error}; pip install 'stream_restore[storage]'") from error
        except ValueError as error:
            raise ConfigError(f"{self.name}: {error}; s3, gs, sftp, https and others can be used") from error


_VERSIONS = ("ETag", "etag", "LastModified", "Last-Modified", "mtime", "created")
"""Names under which storages say which version of an object it is."""


class _Object(io.RawIOBase):
    """The bytes of an object, opened anew where a request failed."""

    def __init__(
        self,
        open_at: Callable[[int], BinaryIO],
        size: int | None,
        ranges: bool,
        tried: Callable[[Callable[[], bytes]], bytes],
    ) -> None:
        self._open_at = open_at
        self._size = size
        self._ranges = ranges
        self._tried = tried
        self._file: BinaryIO | None = None
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._ranges

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if not self._ranges:
            raise io.UnsupportedOperation("seek")
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size or 0}[whence]
        self._position = max(0, base + offset)
        if self._file is not None:
            self._file.seek(self._position)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        data = self._tried(lambda: self._next(len(buffer)))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        self._let_go()
        super().close()

    def _next(self, size: int) -> bytes:
        if self._size is not None:
            size = min(size, self._size - self._position)
        if size <= 0:
            return b""
        try:
            self._file = self._file or self._open_at(self._position)
            data = self._file.read(size)
            if not data and self._size is not None:
                raise OSError(errno.EIO, f"was cut off at byte {self._position} of {self._size}")
        except BaseException:
            self._let_go()
            raise
        return data

    def _let_go(self) -> None:
        if self._file is not None:
            with suppress(Exception):
                self._file.close()
            self._file = None
