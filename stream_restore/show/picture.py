"""Mel spectrograms of recordings of any length, one above the other in one PNG.

A recording is read once, block by block. When there are more columns than a picture is wide, pairs of neighbours are
pooled, so memory does not grow with duration. Drawing needs the extra `eval`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from math import floor, log10
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..audio.outputs.atomic_file import write_atomic
from ..engine.loop import Readable
from ..errors import ConfigError, SpecError
from ..passes.journal import Journal
from ..passes.resumable_pass import run_pass
from ..spec import Audio, Spec
from .mel import filters, frequencies
from .tiles import CELL, window_frames

__all__ = ["Difference", "Mel", "check", "draw", "mel", "mels"]

BANDS = 112
MOST = 2048
"""Most columns; there are at least half as many, if the recording is long enough."""
RANGE_DB = 80.0
"""From the loudest colour to the darkest."""
FLOOR = 1e-12
UNITS = ((3600, "h"), (60, "min"), (1, "s"))
TICKS_HZ = (500, 1000, 2000, 4000, 8000, 16000, 32000)


@dataclass(frozen=True)
class Mel:
    """A mel spectrogram.

    Attributes:
        decibels: shape (bands, columns), mean of all channels; a sine at full scale is about 0 dB.
        spec: of the recording.
        seconds: its duration.
        column_seconds: from one column to the next.
    """

    decibels: NDArray[np.float64]
    spec: Spec
    seconds: float
    column_seconds: float


class Difference:
    """The difference of two recordings, as a recording: first - second.

    Raises:
        SpecError: if rates or numbers of channels differ; from `read`: if lengths differ.
    """

    def __init__(self, first: Readable, second: Readable) -> None:
        if first.spec != second.spec:
            raise SpecError(f"no difference of {first.spec} and {second.spec}: they must be alike")
        self.spec = first.spec
        self._first, self._second = first, second

    def read(self, frames: int) -> Audio:
        """The next `frames` frames, fewer only at the end."""
        first, second = self._first.read(frames), self._second.read(frames)
        if first.shape != second.shape:
            raise SpecError("no difference of recordings of different length: cut both to one length")
        return first - second


def mel(source: Readable, most: int = MOST) -> Mel:
    """Read a recording to its end and return its mel spectrogram with at most `most` columns (an even number).

    Column k is centred at k * column_seconds while columns are not pooled; a pooled column is the mean of the
    powers of its parts.
    """
    return mels([source], most)[0]


def mels(sources: Sequence[Readable], most: int = MOST, journal: Journal | None = None) -> list[Mel]:
    """`mel` of several recordings, read side by side.

    Args:
        journal: makes the pass resumable.
    """
    accumulators = [_Columns(source.spec, most) for source in sources]
    for blocks in run_pass(sources, accumulators, journal):
        for columns, block in zip(accumulators, blocks, strict=True):
            columns.update(block)
    return [columns.close() for columns in accumulators]


def check() -> None:
    """Check that `draw` can work, before long work that ends with it.

    Raises:
        ConfigError: if matplotlib is not installed; the message names the extra.
    """
    _extra("matplotlib.figure")


def draw(panels: Mapping[str, Mel], path: Path) -> None:
    """Write a PNG of spectrograms under each other, by title, on one time axis and one scale of colours.

    Raises:
        ConfigError: if matplotlib is not installed; the message names the extra.
        SinkError: if `path` cannot be written.
    """
    figure = _extra("matplotlib.figure").Figure(figsize=(12, 2.4 * len(panels) + 0.6), layout="constrained")
    rows = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    loudest = max((float(panel.decibels.max(initial=-120.0)) for panel in panels.values()), default=0.0)
    for axes, (title, panel) in zip(rows, panels.items(), strict=True):
        image = _panel(axes, title, panel, 5 * np.ceil(loudest / 5))
    duration = max(panel.seconds for panel in panels.values())
    _time_axis(rows[-1], duration)
    figure.colorbar(image, ax=list(rows), label="level of a mel band (dB, sine at full scale = 0)", pad=0.01, aspect=50)
    png = BytesIO()
    figure.savefig(png, dpi=120, format="png")
    write_atomic(path, png.getvalue())


class _Columns:
    """Power spectra of Hann windows, hop size/4, the first centred at frame 0, in mel bands, pooled."""

    state_names = ("frames", "_held", "_pool")

    def __init__(self, spec: Spec, most: int) -> None:
        self.spec, self.frames = spec, 0
        self._size = window_frames(spec)
        self._hop = self._size // 4
        self._window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self._size) / self._size)
        # By Parseval: the bins of a sine at full scale add up to 1.
        self._scale = 4 / (self._size * np.square(self._window).sum())
        self._bank = filters(spec.sample_rate, self._size, BANDS)
        self._held = np.zeros((spec.channels, self._size // 2), np.float32)
        self._pool = _Pool(most)

    def update(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames)."""
        self.frames += block.shape[1]
        self._held = np.concatenate([self._held, block], axis=1)
        while self._held.shape[1] >= (CELL - 1) * self._hop + self._size:
            self._work(CELL)

    def close(self) -> Mel:
        """Append half a window of silence and return the spectrogram."""
        self._held = np.pad(self._held, ((0, 0), (0, self._size // 2)))
        while (rest := (self._held.shape[1] - self._size) // self._hop + 1) > 0:
            self._work(min(rest, CELL))
        rate = self.spec.sample_rate
        decibels = 10 * np.log10(self._pool.columns() + FLOOR)
        return Mel(decibels, self.spec, self.spec.seconds(self.frames), self._pool.width * self._hop / rate)

    def _work(self, columns: int) -> None:
        cut = sliding_window_view(self._held, self._size, axis=1)[:, :: self._hop][:, :columns]
        power = self._scale * np.square(np.abs(np.fft.rfft(cut * self._window))).mean(axis=0).T
        for column in (self._bank @ power).T:
            self._pool.add(column)
        self._held = self._held[:, columns * self._hop :].copy()


class _Pool:
    """At most `most` columns, each the mean of `width` that were added; when there is no room, pairs are merged."""

    state_names = ("width", "_sums", "_added")

    def __init__(self, most: int) -> None:
        self.width = 1
        self._sums = np.zeros((BANDS, most))
        self._added = 0

    def add(self, column: NDArray[np.float64]) -> None:
        if self._added == self._sums.shape[1] * self.width:
            half = self._sums.shape[1] // 2
            self._sums[:, :half] = self._sums[:, 0::2] + self._sums[:, 1::2]
            self._sums[:, half:] = 0
            self.width *= 2
        self._sums[:, self._added // self.width] += column
        self._added += 1

    def columns(self) -> NDArray[np.float64]:
        """Mean powers, shape (bands, columns)."""
        used = -(-self._added // self.width)
        counts = np.minimum(self.width, self._added - self.width * np.arange(used))
        return np.asarray(self._sums[:, :used] / counts)


def _panel(axes: Any, title: str, panel: Mel, loudest: float) -> Any:
    end = panel.decibels.shape[1] * panel.column_seconds
    image = axes.imshow(
        panel.decibels,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=loudest - RANGE_DB,
        vmax=loudest,
        extent=(0, end, 0, BANDS),
        interpolation="antialiased",
    )
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_ylabel("frequency (kHz)")
    centres = frequencies(BANDS + 2, panel.spec.sample_rate / 2)[1:-1]
    shown = [hertz for hertz in TICKS_HZ if hertz <= centres[-1]]
    axes.set_yticks(np.interp(shown, centres, np.arange(BANDS) + 0.5), [f"{hertz / 1000:g}" for hertz in shown])
    return image


def _time_axis(axes: Any, seconds: float) -> None:
    unit, name = next((unit, name) for unit, name in UNITS if seconds > 3 * unit or unit == 1)
    axes.xaxis.set_major_locator(_extra("matplotlib.ticker").MultipleLocator(_step(seconds / unit) * unit))
    axes.xaxis.set_major_formatter(lambda second, _: f"{second / unit:g}")
    axes.set_xlim(0, max(seconds, 1e-3))
    axes.set_xlabel(f"time ({name})")


def _step(length: float) -> float:
    """From one mark to the next: 1, 2 or 5 times a power of 10, about ten of them on an axis."""
    power = 10.0 ** floor(log10(max(length, 1e-3) / 10))
    return power * next(factor for factor in (1, 2, 5, 10) if 10.01 * factor * power >= length)


def _extra(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        cure = "pip install 'stream_restore[eval]'"
        raise ConfigError(
            f"pictures need {module.split('.')[0]}, which cannot be imported ({error}): {cure}"
        ) from error
