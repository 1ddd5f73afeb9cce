"""Where sound belongs according to its time stamps."""

from typing import Any

__all__ = ["LONGEST_SECONDS", "Timeline"]

LONGEST_SECONDS = 600
"""A longer jump of the time stamps is taken for a splice of two recordings, not for sound that is lost."""

_SPLICE_SECONDS = 1
"""A jump backwards by more than this begins another recording."""

_COUNTED = {"flac": 0, "ogg": 8192}
"""Containers whose time stamps count frames, and the largest jump, in frames, without missing audio. The last page of
an Ogg is stamped from its end, and ends early; a lost page is longer than the longest Vorbis packet."""

_STAMPED = ("aac", "asf", "flv", "matroska", "mov", "mp3", "mpeg", "mpegts")
"""Further containers whose time stamps say where a packet belongs; they may be rounded or jitter. Those of MP3
and ADTS count packets, so one that cannot be decoded leaves a gap there, too."""

_PACKET = 0.9
"""A packet that is lost leaves a gap of its own length; what is shorter than this part of a packet is jitter."""


class Timeline:
    """Compares the time stamps of decoded frames with the sound given so far.

    Silence never moves sound behind its time stamp: of a gap to the frame before, only what is missing since the start
    counts. So a clock that drifts, or stamps that jitter, never add silence bit by bit.

    Attributes:
        jumps: position in frames, and length in seconds, of jumps beyond `LONGEST_SECONDS`, the first few.
    """

    def __init__(self, container: str, sample_rate: int) -> None:
        name = container.split(",")[0]
        self.jumps: list[tuple[int, float]] = []
        self._trusted = name in _COUNTED or name in _STAMPED
        self._jitter = _COUNTED.get(name)
        self._rate = sample_rate
        self._anchor: int | None = None
        self._next = 0
        self._filled = 0

    def begin(self, packet: Any, start: int | None, position: int) -> None:
        """Anchor the position of a packet before the first sound that cannot be decoded; `start` is its stream's."""
        if self._anchor is None and packet.pts is not None:
            self._next = self._frames(packet.pts if start is None else max(packet.pts, start), packet)
            self._anchor = self._next - position

    def missing(self, frame: Any, position: int, lost: int | None, loose: bool) -> int:
        """Frames missing before a decoded frame.

        Args:
            position: of its first frame of sound, as things stand.
            lost: length of the packets directly before it that could not be decoded; None if there were none.
            loose: whether pages are known to be missing, so that any gap counts.
        """
        if not self._trusted or frame.pts is None:
            return lost or 0
        length = frame.samples * self._rate // frame.sample_rate
        gap = self._gap(self._frames(frame.pts, frame), length, position)
        least = int(length * _PACKET) if self._jitter is None or loose else self._jitter
        return self._bounded(gap, position) if gap > (0 if lost is not None else least) else 0

    def _gap(self, stamp: int, length: int, position: int) -> int:
        if self._anchor is None:
            self._anchor, self._next = stamp - position, stamp
        gap, self._next = stamp - self._next, stamp + length
        if gap < -_SPLICE_SECONDS * self._rate:
            self._anchor = stamp - position
        return min(gap, stamp - self._anchor - position)

    def _bounded(self, gap: int, position: int) -> int:
        """The gap, if it is not that of a splice; neither is all silence ever longer than this and the sound."""
        longest = LONGEST_SECONDS * self._rate
        if gap <= longest and gap + self._filled <= longest + position - self._filled:
            self._filled += gap
            return gap
        if self._anchor is not None:
            self._anchor += gap
        if len(self.jumps) < 5:
            self.jumps.append((position, gap / self._rate))
        return 0

    def _frames(self, stamp: int, timed: Any) -> int:
        frames: int = round(stamp * timed.time_base * self._rate)
        return frames
