"""One progress over all recordings of a batch."""

from collections.abc import Sequence

from ..audio.storage import Place, Remote
from ..engine.loop import Progress
from .item import Item

__all__ = ["Meter"]


class Meter:
    """Progress by the bytes of the inputs: lengths of sound are not known before.

    An object whose size is not known before it begins counts as the mean of those whose is.
    """

    def __init__(self, items: Sequence[Item], progress: Progress | None) -> None:
        self._progress = progress
        sizes = {item.source: _size(item) for item in items}
        self._known = {source: size for source, size in sizes.items() if size is not None}
        self._total, self._unknown = sum(self._known.values()), len(sizes) - len(self._known)
        self._shares: dict[Place, float] = {}
        self._whole, self._number = 0, len(sizes)

    def weigh(self, item: Item, size: int | None) -> None:
        """Note the size of an item that begins."""
        if size is not None and item.source not in self._known:
            self._known[item.source] = size
            self._total += size
            self._unknown -= 1

    def share(self, item: Item, share: float) -> None:
        """This part of an item is done; at 1.0 it is whole."""
        self._shares[item.source] = share
        usual = self._total / max(1, self._number - self._unknown)
        if share >= 1:
            del self._shares[item.source]
            self._whole += self._known.get(item.source, 0)
        if self._progress:
            under_way = sum(self._known.get(source, 0) * part for source, part in self._shares.items())
            self._progress(self._whole + int(under_way), self._total + int(usual * self._unknown))


def _size(item: Item) -> int | None:
    if isinstance(item.source, Remote):
        return item.source.listed.get("size") if item.source.listed else None
    try:
        return item.source.stat().st_size
    except OSError:  # restoring it says what is wrong with it
        return 0
