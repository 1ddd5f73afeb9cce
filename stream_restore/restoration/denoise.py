"""Steady noise, found by a network that is given the noise floor of a minute.

    noise = sum over columns of (1 - gain) * spectrum,   restored = input - noise

The gain of each band and column comes from a network that sees how far the sound lies above the floor, see
`noise_floor`. It is at most 1, so nothing is added; where it is 1 the input is returned as it was. The noise of stereo
is found in mid and side where that tells it from music better, see `mid_side`.
"""

from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ..engine.stage import Stage, Start
from ..engine.threads import each
from ..engine.window import Window
from ..models.model import GainNetwork
from ..spec import Audio, Spec, empty
from .mid_side import count_signals, left_right, mid_side_share, signals
from .noise_floor import (
    BANDS,
    COLUMNS,
    HOP,
    LEAST,
    SIZE,
    WINDOW,
    Floor,
    band_powers,
    features,
    find_floor,
    per_bin,
    quiet_moments,
    spectra,
)
from .noise_profile import NoiseProfile

__all__ = ["NoiseEstimate"]

CELL_COLUMNS = 256
"""Columns of a cell: 5.9 s at 44.1 kHz."""
CONTEXT = 24
"""Columns that the network also sees on both sides."""
OVERLAP = SIZE // HOP - 1
"""Columns before a cell that reach into it."""
REACH = 5
"""Cells on both sides of a cell that its floor is found in: 65 s in all."""
BEHIND = (CONTEXT - 1) * HOP + SIZE
"""Frames behind a cell that the network also sees."""
INPUT_COLUMNS = CELL_COLUMNS + OVERLAP + 2 * CONTEXT
"""What the network is given for a cell."""
UNTOUCHED = 0.02
"""A gain that is this near to 1 becomes 1, so that clean sound comes back as it was."""
INAUDIBLE = 1e-9
"""Of the power of a channel in a cell: noise that is less is left, so that sound without noise comes back as it was."""
SILENT, AT_FLOOR = -2.0, 0.3
"""Decades above the floor: what lies between would be noise."""
BELIEVED = (0.55, 0.7)
"""Of what lies there, how much the network must take to be believed at all, and to be believed."""
DOUBT, KNOWN = 0.05, 0.25
"""By how much more it must take where there is half of what is enough to look at, and the part of a minute that is."""
BELIEVED_BANDS = 129
REBUILT = 1.5
"""What squared Hann windows at a quarter of their length sum up to."""


@dataclass
class _State:
    past: Window
    moments: list[Window] = field(default_factory=list)
    analysed: int = 0
    cell: int = 0


