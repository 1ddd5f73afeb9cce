"""Spectrograms of recordings of any length as a pyramid of PNG tiles.

Level 0 has one column every `hop` frames, every further level half as many, each the mean power of two neighbours;
the last level fits into one tile. Columns are computed in cells of one fixed size, anchored at frame 0, so tiles
are the same bytes however the recording is cut into blocks. Memory: one tile a level.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from math import log2
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..audio.outputs.atomic_file import make_folder, remove, sync, write_atomic
from ..engine.threads import each
from ..errors import ConfigError, SpecError, StreamError
from ..spec import Audio, Spec
from . import mel
from .png import encode_png

__all__ = ["CELL", "TILE", "Axes", "Tiles", "window_frames"]

TILE = 512
"""Columns of a tile."""
LEVELS = 64
"""More than any recording has."""
CELL = 64
"""Columns computed at once."""
TOGETHER = 16
"""Rows whose bins lie near to each other."""
WINDOW_SECONDS = 0.046
"""Length of a window: 2048 frames at 44.1 kHz."""


@dataclass(frozen=True)
class Axes:
    """The axes of a tile.

    Attributes:
        scale: of frequency: "mel" by librosa's definition, or "linear".
        rows: bands from 0 to half the sample rate; the lowest is the last row of a picture.
        quietest_db: the darkest colour; a sine at full scale is about 0 dB in its band.
        loudest_db: the lightest colour.

    Raises:
        ConfigError: if scale, rows or levels are invalid.
    """

    scale: Literal["mel", "linear"] = "mel"
    rows: int = 128
    quietest_db: float = -100.0
    loudest_db: float = 0.0

    def __post_init__(self) -> None:
        if self.scale not in ("mel", "linear"):
            raise ConfigError(f"the frequency scale must be 'mel' or 'linear', got {self.scale!r}")
        if not 1 <= self.rows <= 1024:
            raise ConfigError(f"a spectrogram has 1 to 1024 rows, got {self.rows}")
        if not -300 <= self.quietest_db < self.loudest_db <= 300:
            raise ConfigError(
                "levels range from one of at least -300 dB to a higher one of at most 300 dB, got"
                f" {self.quietest_db} to {self.loudest_db} dB"
            )

    def bank(self, sample_rate: int, size: int) -> NDArray[np.float64]:
        """Weights of a transform's bins in each row, shape (rows, size//2 + 1)."""
        if self.scale == "mel":
            return mel.filters(sample_rate, size, self.rows)
        rows = np.minimum(np.arange(size // 2 + 1) * self.rows // (size // 2), self.rows - 1)
        return np.asarray(rows == np.arange(self.rows)[:, None], np.float64)

    def frequencies(self, sample_rate: int) -> NDArray[np.float64]:
        """The frequency in Hz at the lower edge of each row and the upper edge of the last, shape (rows + 1,).

        Mel bands overlap: their edges are taken halfway, on the mel scale, between their centres.
        """
        if self.scale == "linear":
            return np.linspace(0, sample_rate / 2, self.rows + 1)
        return mel.frequencies(2 * self.rows + 3, sample_rate / 2)[1::2]


def window_frames(spec: Spec) -> int:
    """Length of a window of about `WINDOW_SECONDS`, a power of two."""
    return int(2 ** max(5, round(log2(WINDOW_SECONDS * spec.sample_rate))))


class Tiles:
    """Writes the tiles of one recording into a folder: `LEVEL/NUMBER.png`, and `tiles.json` when it is complete.

    Args:
        folder: created if missing.
        spec: of the recording; a spectrogram shows the mean power of its channels.
        axes: of the tiles.

    Raises:
        SinkError: (later) if a tile cannot be written.
    """

    state_names = ("frames", "_held", "_columns", "_levels")

    def __init__(self, folder: Path, spec: Spec, axes: Axes | None = None) -> None:
        self.folder, self.spec, self.axes = folder, spec, axes or Axes()
        self.size = window_frames(spec)
        self.hop = self.size // 4
        self.frames = 0
        self._window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self.size) / self.size)
        # By Parseval: the bins of a sine at full scale add up to 1.
        bank = self.axes.bank(spec.sample_rate, self.size)
        self._bank = _Bank(bank * (4 / (self.size * np.square(self._window).sum() * spec.channels)))
        self._held = np.zeros((spec.channels, self.size // 2), np.float32)
        self._columns = 0
        self._levels = _Levels(folder, self.axes)
        remove(folder / "tiles.json")

    def update(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames); write the tiles that are complete.

        Raises:
            SpecError: if the number of channels is wrong.
            SinkError: if a tile cannot be written.
        """
        if len(block) != self.spec.channels:
            raise SpecError(f"these tiles show {self.spec.channels} channels, got a block of shape {block.shape}")
        piece = CELL * self.hop
        for start in range(0, block.shape[1], piece):
            part = block[:, start : start + piece]
            self.frames += part.shape[1]
            self._held = np.concatenate([self._held, part], axis=1)
            self._work(self._held.shape[1])

    def close(self) -> dict[str, Any]:
        """Write the rest and the manifest, and return the manifest.

        Column k is centred at k * column_seconds; a column of level n covers 2**n of these.

        Raises:
            SinkError: if a tile cannot be written.
        """
        total = self.frames // self.hop + 1
        while self._columns < total:
            missing = (CELL - 1) * self.hop + self.size - self._held.shape[1]
            self._held = np.pad(self._held, ((0, 0), (0, max(0, missing))))
            self._work(self._held.shape[1], total)
        top = next(level for level in range(LEVELS) if -(-total // 2**level) <= TILE)
        for level in range(top + 1):
            self._levels[level].finish()
        manifest = self._manifest(-(-total // 2**level) for level in range(top + 1))
        sync()
        write_atomic(self.folder / "tiles.json", json.dumps(manifest, indent=1) + "\n")
        return manifest

    def _manifest(self, columns: Iterable[int]) -> dict[str, Any]:
        rate = self.spec.sample_rate
        return {
            "sample_rate": rate,
            "channels": self.spec.channels,
            "frames": self.frames,
            "seconds": self.spec.seconds(self.frames),
            "stft": {"window": "hann", "size": self.size, "hop": self.hop, "centred": True},
            "axes": asdict(self.axes),
            "row_edges_hz": [round(edge, 3) for edge in self.axes.frequencies(rate).tolist()],
            "column_seconds": self.hop / rate,
            "tile_columns": TILE,
            "levels": [{"columns": count, "tiles": -(-count // TILE)} for count in columns],
        }

    def _work(self, held: int, total: int | None = None) -> None:
        """Compute the complete cells, up to column `total`."""
        begin = 0
        while held - begin >= (CELL - 1) * self.hop + self.size:
            powers = self._powers(self._held[:, begin : begin + (CELL - 1) * self.hop + self.size])
            count = CELL if total is None else min(CELL, total - self._columns)
            self._columns += count
            self._levels[0].add(powers[:, :count])
            begin += CELL * self.hop
        self._held = self._held[:, begin:].copy()

    def _powers(self, sound: NDArray[np.float32]) -> NDArray[np.float64]:
        """Power of each band, shape (rows, CELL)."""
        cut = sliding_window_view(sound, self.size, axis=1)[:, :: self.hop]
        power, *others = each(lambda channel: _power(cut[channel] * self._window), len(cut))
        for other in others:
            power += other
        return self._bank.rows(power)


class _Bank:
    """Sums of bins with the weights of each row, of which most are 0: of a few rows at a time, over their bins."""

    def __init__(self, weights: NDArray[np.float64]) -> None:
        self._parts = []
        for first in range(0, len(weights), TOGETHER):
            rows = weights[first : first + TOGETHER]
            used = np.flatnonzero(rows.any(axis=0))
            bins = slice(used[0], used[-1] + 1) if len(used) else slice(0)
            self._parts.append((bins, np.ascontiguousarray(rows[:, bins])))

    def rows(self, power: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of the powers of bins, shape (columns, bins), those of rows, shape (rows, columns)."""
        return np.concatenate([rows @ power[:, bins].T for bins, rows in self._parts])


def _power(windowed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared magnitudes of the bins of real rows."""
    spectra = np.fft.rfft(windowed)  # as fast as that of scipy.fft, which takes longer to import
    return np.asarray(np.square(spectra.real) + np.square(spectra.imag))


class _Level:
    """The current tile of one level."""

    state_names = ("_tile", "_filled", "_number", "_odd")

    def __init__(self, folder: Path, axes: Axes, further: Callable[[NDArray[np.float64]], None]) -> None:
        self._folder, self._axes, self._further = folder, axes, further
        self._tile = np.zeros((axes.rows, TILE))
        self._filled = self._number = 0
        self._odd = np.zeros((axes.rows, 0))

    def add(self, columns: NDArray[np.float64]) -> None:
        """Append columns, shape (rows, at most TILE)."""
        self._pool(columns)
        while columns.shape[1]:
            room = min(columns.shape[1], TILE - self._filled)
            self._tile[:, self._filled : self._filled + room] = columns[:, :room]
            self._filled += room
            columns = columns[:, room:]
            if self._filled == TILE:
                self._save()

    def finish(self) -> None:
        """Save the current tile; an unpaired last column passes to the next level as it is."""
        if self._filled:
            self._save()
        if self._odd.shape[1]:
            self._further(self._odd)

    def _pool(self, columns: NDArray[np.float64]) -> None:
        columns = np.concatenate([self._odd, columns], axis=1)
        pairs = columns.shape[1] // 2
        self._odd = columns[:, 2 * pairs :]
        if pairs:
            self._further((columns[:, 0 : 2 * pairs : 2] + columns[:, 1 : 2 * pairs : 2]) / 2)

    def _save(self) -> None:
        quietest, loudest = self._axes.quietest_db, self._axes.loudest_db
        decibels = 10 * np.log10(np.maximum(self._tile[::-1, : self._filled], 10 ** (quietest / 10)))
        places = np.rint((decibels - quietest) * (255 / (loudest - quietest)))
        make_folder(self._folder)
        write_atomic(
            self._folder / f"{self._number}.png", encode_png(np.clip(places, 0, 255).astype(np.uint8)), synced=False
        )
        self._number += 1
        self._filled = 0


class _Levels(dict[int, _Level]):
    """The levels by number, created on access."""

    def __init__(self, folder: Path, axes: Axes) -> None:
        self._folder, self._axes = folder, axes

    def __missing__(self, number: int) -> _Level:
        if not 0 <= number < LEVELS:
            raise StreamError(f"a spectrogram has no level {number}: its saved state is of something else")
        self[number] = _Level(self._folder / str(number), self._axes, lambda columns: self[number + 1].add(columns))
        return self[number]
