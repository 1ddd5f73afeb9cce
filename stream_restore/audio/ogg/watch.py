"""Checks the pages of an Ogg while it is read.

FFmpeg silently skips a page whose checksum is wrong, and does not report a missing last page. In both cases audio is
lost. Pages: RFC 3533, section 6.
"""

from typing import Protocol

from .pages import checksum, page_size

__all__ = ["OggWatch"]

_FIRST_PAGE, _LAST_PAGE = 2, 4


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class OggWatch:
    """Passes on the bytes of an Ogg, read sequentially, unchanged.

    Attributes:
        damage: description of the first damaged page, None if there is none so far.
        ended: whether the latest page is marked as the last.
    """

    def __init__(self, inner: _Readable) -> None:
        self._inner = inner
        self._held = bytearray()
        self._byte = 0
        self.close = inner.close
        self.damage: str | None = None
        self.ended = False
        self._granule = 0
        self._chained = False

    def read(self, size: int, /) -> bytes:
        """Read the next bytes and check the pages completed by them."""
        piece = self._inner.read(size)
        if self.damage is None:
            self._held += piece
            self._look()
        return piece

    @property
    def length(self) -> int | None:
        """Frames of a Vorbis stream whose last page was read; None for chained streams, each with its own count."""
        return self._granule if self.ended and not self._chained else None

    def _note(self, flags: int, granule: int) -> None:
        self._chained = self._chained or (self.ended and bool(flags & _FIRST_PAGE))
        self.ended = bool(flags & _LAST_PAGE)
        self._granule = granule if granule >= 0 else self._granule

    def _look(self) -> None:
        while (size := page_size(self._held)) is not None:
            page = bytes(self._held[:size])
            del self._held[:size]
            if checksum(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
                self.damage = f"the page of {size} bytes at byte {self._byte} is damaged"
                return
            self._byte += size
            self._note(page[5], int.from_bytes(page[6:14], "little", signed=True))
        if self._held and not b"OggS".startswith(self._held[:4]):
            self.damage = f"no page begins at byte {self._byte}"