class NoiseEstimate(Stage[_State]):
    """The steady noise in a recording, of the same shape.

    The floor of a cell is found in the minute around it, so the output lags by half a minute. All arithmetic works on
    windows of fixed size anchored at frame 0.

    Args:
        input: at the network's sample rate; stereo is processed as `mid_side` says, other channels alone.
        network: what turns features into gains.
        cell_columns: columns of a cell, a multiple of COLUMNS; the network takes what lies around, too.
        reach: cells on both sides of a cell that its floor is found in.
        profile: the noise, where it is known; the network is then believed wholly.
        ahead: cells behind a cell, if they are to be fewer: the output comes sooner, and less is known of the floor.

    Raises:
        ConfigError: if the profile is one of another number of channels.
    """

    def __init__(
        self,
        input: Spec,
        network: GainNetwork,
        cell_columns: int = CELL_COLUMNS,
        reach: int = REACH,
        profile: NoiseProfile | None = None,
        ahead: int | None = None,
    ) -> None:
        self._network, self._reach, self._profile = network, reach, profile
        if profile:
            profile.refuse_other(input.channels)
        self._cell, self._moments = cell_columns * HOP, cell_columns // COLUMNS
        self._ahead = reach if ahead is None else ahead
        latency = max((self._ahead + 1) * self._cell + SIZE, self._cell + BEHIND)
        super().__init__(input, input, latency)

    def initial_state(self) -> _State:
        channels = self.input.channels
        return _State(Window(channels), [Window(BANDS) for _ in range(count_signals(channels))])

    @property
    def lookback(self) -> int:
        return max(self._reach * self._cell, (OVERLAP + CONTEXT) * HOP) + self._cell - 1

    def start_at(self, frame: int) -> Start[_State]:
        cell = frame // self._cell
        seen = max(0, cell - self._reach)
        first = max(0, min(seen * self._cell, cell * self._cell - (OVERLAP + CONTEXT) * HOP))
        moments = [Window(BANDS, start=seen * self._moments) for _ in range(count_signals(self.input.channels))]
        return Start(_State(Window(self.input.channels, start=first), moments, seen, cell), first, cell * self._cell)

    def advance(self, state: _State, block: Audio) -> Audio:
        state.past.append(block)
        while (state.analysed + 1) * self._cell + SIZE - HOP <= state.past.stop:
            self._analyse(state, self._moments)
        return self._cells(state, min(state.analysed - self._ahead, (state.past.stop - BEHIND) // self._cell))

    def drain(self, state: _State) -> Audio:
        frames = state.past.stop
        while state.analysed * self._cell < frames:
            columns = max(0, (frames - state.analysed * self._cell - SIZE) // HOP + 1)
            self._analyse(state, min(self._moments, columns // COLUMNS))
        done = state.cell * self._cell
        return self._cells(state, -(-frames // self._cell))[:, : frames - done]

    def _analyse(self, state: _State, whole: int) -> None:
        """Take the next cell into the moments; those from number `whole` on lie beyond the end."""
        start = state.analysed * self._cell
        frames = signals(state.past.read(start, start + self._cell + SIZE - HOP))

        def analyse(signal: int) -> None:
            found = quiet_moments(band_powers(spectra(frames[signal][None])[0]))
            found[whole:] = np.nan
            state.moments[signal].append(found.T)

        each(analyse, len(frames))
        state.analysed += 1

    def _cells(self, state: _State, stop: int) -> Audio:
        out = [self._next(state) for _ in range(state.cell, stop)]
        return np.concatenate(out, axis=1) if out else empty(self.output.channels)

    def _next(self, state: _State) -> Audio:
        first = (state.cell - self._reach) * self._moments
        last = min(state.cell + self._ahead + 1, state.analysed) * self._moments
        start = state.cell * self._cell - (OVERLAP + CONTEXT) * HOP
        frames = _mirrored(state.past, start, (state.cell + 1) * self._cell + BEHIND)
        begins = start + HOP * np.arange(CONTEXT + OVERLAP + self._moments * COLUMNS + CONTEXT)
        inside = (begins >= 0) & (begins + SIZE <= state.past.stop)
        moments = [window.read(max(0, first), last) for window in state.moments]
        floors = each(lambda signal: self._floor(signal, moments[signal].T), len(moments))
        noise = self._in_basis(signals(frames), floors, inside)
        sound = frames[:, (OVERLAP + CONTEXT) * HOP :][:, : self._cell]
        state.cell += 1
        state.past.forget(state.cell * self._cell - (OVERLAP + CONTEXT) * HOP)
        for window in state.moments:
            window.forget((state.cell - self._reach) * self._moments)
        return _audible(noise, sound)

    def _floor(self, signal: int, moments: NDArray[np.float32]) -> Floor | None:
        found = find_floor(moments, (2 * self._reach + 1) * self._moments)
        return self._profile.floor(signal, found) if self._profile else found

    def _in_basis(self, frames: Audio, floors: list[Floor | None], inside: NDArray[np.bool_]) -> Audio:
        """The noise in a cell of all channels, found in mid and side as far as their floors ask for it."""
        channels = self.input.channels
        stereo = len(floors) > channels
        share = mid_side_share([_power(floor) for floor in floors]) if stereo else 0.0
        chosen = [*range(channels if share < 1 else 0), *range(channels, len(floors) if share else 0)]
        found = np.stack(each(lambda i: self._noise(frames[chosen[i]], floors[chosen[i]], inside), len(chosen)))
        if not share:
            return found
        mid_side = left_right(found[-channels:])
        return mid_side if share == 1 else np.float32(share) * mid_side + np.float32(1 - share) * found[:channels]

    def _noise(
        self, frames: NDArray[np.float32], floor: Floor | None, inside: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """The noise in a cell of one signal, shape (frames of a cell,); `inside`: columns within the recording."""
        if floor is None:
            return np.zeros(self._cell, np.float32)
        columns = spectra(frames[None])[0]
        seen = features(band_powers(columns), floor)
        gains = self._network.gains(seen)
        taken = np.maximum(1 - gains - UNTOUCHED, 0) / (1 - UNTOUCHED)
        if not self._profile:
            taken *= _belief(gains[:, inside], seen[0][:, inside], floor.share)[:, None]
        return _overlap_add(columns[CONTEXT:-CONTEXT] * per_bin(taken.T[CONTEXT:-CONTEXT]))


def _audible(noise: Audio, sound: Audio) -> Audio:
    """The noise in channels of which it is more than nothing."""
    power, whole = (np.square(frames, dtype=np.float64).sum(axis=1) for frames in (noise, sound))
    return np.where((power > INAUDIBLE * whole)[:, None], noise, np.float32(0))


def _power(floor: Floor | None) -> NDArray[np.float32]:
    """Of the noise in each band; of silence the least there is."""
    return np.full(BANDS, LEAST, np.float32) if floor is None else floor.power


def _mirrored(past: Window, start: int, stop: int) -> NDArray[np.float32]:
    """Frames [start, stop), mirrored where they lie outside of the recording.

    A column that begins or ends abruptly has power in all bands, as sound has and noise has not; and silence beyond the
    ends is nothing that the network has learnt from.
    """
    before, behind = max(0, -start), max(0, stop - past.stop)
    inner = past.read(max(0, start), min(stop, past.stop))
    if not before and not behind:
        return inner
    return np.pad(inner, ((0, 0), (before, behind)), mode="symmetric")


def _belief(gains: NDArray[np.float32], over: NDArray[np.float32], share: float) -> NDArray[np.float32]:
    """Of each band how much of what the network takes is believed, 0 to 1, shape (BANDS,).

    A network that is sure of noise takes most of what lies at the floor. One that is not takes a little of everything,
    which is the best guess and does harm.

    Args:
        gains: shape (BANDS, columns).
        over: decades above the floor, of the same shape.
        share: of a minute, how much was there to look at.
    """
    from scipy.ndimage import uniform_filter1d

    low = (over < AT_FLOOR) & (over > SILENT)
    taken = uniform_filter1d(((1 - gains) * low).sum(axis=1), BELIEVED_BANDS, mode="constant")
    there = uniform_filter1d(low.sum(axis=1, dtype=np.float32), BELIEVED_BANDS, mode="constant")
    least, enough = BELIEVED
    doubt = DOUBT * max(0.0, KNOWN / share - 1)
    return np.asarray(np.clip((taken / np.maximum(there, 1) - doubt - least) / (enough - least), 0, 1), np.float32)


def _overlap_add(columns: NDArray[np.complex64]) -> NDArray[np.float32]:
    """The frames of a cell, of the columns that reach into it."""
    cell_columns = len(columns) - OVERLAP
    parts = (scipy.fft.irfft(columns, axis=-1) * (WINDOW / REBUILT)).reshape(len(columns), SIZE // HOP, HOP)
    out = np.zeros((cell_columns, HOP), np.float32)
    for part in range(SIZE // HOP):
        first = OVERLAP - part
        out += parts[first : first + cell_columns, part]
    return out.ravel()
