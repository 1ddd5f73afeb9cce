"""Segment by segment through a network, with overlap-add: a stream of sound becomes a stream of stems.

The grid of segments, the weights and the windows at the ends are those of `demucs.apply.apply_model`, so that
the stems equal Demucs' own to float tolerance, in memory that does not grow with duration.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.stage import Stage, Start
from ..engine.window import Window
from ..errors import ConfigError, ModelError, SpecError
from ..models.model import Backend, Model
from ..spec import Audio, Spec
from .segments import Piece, Segments

__all__ = ["Separate", "channel_groups"]

SHIFT_SECONDS = 0.5
"""Longest shift of the grid, as in Demucs."""

_LAYOUTS = {3: ((0, 1), (2,)), 5: ((0, 1), (2,), (3, 4)), 6: ((0, 1), (2,), (3,), (4, 5))}
_LAYOUTS |= {7: ((0, 1), (2,), (3,), (4,), (5, 6)), 8: ((0, 1), (2,), (3,), (4, 5), (6, 7))}


def channel_groups(channels: int, network_channels: int) -> tuple[tuple[int, ...], ...]:
    """Which channels of a recording a network is given together.

    A network of one channel is given each channel alone. A network of two is given left and right pairs: of a
    stereo recording, and of the usual surround layouts (front pair, centre, low-frequency effects, then side
    and back pairs); single channels, and all channels of other layouts, go alone, as two equal channels
    whose answers are averaged. Four channels are two pairs.

    Raises:
        ConfigError: a network of more than two channels whose number is not the recording's.

    >>> channel_groups(6, 2)
    ((0, 1), (2,), (3,), (4, 5))
    """
    if channels == network_channels:
        return (tuple(range(channels)),)
    if network_channels > 2:
        raise ConfigError(f"the network takes {network_channels} channels, the recording has {channels}")
    if network_channels == 2 and channels in _LAYOUTS:
        return _LAYOUTS[channels]
    if network_channels == 2 and channels == 4:
        return ((0, 1), (2, 3))
    return tuple((channel,) for channel in range(channels))


@dataclass(frozen=True)
class _Member:
    """A network on its grid: one of a bag's, at one shift."""

    backend: Backend
    segments: Segments
    share: NDArray[np.float64]
    """Its part of each output channel; the parts of all members sum to 1. Shape (stems * channels, 1)."""


@dataclass
class _Track:
    """The overlap-add of one member."""

    total: NDArray[np.float64]
    """Weighted sum of estimates, from the first frame that is not final; shape (stems * channels, chunk)."""
    weight: NDArray[np.float64]
    """Sum of weights of the same frames, shape (chunk,)."""
    final: Window
    """Estimates that are final and wait for those of other members."""
    number: int = 0
    """Number of the next piece."""


_Job = tuple[int, Piece, "Future[NDArray[np.float32]]"]


@dataclass
class _State:
    past: Window
    tracks: list[_Track]
    pending: deque[_Job] = field(default_factory=deque)


