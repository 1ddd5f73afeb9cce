"""Loudness and true peak after Recommendation ITU-R BS.1770-5, of any length in bounded memory."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import reduce
from math import ceil, exp, inf, isqrt, log, log10, pi, tan
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..engine.loop import BLOCK, Readable
from ..engine.window import Window
from ..spec import Audio, Spec

__all__ = ["Loudness", "LoudnessFigures", "TruePeak", "channel_weights", "k_weighting", "measure_loudness"]

Samples: TypeAlias = NDArray[np.float64]

OFFSET = -0.691
"""dB: what the K-weighting adds to a sine at 997 Hz, taken back."""
ABSOLUTE_GATE = -70.0
"""LUFS."""
RELATIVE_GATE = -10.0
"""LU below the mean of what passes the absolute gate."""
MOMENTARY, SHORT = 4, 30
"""Steps of a tenth of a second: 400 ms and 3 s."""
TOGETHER = 10
"""Steps that are filtered at once."""
SURROUND = 10**0.15
"""Weight of the channels at the sides: 1.5 dB."""
LOUDEST = 100.0
"""LUFS: all that is louder goes into one class."""
CLASSES_PER_LU = 100
SIDE = 24
"""Frames to either side from which one between them is interpolated."""
RATE = 192000
"""Hz, at which peaks are looked for, at least; and at least four times the rate below 48 kHz, which is no less."""
CELL = 16384
PART = 32
"""Frames interpolated by one row of a matrix product: with single taps, copying would dominate."""
ROUNDED = 1e-4
"""Relative to the farthest frame: ten times what a float32 product of these taps may be off."""


@dataclass(frozen=True)
class LoudnessFigures:
    """Loudness and true peak of a recording.

    Attributes:
        integrated_lufs: gated loudness of all; -inf of silence, and of less than 400 ms.
        momentary_lufs: the loudest 400 ms.
        short_term_lufs: the loudest 3 s; -inf if there are no 3 s.
        true_peak_dbtp: the highest peak between the samples, in dB below full scale; -inf of silence.
    """

    integrated_lufs: float
    momentary_lufs: float
    short_term_lufs: float
    true_peak_dbtp: float


class Loudness:
    """Accumulates loudness block by block; the figures do not depend on the blocks, bit for bit.

    The relative gate depends on the mean of all windows, so exact gating would need the powers of all. Here they are
    counted and summed in classes of a hundredth of a LU: the gate is off by less than that, and the loudness by far
    less.

    >>> loudness = Loudness(Spec(48000, 2))
    >>> tone = 0.1 * np.sin(2 * np.pi * 1000 / 48000 * np.arange(48000))
    >>> loudness.update(np.array([tone, tone], np.float32))
    >>> round(loudness.result().integrated_lufs, 1), round(loudness.result().true_peak_dbtp, 1)
    (-20.0, -20.0)
    """

    state_names = ("_held", "_memory", "_recent", "_classes", "_loudest", "_peak")

    def __init__(self, spec: Spec, weights: Sequence[float] | None = None) -> None:
        """Begin.

        Args:
            weights: of the power of each channel; None for those of the usual layouts.
        """
        self.spec = spec
        self._weights = np.array(channel_weights(spec.channels) if weights is None else weights)
        self._step = max(1, (spec.sample_rate + 5) // 10)
        self._filter = _Filter(k_weighting(spec.sample_rate), self._step)
        self._held = Window(spec.channels)
        self._memory = np.zeros((spec.channels, self._filter.order))
        self._recent = np.zeros(0)
        self._classes = np.zeros((2, 1 + round((LOUDEST - ABSOLUTE_GATE) * CLASSES_PER_LU)))
        self._loudest = np.zeros(2)
        self._peak = TruePeak(spec)

    def update(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames)."""
        self._peak.update(block)
        self._held.append(block)
        while self._held.stop - self._held.start >= TOGETHER * self._step:
            self._accumulate(TOGETHER)
            self._held.forget(self._held.start + TOGETHER * self._step)

    def result(self) -> LoudnessFigures:
        """The figures so far; more may follow."""
        whole = copy(self)
        whole._classes, whole._loudest = self._classes.copy(), self._loudest.copy()
        whole._accumulate((self._held.stop - self._held.start) // self._step)
        momentary, short = (_lufs(power) for power in whole._loudest.tolist())
        return LoudnessFigures(_gated(*whole._classes), momentary, short, self._peak.result())

    def _accumulate(self, steps: int) -> None:
        """Add so many tenths of a second, the first that are held, and the windows that end with them."""
        frames = self._held.read(self._held.start, self._held.start + steps * self._step)
        pieces = frames.reshape(len(frames), steps, self._step)
        weighted, self._memory = self._filter(pieces, self._memory)
        powers = self._weights @ np.square(weighted).mean(axis=-1)
        before, recent = len(self._recent), np.concatenate([self._recent, powers])
        for place, size in enumerate((MOMENTARY, SHORT)):
            ending = recent[max(0, before + 1 - size) :]
            if len(ending) >= size:
                windows = np.lib.stride_tricks.sliding_window_view(ending, size).mean(axis=-1)
                self._loudest[place] = max(self._loudest[place], windows.max())
                for window in windows.tolist() if size == MOMENTARY else ():
                    self._count(window)
        self._recent = recent[1 - SHORT :]

    def _count(self, power: float) -> None:
        if (above := _lufs(power) - ABSOLUTE_GATE) > 0:
            number = min(int(above * CLASSES_PER_LU), self._classes.shape[1] - 1)
            self._classes[:, number] += 1, power


class _Filter:
    """Second-order sections one after the other, `scipy.signal.sosfilt`, for pieces of one length.

    By matrix products: a piece is cut into blocks, the memories at all their beginnings come from one product, the
    output from those and the samples of each block alone (Burrus, "Block realization of digital filters", 1972). As
    fast as SciPy's loop, without scipy.signal, which takes longer to import than a minute of sound takes to measure.

    Attributes:
        order: numbers in the memory of a channel.
    """

    def __init__(self, sections: Samples, frames: int) -> None:
        self.order = order = 2 * len(sections)
        self._block = block = _near_root(frames)
        self._blocks, self._rest = divmod(frames, block)
        out, memories = _responses(sections, block)
        lag = np.arange(block) - np.arange(block)[:, None]
        self._answers = np.concatenate([np.where(lag >= 0, out[order][np.abs(lag)], 0), out[:order]])
        self._fades, self._traces = memories[:, :order], memories[:0:-1, order]
        powers = [np.eye(order)]
        for _ in range(self._blocks):
            powers.append(powers[-1] @ self._fades[-1])
        ahead = np.arange(self._blocks + 1) - np.arange(self._blocks + 1)[:, None]
        between = np.where(ahead[..., None, None] >= 0, np.array(powers)[np.abs(ahead)], 0)
        memories = between.swapaxes(1, 2).reshape(len(powers) * order, -1)
        # Every product as small as it can be: one that reads a large matrix for two rows waits for the memory.
        self._before, self._after = (np.ascontiguousarray(part) for part in np.split(memories, [-order], axis=1))

    def __call__(self, pieces: NDArray[np.floating], memory: Samples) -> tuple[Samples, Samples]:
        """Output of pieces that follow one another, and the memory behind them.

        Args:
            pieces: shape (channels, pieces, frames), as the output.
            memory: shape (channels, order).
        """
        outer, order = pieces.shape[:2], self.order
        whole, rest = np.split(pieces, [self._blocks * self._block], axis=-1)
        heard = np.empty((*outer, self._blocks, self._block + order))
        heard[..., : self._block] = whole.reshape(*outer, self._blocks, self._block)
        behind = rest @ self._traces[len(self._traces) - self._rest :]
        given, ends = np.empty((*outer, self._blocks + 1, order)), np.empty((*outer, order))
        given[..., 1:, :] = heard[..., : self._block] @ self._traces
        for piece in range(outer[1]):
            given[:, piece, 0] = memory
            ends[:, piece] = given[:, piece].reshape(len(memory), -1) @ self._after
            memory = ends[:, piece] @ self._fades[self._rest] + behind[:, piece] if self._rest else ends[:, piece]
        memories = given.reshape(-1, len(self._before)) @ self._before
        heard[..., self._block :] = memories.reshape(*outer, self._blocks, order)
        out = (heard.reshape(-1, self._block + order) @ self._answers).reshape(whole.shape)
        if self._rest:
            answers = np.delete(self._answers, np.s_[self._rest : self._block], axis=0)[:, : self._rest]
            out = np.concatenate([out, np.concatenate([rest, ends], axis=-1) @ answers], axis=-1)
        return out, memory


def _near_root(number: int) -> int:
    """A number near the square root, one that divides if there is.

    >>> _near_root(4410), _near_root(1103)
    (63, 33)
    """
    root = isqrt(number)
    return next((each for each in range(root, root // 2, -1) if number % each == 0), root)


def _responses(sections: Samples, frames: int) -> tuple[Samples, Samples]:
    """What sections answer to each number in their memory alone, and to an impulse.

    Returns:
        The output, shape (order + 1, frames), and the memories before each frame and after the last, shape
        (frames + 1, order + 1, order).
    """
    order = 2 * len(sections)
    memory = np.eye(order + 1, order).reshape(order + 1, len(sections), 2)
    out, memories = np.zeros((order + 1, frames)), [memory.reshape(order + 1, order).copy()]
    out[order, 0] = 1
    for sample in out.T:
        for section, (b0, b1, b2, _, a1, a2) in enumerate(sections):
            given, (first, second) = sample.copy(), memory[:, section].T
            sample[:] = b0 * given + first
            memory[:, section] = np.transpose([b1 * given - a1 * sample + second, b2 * given - a2 * sample])
        memories.append(memory.reshape(order + 1, order).copy())
    return out, np.array(memories)


class TruePeak:
    """Accumulates the highest peak block by block, oversampled by a windowed sinc; the samples count, too.

    The Recommendation's filter has 12 taps for each place between two frames; this one has 48, in a Kaiser window, so
    it is flat closer to half the rate.

    >>> peak = TruePeak(Spec(48000, 1))
    >>> tone = np.hanning(9600) * np.sin(np.pi / 2 * np.arange(9600) + np.pi / 4)
    >>> peak.update(tone[None].astype(np.float32))
    >>> round(peak.result(), 2)  # the samples never exceed -3 dB
    -0.0
    """

    state_names = ("_held", "_at", "_highest", "_found")

    def __init__(self, spec: Spec) -> None:
        factor = min(4, ceil(RATE / spec.sample_rate))
        self._matrix = _part_matrix(_taps(factor))
        self._rough = self._matrix.astype(np.float32)
        # No place between frames is farther from 0 than this times the farthest frame around it.
        self._gain = (1 + 1e-9) * float(np.abs(self._matrix).sum(axis=0).max(initial=0))
        self._held = Window(spec.channels)
        self._at = 0
        self._highest, self._found = 0.0, 0.0

    def update(self, block: Audio) -> None:
        """Accumulate the next block, shape (channels, frames)."""
        self._held.append(block)
        self._highest = max(self._highest, float(np.abs(block).max(initial=0)))
        while self._at + CELL + SIDE <= self._held.stop:
            self._found = self._between(self._at, self._found)
            self._at += CELL
            self._held.forget(self._at - SIDE)

    def result(self) -> float:
        """The peak so far in dB of full scale; -inf of silence. More may follow."""
        found = self._found
        for start in range(self._at, self._held.stop, CELL):
            found = self._between(start, found)
        highest = max(self._highest, found)
        return 20 * log10(highest) if highest else -inf

    def _between(self, start: int, found: float) -> float:
        """The highest peak between frames up to the end of the cell at `start`, from that of the cells before.

        Parts that are too quiet to exceed it are left out, and all where float32 says that none does: few cells have a
        higher peak than all before. Which ones depends on whole cells only.
        """
        samples = self._held.read(start - SIDE + 1, start + CELL + SIDE)
        farthest = _farthest(samples)
        loud = farthest.astype(np.float64) * self._gain > found
        if not loud.any():
            return found
        parts = np.lib.stride_tricks.sliding_window_view(samples, PART + 2 * SIDE - 1, axis=1)[:, ::PART][loud]
        with np.errstate(over="ignore", invalid="ignore"):
            roughly = float(np.abs(parts @ self._rough).max())
        if roughly + ROUNDED * float(farthest.max()) <= found:
            return found
        return float(np.abs(parts.astype(np.float64) @ self._matrix).max(initial=found))


def measure_loudness(source: Readable) -> LoudnessFigures:
    """Read a recording to its end."""
    loudness = Loudness(source.spec)
    while (block := source.read(BLOCK)).shape[1]:
        loudness.update(block)
    return loudness.result()


def channel_weights(channels: int) -> tuple[float, ...]:
    """Of the power of each channel: 1; 0 for low-frequency effects; 1.5 dB for surround channels at the sides.

    The layouts are those of WAV for this number of channels; of others all channels count alike. What lies behind the
    listener counts as what lies in front (BS.1770-5, table 4), only in quadraphony as the surround channels of 5.0.

    >>> channel_weights(2), [round(weight, 2) for weight in channel_weights(6)]
    ((1.0, 1.0), [1.0, 1.0, 1.0, 0.0, 1.41, 1.41])
    """
    layouts = {
        4: (1.0, 1.0, SURROUND, SURROUND),
        5: (1.0, 1.0, 1.0, SURROUND, SURROUND),
        6: (1.0, 1.0, 1.0, 0.0, SURROUND, SURROUND),
        7: (1.0, 1.0, 1.0, 0.0, 1.0, SURROUND, SURROUND),
        8: (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, SURROUND, SURROUND),
    }
    return layouts.get(channels, (1.0,) * channels)


def k_weighting(sample_rate: int) -> Samples:
    """Second-order sections of the two filters, shape (2, 6), for any rate.

    The Recommendation prints coefficients for 48 kHz. They are the bilinear transform of a shelf and a high-pass whose
    parameters Mansbridge, Finn and Reiss recovered ("Implementation and Evaluation of Autonomous Multi-track Fader
    Control", AES 132, 2012), more digits after libebur128.
    """
    return np.array([_shelf(sample_rate), _high_pass(sample_rate)])


def _shelf(sample_rate: int) -> list[float]:
    k, q, gain = _tangent(1681.974450955533, sample_rate), 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    middle = exp(0.4996667741545416 * log(gain))
    a0 = 1 + k / q + k * k
    zeros = [gain + middle * k / q + k * k, 2 * (k * k - gain), gain - middle * k / q + k * k]
    return [each / a0 for each in (*zeros, a0, 2 * (k * k - 1), 1 - k / q + k * k)]


def _high_pass(sample_rate: int) -> list[float]:
    k, q = _tangent(38.13547087602444, sample_rate), 0.5003270373238773
    a0 = 1 + k / q + k * k
    return [1.0, -2.0, 1.0, *(each / a0 for each in (a0, 2 * (k * k - 1), 1 - k / q + k * k))]


def _tangent(hertz: float, sample_rate: int) -> float:
    """Of a rate so low that it does not hold the frequency: as if it lay just below half the rate."""
    return tan(pi * min(hertz / sample_rate, 0.49))


def _lufs(power: float) -> float:
    return OFFSET + 10 * log10(power) if power > 0 else -inf


def _gated(counts: Samples, powers: Samples) -> float:
    used = np.flatnonzero(counts)
    if not len(used):
        return -inf
    gate = _lufs(float(powers[used].sum() / counts[used].sum())) + RELATIVE_GATE
    above = used[(used + 0.5) / CLASSES_PER_LU + ABSOLUTE_GATE > gate]
    return _lufs(float(powers[above].sum() / counts[above].sum()))


def _farthest(samples: Audio) -> Audio:
    """No less than the farthest from 0 of each part of `PART` samples and the 2*SIDE - 1 behind it.

    Returns:
        Shape (channels, parts), of samples of shape (channels, CELL + 2*SIDE - 1).
    """
    farthest = np.maximum.reduceat(np.abs(samples), np.arange(0, samples.shape[1], PART), axis=1)
    count = CELL // PART
    return reduce(np.maximum, (farthest[:, first : first + count] for first in range(farthest.shape[1] - count + 1)))


def _taps(factor: int) -> NDArray[np.float64]:
    """Of each place between two frames, shape (factor - 1, 2*SIDE); sums are 1."""
    places = np.arange(1, factor)[:, None] / factor
    away = np.arange(2 * SIDE) - (SIDE - 1) - places
    window = np.i0(8.0 * np.sqrt(np.maximum(0, 1 - np.square(away / SIDE))))
    taps = np.sinc(away) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True))


def _part_matrix(taps: NDArray[np.float64]) -> NDArray[np.float64]:
    """The taps for each of `PART` neighbouring frames, shape (PART + 2*SIDE - 1, PART*len(taps))."""
    matrix = np.zeros((PART + 2 * SIDE - 1, PART, len(taps)))
    for frame in range(PART):
        matrix[frame : frame + 2 * SIDE, frame] = taps.T
    return matrix.reshape(len(matrix), -1)
