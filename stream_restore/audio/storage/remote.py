"""One object at a URL."""

import errno
import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import urlsplit

from ...errors import ConfigError
from .multipart import end_unfinished
from .object_bytes import ObjectBytes
from .retry import Result, lasts, retried

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

__all__ = ["VERSIONS", "Remote"]

BLOCK = 1 << 22
"""Bytes of one request."""

_ATOMIC = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"})
"""Where an object appears when its upload is complete; elsewhere it is uploaded under another name, then moved."""
_WEB = frozenset({"http", "https"})
_VERBATIM = frozenset({"s3", "s3a", "gs", "gcs", "memory"})
"""Whose names may hold ? and #, which elsewhere begin a query or a fragment."""
_LIBRARIES = {"gs": " gcsfs", "gcs": " gcsfs", "az": " adlfs", "abfs": " adlfs", "abfss": " adlfs"}
"""What some need besides."""


@dataclass(frozen=True, order=True)
class Remote:
    """An object in storage, or a folder. Credentials are those that its library finds: environment variables,
    configuration files.

    Attributes:
        url: s3://, gs://, sftp://, https://, ...
        listed: what the list of its folder said of it, if it was found there.

    Raises:
        ConfigError: by all methods, if the scheme is unknown, or its library is not installed.
    """

    url: str
    listed: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.name

    def __truediv__(self, place: PurePath | str) -> "Remote":
        """What lies below a folder.

        >>> print(Remote("s3://archive/tapes/") / "side a/1.wav")
        s3://archive/tapes/side a/1.wav
        """
        return Remote(f"{self.url.rstrip('/')}/{PurePosixPath(place)}")

    def __reduce__(self) -> tuple[type["Remote"], tuple[str]]:
        return Remote, (self.url,)  # not the open connections

    @property
    def name(self) -> str:
        """For messages: without password and query, which may be a signature.

        >>> Remote("https://me:secret@archive.org/tape.wav?signature=1").name
        'https://archive.org/tape.wav'
        """
        return f"{self._scheme}://{self.place}"

    @property
    def place(self) -> str:
        """Host or bucket, and path.

        >>> Remote("https://me:secret@archive.org/tape.wav?signature=1").place, Remote("s3://archive/take #1.wav").place
        ('archive.org/tape.wav', 'archive/take #1.wav')
        """
        if self._scheme in _VERBATIM:
            return self.url.partition("://")[2]
        parts = urlsplit(self.url)
        return f"{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def is_web(self) -> bool:
        """Whether it is on a web server, which gives what it is asked for by its whole name, and takes nothing."""
        return self._scheme in _WEB

    def holds(self, other: "Remote") -> bool:
        """Whether another lies in this folder, at any depth.

        >>> Remote("s3://archive/tapes").holds(Remote("s3://archive/tapes/1.wav"))
        True
        """
        return other.url.startswith(f"{self.url.rstrip('/')}/")

    def facts(self, fresh: bool = True) -> Mapping[str, Any]:
        """What changes when the object does, serialisable as JSON; unless `fresh`, what the list of its folder said.

        Raises:
            OSError: if it does not exist or cannot be reached.
        """
        info = self._info() if fresh or self.listed is None else self.listed
        version = next((str(info[key]) for key in VERSIONS if info.get(key)), "")
        return {"url": self.name, "bytes": info.get("size"), "version": version}

    def open(self, mode: str = "rb") -> BinaryIO:
        """The object's bytes, as `Path.open` gives those of a file; a request that fails is made again.

        Raises:
            OSError: if it does not exist or cannot be reached.
        """
        open_at = self._from if self.seekable else self._through
        raw = ObjectBytes(open_at, self._info().get("size"), self.seekable, self._tried)
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
        return PurePosixPath(self.place).suffix

    def is_folder(self) -> bool:
        """Whether it names a folder, or the part of a name that objects begin with up to a slash.

        Raises:
            OSError: if it does not exist or cannot be reached.
        """
        return self.url.endswith("/") or self._info().get("type") == "directory"

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
        if self.is_web:
            raise ConfigError(f"{self.name}: a web server takes no recordings; name a file or a bucket")

    def upload(self, file: Path, again: bool = False) -> None:
        """Store a file as this object, which appears when it is complete, and replaces one of its name.

        Args:
            again: an earlier upload of it may have been cut off, and is ended first.

        Raises:
            OSError: if it cannot be stored. The object is then as before; but on sftp, which replaces none by another,
                it may be gone, and the new one lie beside it as NAME.part.
        """
        if again:
            end_unfinished(self._storage, self._path)
        if self._scheme in _ATOMIC:
            self._upload_whole(file)
        else:
            self._upload_and_move(file)
        if self._info().get("size") != file.stat().st_size:
            raise OSError(errno.EIO, "is not as long as what was uploaded")

    def ask(self, question: "Callable[[AbstractFileSystem, str], Result]") -> Result:
        """What the storage answers, which is given to `question` with the object's name there; as all requests.

        Raises:
            OSError: if it does not exist or cannot be reached.
        """
        self._tried(lambda: self._storage.invalidate_cache())
        return self._tried(lambda: question(self._storage, self._path))

    def _upload_whole(self, file: Path) -> None:
        try:
            self._tried(lambda: self._storage.put_file(str(file), self._path))
        except BaseException:
            end_unfinished(self._storage, self._path)
            raise

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
        info: Mapping[str, Any] = self.ask(lambda storage, path: storage.info(path))
        return info

    def _tried(self, attempt: Callable[[], Result]) -> Result:
        self._refuse_unknown()

        def once() -> Result:
            try:
                return attempt()
            except Exception as error:
                if not lasts(error):
                    self._disconnect()
                raise

        try:
            return retried(once, self.name)
        except OSError as error:
            parts = urlsplit(self.url)
            words = str(error.strerror)
            for secret in filter(None, (parts.query, parts.netloc.rpartition("@")[0])):
                words = words.replace(secret, "...")
            raise type(error)(error.errno, words) from None  # what caused it shows the secrets

    def _gives_last_byte(self, size: int) -> bool:
        """Whether a range can be read; servers do not say so reliably."""

        def read() -> bool:
            try:
                with self._from(size - 1) as file:
                    return len(file.read(1)) == 1
            except ValueError:  # so fsspec says that a web server has no ranges
                return False

        try:
            return self._tried(read)
        except FileNotFoundError:
            raise
        except OSError:  # `_through` fails again, or does without
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
        self._refuse_unknown()
        from fsspec.core import url_to_fs

        return cast("tuple[AbstractFileSystem, str]", url_to_fs(self.url))  # sftp connects here

    def _refuse_unknown(self) -> None:
        if self._scheme in ("file", "local"):
            raise ConfigError(f"{self.name}: give the path itself, without {self._scheme}://")
        try:
            from fsspec import get_filesystem_class

            for scheme in self._scheme.split("::"):
                get_filesystem_class(scheme)
            if self._scheme not in _VERBATIM:
                _ = urlsplit(self.url).port
        except ImportError as error:
            library = _LIBRARIES.get(self._scheme, "")
            raise ConfigError(f"{self.name}: {error}; pip install 'stream_restore[storage]'{library}") from error
        except ValueError as error:
            raise ConfigError(f"{self.name}: {error}; s3, gs, sftp, https and others can be used") from error

    def _disconnect(self) -> None:
        """Where there is one connection to a server, it may be what broke: the next try makes another."""
        if self._scheme not in _ATOMIC | _WEB and "_found" in self.__dict__:
            self._storage.clear_instance_cache()
            del self.__dict__["_found"]


VERSIONS = ("ETag", "etag", "LastModified", "Last-Modified", "mtime", "created")
"""Names under which storages say which version of an object it is."""