class Separate(Stage[_State]):
    """Stems of a stream, shape (stems * channels, frames): all channels of the first stem, then of the second.

    Args:
        input: of the recording, at the model's sample rate.
        model: one network or a bag, with weights per stem.
        overlap: part of a segment that it shares with the next, 0 up to but without 1.
        segment_seconds: shorter segments than the model's own.
        context_seconds: sound computed and thrown away on both sides of a segment.
        shifts: average over this many grids, each moved by up to half a second; 0 is one unmoved grid.
        seed: draws the shifts.
        jobs: segments computed at once, in threads. The output does not depend on it.
        mean, gain: the networks are given (x - mean)*gain; stems are divided by gain, and are without the mean.

    Raises:
        SpecError: another sample rate than the model's.
        ConfigError: a parameter out of range.
        ModelError: (from process and flush) a network gave samples that are not finite.
    """

    def __init__(
        self,
        input: Spec,
        model: Model,
        *,
        overlap: float = 0.25,
        segment_seconds: float | None = None,
        context_seconds: float = 0.0,
        shifts: int = 0,
        seed: int = 0,
        jobs: int = 1,
        mean: float = 0.0,
        gain: float = 1.0,
    ) -> None:
        if input.sample_rate != model.manifest.sample_rate:
            raise SpecError(
                f"model {model.manifest.name} runs at {model.manifest.sample_rate} Hz,"
                f" the stream has {input.sample_rate}"
            )
        if shifts < 0 or jobs < 1:
            raise ConfigError(f"shifts must be at least 0 and jobs at least 1, got {shifts} and {jobs}")
        self.model, self.jobs, self.mean, self.gain = model, jobs, mean, gain
        self.groups = channel_groups(input.channels, model.manifest.channels)
        context = input.frames(context_seconds)
        anchors = _anchors(len(model.members), shifts, input.frames(SHIFT_SECONDS), seed)
        self._members = [
            _Member(
                member.backend,
                Segments.of(member.backend, overlap, segment_seconds, context, anchor),
                np.repeat(_shares(model)[:, number] / len(row), input.channels)[:, None],
            )
            for number, (member, row) in enumerate(zip(model.members, anchors, strict=True))
            for anchor in row
        ]
        self._pool = ThreadPoolExecutor(jobs) if jobs > 1 else None
        latency = max(v.segments.latency + (jobs - 1) * v.segments.stride for v in self._members)
        output = Spec(input.sample_rate, len(model.manifest.stems) * input.channels)
        super().__init__(input, output, latency)

    def __getstate__(self) -> dict[str, Any]:
        # Threads cannot be copied: a copy starts its own.
        return {**self.__dict__, "_pool": None}

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        self.__dict__.update(attributes)
        self._pool = ThreadPoolExecutor(self.jobs) if self.jobs > 1 else None

    def initial_state(self) -> _State:
        return _State(Window(self.input.channels), [self._track(member, 0) for member in self._members])

    @property
    def lookback(self) -> int:
        return max(member.segments.lookback for member in self._members)

    def start_at(self, frame: int) -> Start[_State]:
        numbers = [member.segments.first_over(frame) for member in self._members]
        pairs = list(zip(self._members, numbers, strict=True))
        first = max(0, min(member.segments.oldest(number) for member, number in pairs))
        tracks = [self._track(member, number) for member, number in pairs]
        past = Window(self.input.channels, start=first)
        return Start(_State(past, tracks), first, max(track.final.start for track in tracks))

    def _track(self, member: _Member, number: int) -> _Track:
        """A track whose first piece is the one of this number."""
        channels, chunk = self.output.channels, member.segments.chunk
        final = Window(channels, start=max(0, member.segments.piece(number).offset))
        return _Track(np.zeros((channels, chunk)), np.zeros(chunk), final, number)

    def advance(self, state: _State, block: Audio) -> Audio:
        # Normalised before it is cut into windows: outside of the recording networks are given silence, not its mean.
        state.past.append((block - self.mean) * self.gain)
        for index, member in enumerate(self._members):
            track = state.tracks[index]
            while (piece := member.segments.piece(track.number)).stop <= state.past.stop:
                self._submit(state, index, piece)
        state.past.forget(min(v.segments.oldest(t.number) for v, t in zip(self._members, state.tracks, strict=True)))
        return self._mixed(state)

    def drain(self, state: _State) -> Audio:
        for index, member in enumerate(self._members):
            for piece in member.segments.last(state.tracks[index].number, state.past.stop):
                self._submit(state, index, piece)
        self.settle(state)
        return self._mixed(state)

    def settle(self, state: _State) -> None:
        while state.pending:
            self._collect(state)

    def _submit(self, state: _State, index: int, piece: Piece) -> None:
        """Begin one piece; wait for the oldest where as many as `jobs` are under way."""
        state.tracks[index].number += 1
        window = self._window(state.past, index, piece)
        future: Future[NDArray[np.float32]]
        if self._pool is None:
            future = Future()
            future.set_result(self._estimate(index, piece, window))
        else:
            future = self._pool.submit(self._estimate, index, piece, window)
        state.pending.append((index, piece, future))
        if len(state.pending) >= self.jobs:
            self._collect(state)

    def _window(self, past: Window, index: int, piece: Piece) -> Audio:
        """The input of a network: outside of the recording silence, or the recording's mirror image."""
        start, stop = max(0, piece.start), min(piece.stop, past.stop)
        if start >= stop or self._members[index].backend.edges == "silence":
            return past.read(piece.start, piece.stop)
        missing = (start - piece.start, piece.stop - stop)
        return np.pad(past.read(start, stop), ((0, 0), missing), mode="symmetric")

    def _collect(self, state: _State) -> None:
        """Add the oldest estimate to its track; what no later piece reaches becomes final."""
        index, piece, future = state.pending.popleft()
        track, segments = state.tracks[index], self._members[index].segments
        weight = segments.weight[: piece.frames]
        track.total[:, : piece.frames] += weight * future.result()
        track.weight[: piece.frames] += weight
        ready = min(segments.stride, piece.frames)
        final = track.total[:, :ready] / track.weight[:ready]
        track.final.append(final[:, max(0, -piece.offset) :].astype(np.float32))
        for array in (track.total, track.weight):
            array[..., :-ready] = array[..., ready:]
            array[..., -ready:] = 0

    def _mixed(self, state: _State) -> Audio:
        """The members' shares of the frames that are final in all tracks."""
        start = max(track.final.start for track in state.tracks)
        stop = max(start, min(track.final.stop for track in state.tracks))
        out = np.zeros((self.output.channels, stop - start))
        for member, track in zip(self._members, state.tracks, strict=True):
            out += member.share * track.final.read(start, stop)
            track.final.forget(stop)
        return out.astype(np.float32)

    def _estimate(self, index: int, piece: Piece, window: Audio) -> NDArray[np.float32]:
        """What one network says of one window, without its margins; shape (stems * channels, piece.frames)."""
        backend = self._members[index].backend
        out = np.empty((len(backend.stems), self.input.channels, piece.frames), np.float32)
        for group in self.groups:
            pair = window[[group[k % len(group)] for k in range(backend.channels)]]
            stems = backend.separate(pair)[..., piece.margin : piece.margin + piece.frames]
            alone = len(group) < backend.channels
            out[:, list(group)] = stems.mean(axis=1, keepdims=True, dtype=np.float64) if alone else stems
        self._check_finite(out, piece)
        return (out / np.float32(self.gain)).reshape(self.output.channels, piece.frames)

    def _check_finite(self, stems: NDArray[np.float32], piece: Piece) -> None:
        wrong = np.flatnonzero(~np.isfinite(stems).all(axis=(0, 1)))
        if wrong.size:
            frame = piece.offset + int(wrong[0])
            raise ModelError(
                f"model {self.model.manifest.name} gave a sample that is not finite at frame {frame}"
                f" ({self.input.seconds(frame):.3f} s)"
            )


def _anchors(members: int, shifts: int, longest: int, seed: int) -> list[list[int]]:
    """First frame of the grid of each member at each shift, between -longest and 0."""
    if not shifts:
        return [[0]] * members
    drawn = np.random.default_rng(seed % 2**64).integers(0, longest + 1, (members, shifts))
    return [[int(anchor) for anchor in row] for row in -drawn]


def _shares(model: Model) -> NDArray[np.float64]:
    """Part of each stem that each member says, shape (stems, members), rows summing to 1."""
    weights = np.array([member.weights for member in model.members]).T
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
