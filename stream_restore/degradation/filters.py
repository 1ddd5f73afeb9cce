"""Butterworth low-pass filters: causal, and zero-phase through a bounded look-ahead.

They equal `scipy.signal.sosfilt` and `scipy.signal.sosfiltfilt` on the whole signal. The two are different
experiments: an order-6 causal filter at 7 kHz delays low frequencies by some 88 us, which costs more SDR than
the treble it removes.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy  # loads scipy.signal, which is slow to import, when a filter is made
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..engine.stage import Stage
from ..engine.threads import cores, each
from ..engine.window import Window
from ..errors import ConfigError
from ..spec import Audio, Spec, empty

__all__ = ["CausalLowPass", "ZeroPhaseLowPass", "butterworth", "decay_frames"]

Samples: TypeAlias = NDArray[np.float64]

TAIL = 1e-7
"""The part of the impulse response beyond the look-ahead, as a sum of magnitudes: -140 dB."""
GRID = 4096
"""Fewest frames between two backward passes."""
ALONE = 1 << 14
"""Most samples for which another thread is not worth its while."""
LONGEST = 1 << 20
"""Most frames of look-ahead: a filter that rings longer would take too much memory."""


def butterworth(cutoff_hz: float, order: int, sample_rate: int) -> Samples:
    """Second-order sections of a digital Butterworth low-pass, shape (sections, 6).

    The bilinear transform of the analogue prototype with pre-warped cut-off (`scipy.signal.butter`), -3 dB at
    `cutoff_hz`. Sections, not one polynomial: those lose stability to rounding from order 8 or so.

    Raises:
        ConfigError: if the cut-off is outside (0, sample_rate / 2), or the order is outside 1..24.
    """
    if not 0 < cutoff_hz < sample_rate / 2:
        raise ConfigError(
            f"cutoff must lie between 0 and {sample_rate / 2:g} Hz, half the sample rate, got {cutoff_hz:g};"
            " lower it or leave the filter out (none)"
        )
    if order not in range(1, 25):
        raise ConfigError(f"order must be 1 to 24, got {order}")
    return np.asarray(scipy.signal.butter(order, cutoff_hz, fs=sample_rate, output="sos"), np.float64)


def decay_frames(sos: Samples, tail: float = TAIL) -> int:
    """Frames after which a low-pass's impulse response has less than `tail` left, as a sum of magnitudes.

    Raises:
        ConfigError: if there are more than `LONGEST`.
    """
    length = 256
    while length <= 2 * LONGEST:
        response = scipy.signal.sosfilt(sos, np.eye(1, length)[0])
        left = np.cumsum(np.abs(response[::-1]))[::-1]
        # Most of the response, whose sum is 1, must be there, as a high order begins late; and the second half must be
        # as good as nothing, or the response is longer than the look at it.
        if response.sum() > 0.5 and left[length // 2] < tail:
            return int(np.argmax(left < tail))
        length *= 2
    raise ConfigError(
        f"with a cutoff so low a zero-phase filter rings for more than {LONGEST} frames; raise it, or filter causally"
    )


class CausalLowPass(Stage[Samples]):
    """`scipy.signal.sosfilt` with its state carried from block to block; starts at rest.

    State: shape (sections, channels, 2), float64.
    """

    def __init__(self, input: Spec, cutoff_hz: float, order: int = 6) -> None:
        self.sos = butterworth(cutoff_hz, order, input.sample_rate)
        super().__init__(input, input)

    def initial_state(self) -> Samples:
        return np.zeros((len(self.sos), self.input.channels, 2))

    def advance(self, state: Samples, block: Audio) -> Audio:
        if not block.shape[1]:
            return block.copy()
        filtered, state[...] = _filtered(self.sos, block.astype(np.float64), state)
        return filtered.astype(np.float32)

    def drain(self, state: Samples) -> Audio:
        return empty(self.output.channels)


@dataclass
class _ZeroPhaseState:
    raw: Window
    """The last input frames: the odd extension at the end is made of them."""
    forward: Window
    """The forward pass, from the first frame whose backward pass is due."""
    zi: Samples
    started: bool = False
    done: int = 0


class ZeroPhaseLowPass(Stage[_ZeroPhaseState]):
    """`scipy.signal.sosfiltfilt`: the filter forward, then backward, so that the phases cancel.

    The forward pass streams. The backward pass of a block begins `lookahead` frames behind its end, where the
    impulse response has decayed to -140 dB, instead of at the end of the recording. Both ends of the recording
    are extended oddly, as SciPy does (Gustafsson, "Determining the initial states in forward-backward
    filtering", IEEE Trans. Signal Processing 44(4), 1996, discusses why); a recording shorter than that extension
    uses as much of it as there is.

    Raises:
        ConfigError: see `butterworth` and `decay_frames`.
    """

    def __init__(self, input: Spec, cutoff_hz: float, order: int = 6) -> None:
        self.sos = butterworth(cutoff_hz, order, input.sample_rate)
        self.lookahead = decay_frames(self.sos)
        self.zi = scipy.signal.sosfilt_zi(self.sos)[:, None, :]
        self.grid = max(GRID, self.lookahead)
        # SciPy's default: three times the length of the equivalent polynomial.
        zeros_at_origin = min((self.sos[:, 2] == 0).sum(), (self.sos[:, 5] == 0).sum())
        self.extension = 3 * int(2 * len(self.sos) + 1 - zeros_at_origin)
        super().__init__(input, input, latency=self.grid - 1 + max(self.lookahead, self.extension + 1))

    def initial_state(self) -> _ZeroPhaseState:
        channels = self.input.channels
        zi = np.zeros((len(self.sos), channels, 2))
        return _ZeroPhaseState(Window(channels, np.float64), Window(channels, np.float64), zi)

    def advance(self, state: _ZeroPhaseState, block: Audio) -> Audio:
        start = state.raw.stop
        state.raw.append(block)
        if not state.started and state.raw.stop > self.extension:
            self._start(state, self.extension)
        elif state.started:
            self._forward(state, state.raw.read(start, state.raw.stop))
        state.raw.forget(state.raw.stop - self.extension - 1 if state.started else 0)
        return self._backward_cells(state)

    def drain(self, state: _ZeroPhaseState) -> Audio:
        frames = state.raw.stop
        if not frames:
            return empty(self.output.channels)
        extension = min(self.extension, frames - 1)
        if not state.started:
            self._start(state, extension)
        last = state.raw.read(frames - 1, frames)
        mirrored = state.raw.read(frames - 1 - extension, frames - 1)[:, ::-1]
        self._forward(state, 2 * last - mirrored)
        return self._backward(state, frames)

    def _start(self, state: _ZeroPhaseState, extension: int) -> None:
        """Run over the odd extension before frame 0, from a steady state, then over the input so far."""
        signal = state.raw.read(0, state.raw.stop)
        before = 2 * signal[:, :1] - signal[:, extension:0:-1]
        first = before[:, :1] if extension else signal[:, :1]
        state.zi = self.zi * first
        if extension:
            _, state.zi = scipy.signal.sosfilt(self.sos, before, zi=state.zi)
        state.started = True
        self._forward(state, signal)

    def _forward(self, state: _ZeroPhaseState, block: Samples) -> None:
        if block.shape[1]:
            filtered, state.zi = _filtered(self.sos, block, state.zi)
            state.forward.append(filtered)

    def _backward_cells(self, state: _ZeroPhaseState) -> Audio:
        """Filter all cells backward whose look-ahead is there, at once: each is a row of its own."""
        due = (state.forward.stop - self.lookahead - state.done) // self.grid
        if due < 1:
            return empty(self.output.channels)
        end = state.done + due * self.grid
        signal = state.forward.read(state.done, end + self.lookahead)
        cells = sliding_window_view(signal, self.grid + self.lookahead, axis=1)[:, :: self.grid]
        rows = self._reversed(cells.reshape(-1, cells.shape[-1]))[:, : self.grid]
        state.done = end
        state.forward.forget(end)
        return rows.reshape(len(signal), -1).astype(np.float32)

    def _backward(self, state: _ZeroPhaseState, frames: int) -> Audio:
        """Filter backward from the end of the forward pass and keep the frames from `done` up to `frames`."""
        signal = state.forward.read(state.done, state.forward.stop)
        kept = self._reversed(signal)[:, : frames - state.done]
        state.done = frames
        state.forward.forget(frames)
        return kept.astype(np.float32)

    def _reversed(self, rows: Samples) -> Samples:
        """Each row filtered from its end to its start."""
        reverse = rows[:, ::-1]
        return _filtered(self.sos, reverse, self.zi * reverse[:, :1])[0][:, ::-1]


def _filtered(sos: Samples, rows: Samples, zi: Samples) -> tuple[Samples, Samples]:
    """`scipy.signal.sosfilt` of rows, shape (rows, frames), on all cores; its result and the state after it."""
    parts = min(cores(), len(rows)) if rows.size > ALONE else 1
    limits = np.linspace(0, len(rows), parts + 1).astype(int)

    def part(number: int) -> tuple[Samples, Samples]:
        own = slice(limits[number], limits[number + 1])
        filtered, after = scipy.signal.sosfilt(sos, rows[own], zi=zi[:, own])
        return filtered, after

    filtered, after = zip(*each(part, parts), strict=True)
    return np.concatenate(filtered), np.concatenate(after, axis=1)
