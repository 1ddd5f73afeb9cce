"""Buffered reads of exact lengths from a file or a pipe."""

from typing import BinaryIO, Protocol

from ..errors import SourceError

__all__ = ["ByteStream", "OnePass", "Readable"]

PIECE = 1 << 20
"""Largest single read in bytes, so that memory follows the data received, not the sizes a header claims."""


class Readable(Protocol):
    """The methods that FFmpeg needs of a pipe; with `seek` and `tell` it treats the object as a file."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes."""

    def close(self) -> None:
        """Release the underlying file."""


class ByteStream:
    """A binary stream read sequentially, with look-ahead.

    The caller sets `seekable` if the stream is a regular file; then `seek` and `size` work.

    Attributes:
        name: for messages.
        position: bytes consumed so far.
    """

    def __init__(self, raw: BinaryIO, name: str, seekable: bool = False, owned: bool = True) -> None:
        self._raw = raw
        self.name = name
        self.seekable = seekable
        self._owned = owned
        self._ahead = bytearray()
        self._marked: bytearray | None = None
        self.position = 0

    def read(self, size: int) -> bytes:
        """Read exactly `size` bytes, fewer only at the end of the stream.

        Raises:
            SourceError: if a read fails.
        """
        self._fill(size)
        taken = bytes(self._ahead[:size])
        del self._ahead[:size]
        self.position += len(taken)
        if self._marked is not None:
            self._marked += taken
        return taken

    def peek(self, size: int, start: int = 0) -> bytes:
        """The next `size` bytes from `start` on, without consuming them, fewer only at the end of the stream."""
        self._fill(size)
        return bytes(self._ahead[start:size])

    def skip(self, size: int) -> int:
        """Skip `size` bytes; return the number skipped, smaller only at the end of the stream."""
        done = 0
        while done < size:
            passed = len(self.read(min(size - done, PIECE)))
            if not passed:
                break
            done += passed
        return done

    def mark(self) -> None:
        """Start recording the bytes consumed, for `back`."""
        self._marked = bytearray()

    def back(self) -> None:
        """Return to the position of `mark`, so that another reader can start there."""
        taken = self._marked or bytearray()
        self.position -= len(taken)
        self._ahead[:0] = taken
        self.unmark()

    def unmark(self) -> None:
        """Stop recording the bytes consumed."""
        self._marked = None

    def seek(self, position: int) -> None:
        """Go to an absolute byte position of a seekable stream."""
        self._raw.seek(position)
        self._ahead.clear()
        self.position = position

    def size(self) -> int | None:
        """Size in bytes of a seekable stream, else None."""
        if not self.seekable:
            return None
        here = self._raw.tell()
        end = self._raw.seek(0, 2)
        self._raw.seek(here)
        return end

    def close(self) -> None:
        """Close the stream if it was opened here."""
        if self._owned:
            self._raw.close()

    def _fill(self, size: int) -> None:
        while len(self._ahead) < size:
            piece = self._piece(min(size - len(self._ahead), PIECE))
            if not piece:
                break
            self._ahead += piece

    def _piece(self, size: int) -> bytes:
        try:
            piece = self._raw.read(size)
        except (OSError, ValueError) as error:
            raise SourceError(f"{self.name}: cannot read on at byte {self.position}: {error}") from error
        if piece is None:
            raise SourceError(f"{self.name}: gives nothing yet (non-blocking); open it in blocking mode")
        return piece


class OnePass:
    """A byte stream without `seek`, for libraries that would otherwise use it."""

    def __init__(self, stream: ByteStream) -> None:
        self.read = stream.read
        self.close = stream.close
