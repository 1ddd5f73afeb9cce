"""What a first pass computes and a second needs, in a file on the disk."""

import os
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, ClassVar, Self

import numpy as np

from ..engine.exact_sum import MeanSquare
from ..errors import ConfigError, SinkError, errors_as
from ..spec import Audio

__all__ = ["Recording"]

_WORD = np.dtype("<f4")


class Recording:
    """Accumulates the mean square of sound, and keeps the sound itself as float32 on the disk.

    With a journal, `settle` must be called before the state is saved.

    Args:
        channels: of the sound.
        path: of the file; None for one without a name, which goes with the process.
        journals: the file outlives this object as long as one of these files exists.
        resume: keep what is in the file, for a pass that goes on.

    Raises:
        SinkError: in `add`, if the file cannot be written, e.g. because the disk is full.
        ConfigError: in `add` or `read`, if a run goes on whose file is gone.
    """

    state_names: ClassVar[tuple[str, ...]] = ("mean_square", "frames")

    def __init__(self, channels: int, path: Path | None, journals: Sequence[Path], resume: bool) -> None:
        self.mean_square, self.frames = MeanSquare(), 0
        self._channels, self._path, self._journals, self._resume = channels, path, journals, resume
        self._width = channels * _WORD.itemsize
        self._opened: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if self._opened:
            self._opened.close()
        # Of a run that was refused, the file is another's.
        mine = self._opened is not None or kind is None
        if self._path is not None and mine and not any(journal.exists() for journal in self._journals):
            self._path.unlink(missing_ok=True)

    @property
    def _file(self) -> BinaryIO:
        """The file, opened when it is needed: a run that is refused must not touch it."""
        if self._opened is None:
            self._opened = self._open()
            if self._opened.seek(0, os.SEEK_END) < self.frames * self._width:
                raise ConfigError(f"{self._path}: is gone or cut off; start again without --resume, with --force")
        return self._opened

    def add(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames)."""
        self.mean_square.add(block)
        file = self._file
        with self._writing():
            file.seek(self.frames * self._width)
            file.write(block.T.astype(_WORD).tobytes())
            file.flush()
        self.frames += block.shape[1]

    def settle(self) -> None:
        """Bring all to the disk."""
        file = self._file
        with self._writing():
            os.fsync(file.fileno())

    def read(self, start: int, stop: int) -> Audio:
        """Frames [start, stop), shape (channels, frames)."""
        self._file.seek(start * self._width)
        data = self._file.read((stop - start) * self._width)
        return np.frombuffer(data, _WORD).reshape(-1, self._channels).T.astype(np.float32, order="C")

    def _open(self) -> BinaryIO:
        with self._writing():
            if self._path is None:
                return tempfile.TemporaryFile()
            return self._path.open("r+b" if self._resume and self._path.exists() else "w+b")

    def _writing(self) -> AbstractContextManager[None]:
        where = self._path or f"a temporary file in {tempfile.gettempdir()}"
        return errors_as(SinkError, f"{where}: cannot write")
