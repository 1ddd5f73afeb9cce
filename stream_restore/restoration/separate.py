"""Segment by segment through a network, with overlap-add: a stream of sound becomes a stream of stems.

The grid of segments, the weights and the windows at the ends are those of `demucs.apply.apply_model`, so that
the stems equal Demucs' own to float tolerance, in memory that does not grow with duration.
"""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..engine.stage import Stage, Start
from ..engine.window import Window
from ..errors import ConfigError, ModelError, SpecError
from ..models.model import Backend, Batching, Model, Stems, batch_of
from ..spec import Audio, Spec
from .channel_groups import channel_groups
from .segments import Piece, Segments

__all__ = ["Separate"]

SHIFT_SECONDS = 0.5
"""Longest shift of the grid, as in Demucs."""


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


_Job = tuple[int, tuple[Piece, ...], "Future[list[NDArray[np.float32]]]"]


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
        jobs: calls of networks at once, in threads. The output does not depend on it. Where calls take a batch of
            segments, as on a GPU, at least two, so that it computes while another result is added.
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
        batches = any(batch_of(member.backend) > 1 for member in model.members)
        self.model, self.jobs, self.mean, self.gain = model, max(jobs, 2 if batches else 1), mean, gain
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
        self._pool = ThreadPoolExecutor(self.jobs) if self.jobs > 1 else None
        latency = max(
            member.segments.latency + (self.jobs * batch_of(member.backend) - 1) * member.segments.stride
            for member in self._members
        )
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
        return max(
            member.segments.lookback + (batch_of(member.backend) - 1) * member.segments.stride
            for member in self._members
        )

    def start_at(self, frame: int) -> Start[_State]:
        # Batches are anchored at piece 0, because a result may depend on its place in a batch.
        firsts = [(member.segments.first_over(frame), batch_of(member.backend)) for member in self._members]
        numbers = [first - first % batch for first, batch in firsts]
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
            while (pieces := self._next(member, state.tracks[index]))[-1].stop <= state.past.stop:
                self._submit(state, index, pieces)
        state.past.forget(min(v.segments.oldest(t.number) for v, t in zip(self._members, state.tracks, strict=True)))
        return self._mixed(state)

    def _next(self, member: _Member, track: _Track) -> tuple[Piece, ...]:
        return tuple(map(member.segments.piece, range(track.number, track.number + batch_of(member.backend))))

    def drain(self, state: _State) -> Audio:
        for index, member in enumerate(self._members):
            for piece in member.segments.last(state.tracks[index].number, state.past.stop):
                self._submit(state, index, (piece,))
        self.settle(state)
        return self._mixed(state)

    def settle(self, state: _State) -> None:
        while state.pending:
            self._collect(state)

    def _submit(self, state: _State, index: int, pieces: tuple[Piece, ...]) -> None:
        """Begin one call of a network; wait for the oldest where as many as `jobs` are under way."""
        state.tracks[index].number += len(pieces)
        windows = [self._window(state.past, index, piece) for piece in pieces]
        future: Future[list[NDArray[np.float32]]]
        if self._pool is None:
            future = Future()
            future.set_result(self._estimates(index, pieces, windows))
        else:
            future = self._pool.submit(self._estimates, index, pieces, windows)
        state.pending.append((index, pieces, future))
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
        """Add the oldest estimates to their track."""
        index, pieces, future = state.pending.popleft()
        for piece, estimate in zip(pieces, future.result(), strict=True):
            self._add(state.tracks[index], self._members[index].segments, piece, estimate)

    def _add(self, track: _Track, segments: Segments, piece: Piece, estimate: NDArray[np.float32]) -> None:
        """Add an estimate to its track; what no later piece reaches becomes final."""
        weight = segments.weight[: piece.frames]
        track.total[:, : piece.frames] += weight * estimate
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

    def _estimates(self, index: int, pieces: tuple[Piece, ...], windows: list[Audio]) -> list[NDArray[np.float32]]:
        """What one network says of windows, without their margins; each of shape (stems * channels, piece.frames)."""
        backend = self._members[index].backend
        shape = len(backend.stems), self.input.channels
        out = [np.empty((*shape, piece.frames), np.float32) for piece in pieces]
        for group in self.groups:
            chosen = [group[k % len(group)] for k in range(backend.channels)]
            alone = len(group) < backend.channels
            answers = _separate(backend, [window[chosen] for window in windows])
            for piece, estimate, answer in zip(pieces, out, answers, strict=True):
                stems = answer[..., piece.margin : piece.margin + piece.frames]
                estimate[:, list(group)] = stems.mean(axis=1, keepdims=True, dtype=np.float64) if alone else stems
        for piece, estimate in zip(pieces, out, strict=True):
            self._check_finite(estimate, piece)
            estimate /= np.float32(self.gain)
        return [estimate.reshape(self.output.channels, -1) for estimate in out]

    def _check_finite(self, stems: NDArray[np.float32], piece: Piece) -> None:
        wrong = np.flatnonzero(~np.isfinite(stems).all(axis=(0, 1)))
        if wrong.size:
            frame = piece.offset + int(wrong[0])
            raise ModelError(
                f"model {self.model.manifest.name} gave a sample that is not finite at frame {frame}"
                f" ({self.input.seconds(frame):.3f} s)"
            )


def _separate(backend: Backend, segments: list[Audio]) -> Sequence[Stems]:
    if len(segments) == 1:
        return [backend.separate(segments[0])]
    return list(cast(Batching, backend).separate_batch(np.stack(segments)))


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
