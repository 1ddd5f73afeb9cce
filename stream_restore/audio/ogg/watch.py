"""Checks the pages of an Ogg while it is read, and ends it where another begins.

FFmpeg silently skips a page whose checksum is wrong, and does not report a missing last page. In both cases audio is
lost. Of Oggs that are chained, one behind another, FFmpeg goes on only if rate and channels stay the same. Pages and
chaining: RFC 3533, sections 4 and 6.
"""

from ..bytestream import Readable
from .pages import FIRST_PAGE, LAST_PAGE, checksum, page_size

__all__ = ["OggWatch"]

_MAGIC = b"OggS"


class OggWatch:
    """Passes on the pages of the first link of a chain of Oggs, read sequentially, less those that are damaged.

    Attributes:
        damage: description of the first damaged page, None if there is none so far.
        ended: whether the latest page of the link is marked as the last.
        incomplete: whether pages of the link are damaged or missing, as their numbers tell.
    """

    def __init__(self, inner: Readable) -> None:
        self._inner = inner
        self._held = bytearray()
        self._out = bytearray()
        self._byte = 0
        self.close = inner.close
        self.damage: str | None = None
        self._exhausted = False
        self._begin()

    def _begin(self) -> None:
        self.ended = False
        self.incomplete = False
        self._granule = 0
        self._begun = False
        self._over = False
        self._numbers: dict[bytes, int] = {}

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes of the link; none only at its end."""
        while len(self._out) < size and not self._over and not self._exhausted:
            piece = self._inner.read(size)
            self._exhausted = not piece
            self._held += piece
            self._look()
        taken = bytes(self._out[:size])
        del self._out[:size]
        return taken

    def next_link(self) -> bool:
        """Go on with the next link, once all of this one is read; False if there is none."""
        if not self._over:
            return False
        self._begin()
        self._look()
        return True

    @property
    def length(self) -> int | None:
        """Frames of a Vorbis stream whose last page was read."""
        return self._granule if self.ended else None

    def _look(self) -> None:
        while not self._over and (self._seek_page() and (size := page_size(self._held)) is not None):
            page = bytes(self._held[:size])
            if checksum(page[:22] + bytes(4) + page[26:]) != int.from_bytes(page[22:26], "little"):
                self._note_damage(f"the page of {size} bytes at byte {self._byte} is damaged")
                self._drop(len(_MAGIC))
            elif page[5] & FIRST_PAGE and self._begun:
                self._over = True
            else:
                self._note(page)
                self._pass(size)
        if self._exhausted and not self._over:
            self._pass(len(self._held))  # a page that is cut short

    def _seek_page(self) -> bool:
        """Leave out what stands before the next page."""
        if self._held and not _MAGIC.startswith(self._held[:4]):
            self._note_damage(f"no page begins at byte {self._byte}")
            at = self._held.find(_MAGIC)
            self._drop(at if at >= 0 else max(0, len(self._held) - 3))
        return self._held[:4] == _MAGIC

    def _note(self, page: bytes) -> None:
        granule = int.from_bytes(page[6:14], "little", signed=True)
        serial, number = page[14:18], int.from_bytes(page[18:22], "little")
        self.incomplete = self.incomplete or self._numbers.get(serial, number - 1) != number - 1
        self._numbers[serial] = number
        self._begun = self._begun or not page[5] & FIRST_PAGE
        self.ended = bool(page[5] & LAST_PAGE)
        self._granule = granule if granule >= 0 else self._granule

    def _note_damage(self, text: str) -> None:
        self.damage = self.damage or text
        self.incomplete = True

    def _drop(self, size: int) -> None:
        self._byte += size
        del self._held[:size]

    def _pass(self, size: int) -> None:
        self._out += self._held[:size]
        self._drop(size)
