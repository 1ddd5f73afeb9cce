"""The bytes of one object, as a file."""

import errno
import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

__all__ = ["ObjectBytes"]


class ObjectBytes(io.RawIOBase):
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
