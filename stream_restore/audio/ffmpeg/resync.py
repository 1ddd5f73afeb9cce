"""Mends the framing of MPEG audio and ADTS before FFmpeg reads it.

In these streams frame follows frame, and time is counted in frames. FFmpeg leaves out what stands between them, so what
follows comes too early, or loses the next good frame, too. Here tags (ID3, APE), which carry no sound, are left out;
for anything else between frames, as many blank frames are put in as would have had room there, which the reader
recognises.
"""

from ..bytestream import Readable
from .frame_headers import ADTS, MPEG, TAG, Framing, tag_size

__all__ = ["FrameStream"]

_BLANK = b"lost"
_CONFIRMING = 2
"""Frames that must follow one for it to be one, after a place that is none."""
_AVERAGED = 64
"""Frames over which the size of a frame is averaged, about."""
_HEADER = 48
"""Bytes that tell what begins: a frame, a table of contents, or a tag."""
_TAIL = 8192
_PIECE = 1 << 15


class FrameStream:
    """A stream of frames, read sequentially, whose framing is whole. What precedes the first frame is unchanged."""

    def __init__(self, inner: Readable, framing: Framing) -> None:
        self._inner = inner
        self._framing = framing
        self.close = inner.close
        self._in = bytearray()
        self._out = bytearray()
        self._ended = False
        self._last = b""
        """The header of the latest frame."""
        self._mean = 0.0
        self._counted = 0
        self._junk = bytearray()
        """What was passed since the latest frame and is no tag, its beginning only."""
        self._passed = 0
        self._broken = False
        self._tagged = False
        self._another = False
        """Whether the frame that comes next was found anew, and may be of another kind."""
        self._blanks = 0
        self._skip = 0

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes; none only at the end."""
        while len(self._out) < size and (self._step() or not self._ended):
            pass
        taken = bytes(self._out[:size])
        del self._out[:size]
        return taken

    def is_blank(self, packet: bytes) -> bool:
        """Whether a packet is a frame that was put in."""
        head = self._framing.head
        if self._framing is ADTS:
            return len(packet) == head
        return packet.endswith(_BLANK) and not any(packet[head : -len(_BLANK)])

    def _step(self) -> bool:
        """Handle what stands first in the input; False if more of it is needed."""
        if self._blanks:
            self._out += self._blank()
            self._blanks -= 1
            return True
        if self._skip:
            return self._pass_tag()
        frames = 1 if self._last and not self._broken else _CONFIRMING + 1
        if not self._ended and len(self._in) < frames * self._framing.longest + _HEADER:
            return self._more()
        if not self._last:
            return self._begin()
        if self._broken:
            return self._resync()
        return self._follow()

    def _more(self) -> bool:
        piece = self._inner.read(_PIECE)
        self._in += piece
        self._ended = not piece
        return True

    def _begin(self) -> bool:
        """Pass on what precedes the first frame; a tag there is FFmpeg's to read."""
        if not self._in:
            return False
        size = tag_size(self._in)
        if size and self._in[:3] == b"ID3":
            self._skip = size
            return True
        at = 0 if self._framing_at(0) else self._first_frame()
        self._give(at)
        if not at or self._confirmed(0):
            self._frame()
        return True

    def _pass_tag(self) -> bool:
        if not self._in and not self._more_for_tag():
            self._skip = 0
            return True
        size = min(self._skip, len(self._in))
        self._skip -= size
        if self._last:
            del self._in[:size]
        else:
            self._give(size)
        return True

    def _more_for_tag(self) -> bool:
        return not self._ended and self._more() and bool(self._in)

    def _follow(self) -> bool:
        """Pass on the frame that follows directly on another."""
        if not self._in:
            return False
        size = self._framing_at(0)
        same = size and (self._another or self._framing.kind(self._in, 0) == self._framing.kind(self._last, 0))
        if not same or self._cut_by_tag(size):
            self._broken = True
        elif self._is_info():
            del self._in[:size]
        else:
            self._frame()
        return True

    def _cut_by_tag(self, size: int) -> bool:
        """Whether a tag begins in the middle of a frame, because its end is missing."""
        if (
            size + self._framing.head > len(self._in)
            or self._framing_at(size)
            or tag_size(self._in[size : size + _HEADER])
        ):
            return False
        at = self._in.find(b"ID3", self._framing.head, size)
        return at > 0 and tag_size(self._in[at : at + _HEADER]) > 0

    def _resync(self) -> bool:
        """Leave out what is no frame, up to the next one; at the end pass it on, so that FFmpeg says what it is."""
        if not self._in:
            self._out += self._junk
            self._junk.clear()
            return False
        if size := tag_size(self._in[:_HEADER]):
            self._skip, self._tagged = size, True
            return True
        if self._tagged and not self._passed and not self._in[0]:
            del self._in[: len(self._in) - len(self._in.lstrip(b"\0"))]  # padding of the tag
            return True
        if self._confirmed(0):
            self._mend()
            return True
        at = self._next_candidate()
        self._junk += self._in[: min(at, _TAIL - len(self._junk))]
        self._passed += at
        del self._in[:at]
        return True

    def _next_candidate(self) -> int:
        """Where a frame or a tag may begin, behind the first byte."""
        found = [match.start() for each in (self._framing.sync, TAG) if (match := each.search(self._in, 1))]
        return min(found, default=max(1, len(self._in) - (0 if self._ended else _HEADER)))

    def _mend(self) -> None:
        begun = len(self._junk) >= self._framing.head and self._framing.length(self._junk, 0) > 0
        self._blanks = max(round(self._passed / (self._mean or self._framing_at(0))), int(begun))
        self._junk.clear()
        self._passed = 0
        self._broken = self._tagged = False
        self._another = True

    def _is_info(self) -> bool:
        """Whether the frame is no sound, but the table of contents of an MP3 that was joined to another."""
        head = bytes(self._in[:_HEADER])
        return self._framing is MPEG and (b"Xing" in head or b"Info" in head)

    def _frame(self) -> None:
        self._another = False
        size = self._framing_at(0)
        self._last = bytes(self._in[: self._framing.head])
        if not self._is_info():
            self._counted = min(self._counted + 1, _AVERAGED)
            self._mean += (size - self._mean) / self._counted
        self._give(size)

    def _blank(self) -> bytes:
        head = bytearray(self._last)
        if self._framing is ADTS:
            head[3], head[4], head[5] = head[3] & 0xFC, 0, head[5] & 0x1F | 7 << 5
            return bytes(head)
        head[1] |= 1  # without a checksum
        return bytes(head) + bytes(self._framing.length(head, 0) - len(head) - len(_BLANK)) + _BLANK

    def _first_frame(self) -> int:
        """Where the first frame begins, as far as the input is known; else its end, less what may be part of one."""
        for match in self._framing.sync.finditer(self._in):
            if self._confirmed(match.start()):
                return match.start()
        return len(self._in) if self._ended else len(self._in) - self._framing.longest

    def _confirmed(self, at: int) -> bool:
        """Whether a frame begins at `at`, followed by others of its kind, or by the end."""
        kind = self._framing.kind(self._in, at) if at + self._framing.head <= len(self._in) else None
        for _ in range(_CONFIRMING + 1):
            size = self._framing_at(at)
            if not size or self._framing.kind(self._in, at) != kind:
                return False
            at += size
            if self._ended and at >= len(self._in):
                return at == len(self._in)
        return True

    def _framing_at(self, at: int) -> int:
        return self._framing.length(self._in, at) if at + self._framing.head <= len(self._in) else 0

    def _give(self, size: int) -> None:
        self._out += self._in[:size]
        del self._in[:size]
