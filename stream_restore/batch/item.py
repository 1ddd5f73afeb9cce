"""One recording of a batch: where it lies, where its result goes, what may become of it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..audio.storage import Place, Remote, failures
from ..errors import ConfigError
from ..passes.job import Report

__all__ = ["Item", "Passing", "outcome_of"]


@dataclass(frozen=True)
class Item:
    """One recording and its output.

    Attributes:
        source, target: paths, or objects at URLs.
        finished: whether an earlier run completed it.
        made: of a target at a URL: the file in which the result is made, in a folder of its own.
    """

    source: Place
    target: Place
    finished: bool
    made: Path | None = None

    @property
    def local(self) -> Path:
        """The file that is written: the target itself, or what is uploaded to it.

        Raises:
            ConfigError: if it is unknown.
        """
        path = self.target if isinstance(self.target, Path) else self.made
        if path is None:
            raise ConfigError(
                f"{self.target}: a result for a URL is made in a file first; Item takes its path as made="
            )
        return path

    def absolute(self) -> "Item":
        """The same for a process in another folder."""
        source, target = (each.absolute() if isinstance(each, Path) else each for each in (self.source, self.target))
        return replace(self, source=source, target=target, made=self.made and self.made.absolute())

    def discard_made(self) -> None:
        """Delete what was made for a URL, finished or not."""
        if self.made is not None:
            shutil.rmtree(self.made.parent, ignore_errors=True)


class Passing(str):
    """The message of an error that may pass, because storage was busy or cut off through all tries."""

    __slots__ = ()


def outcome_of(item: Item, work: Callable[[], Report]) -> Report | str:
    """What `work` gives for this item, or the message of its error: `Passing` if it may pass.

    One recording must not take the others with it, whatever is wrong.

    Raises:
        BrokenPipeError: of the process that gave the work.
    """
    failed = _failures(item)
    try:
        return work()
    except BrokenPipeError:
        raise
    except Exception as error:
        text = str(error) or repr(error)
        return Passing(text) if _failures(item) > failed else text


def _failures(item: Item) -> int:
    return sum(failures(each.name) for each in (item.source, item.target) if isinstance(each, Remote))
