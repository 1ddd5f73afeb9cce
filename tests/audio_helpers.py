"""Sound to test with, awkward streams, and headers that lie."""

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import soundfile

from stream_restore.audio import Sink, Source
from stream_restore.spec import Audio, empty
from stream_restore.testing import example_signal

__all__ = [
    "NOT_OF_LIBSNDFILE",
    "child",
    "chunk",
    "drip",
    "ffmpeg",
    "fmt",
    "noise",
    "only_write",
    "rate_of",
    "read_all",
    "riff",
    "sox",
    "tape",
    "tool",
    "write_all",
]


def noise(channels: int, frames: int, seed: int = 1, level: float = 0.2) -> Audio:
    """Sound on the 16-bit grid, so that every word but the 8-bit ones holds it exactly."""
    generator = np.random.default_rng(seed)
    steps = np.rint(generator.standard_normal((channels, frames)) * level * 32768).clip(-32768, 32767)
    return (steps / 32768).astype(np.float32)


def tape(path: Path, channels: int, frames: int, rate: int, subtype: str = "PCM_16") -> Path:
    """A recording of noise that sounds a little like music."""
    soundfile.write(path, 0.8 * example_signal(channels, frames).T, rate, subtype=subtype)
    return path


def read_all(source: Source, block: int = 1000) -> Audio:
    """All of a source, in blocks."""
    blocks = [empty(source.spec.channels)]
    while (sound := source.read(block)).shape[1]:
        blocks.append(sound)
    return np.concatenate(blocks, axis=1)


def write_all(sink: Sink, sound: Audio, block: int) -> None:
    """All of a sound, in blocks."""
    with sink:
        for start in range(0, sound.shape[1], block):
            sink.write(sound[:, start : start + block])


class Drip:
    """A pipe that gives at most `most` bytes at a time and cannot be sought."""

    def __init__(self, data: bytes, most: int = 1) -> None:
        self._data = io.BytesIO(data)
        self._most = most

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._most if size < 0 else min(size, self._most))


def drip(data: bytes, most: int = 1) -> BinaryIO:
    """A `Drip` for the type checker."""
    return cast(BinaryIO, Drip(data, most))


class OnlyWrite:
    """A pipe to write to; it takes at most `most` bytes at a time, as a full one does."""

    def __init__(self, most: int = 1 << 30) -> None:
        self.data = bytearray()
        self._most = most

    def write(self, data: Any) -> int:
        self.data += bytes(data[: self._most])
        return min(len(data), self._most)

    def flush(self) -> None:
        pass


def only_write(most: int = 1 << 30) -> tuple[BinaryIO, bytearray]:
    """An `OnlyWrite` for the type checker, and what it has taken."""
    pipe = OnlyWrite(most)
    return cast(BinaryIO, pipe), pipe.data


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    """A RIFF chunk, padded, perhaps with a size that is not true."""
    return struct.pack("<4sI", name, len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def fmt(tag: int = 1, channels: int = 2, rate: int = 44100, size: int = 2, align: int | None = None) -> bytes:
    """A fmt chunk of 16 bytes."""
    align = channels * size if align is None else align
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, (rate * align) % 2**32, align % 2**16, 8 * size))


def riff(*chunks: bytes, family: bytes = b"RIFF") -> bytes:
    """A RIFF file of chunks."""
    body = b"WAVE" + b"".join(chunks)
    return struct.pack("<4sI", family, len(body)) + body


def tool(*command: str, feed: bytes = b"") -> bytes:
    """What a program says when fed; it must succeed."""
    done = subprocess.run(command, input=feed, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def ffmpeg(*arguments: str, feed: bytes = b"") -> bytes:
    """Run ffmpeg."""
    return tool("ffmpeg", "-v", "error", "-y", *arguments, feed=feed)


def sox(*arguments: str, feed: bytes = b"") -> bytes:
    """Run SoX, without dither, which would change the samples."""
    return tool("sox", "-D", "-V1", *arguments, feed=feed)


def child(code: str, *arguments: str | Path, **options: Any) -> "subprocess.CompletedProcess[bytes]":
    """Run Python code in a process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, **options)


NOT_OF_LIBSNDFILE = {
    ("AIFF", "DWVW_12"): "listed, not written",
    ("AIFF", "DWVW_16"): "written, not read again",
    ("AIFF", "DWVW_24"): "written, not read again",
    ("MP3", "MPEG_LAYER_I"): "listed, not written",
    ("MP3", "MPEG_LAYER_II"): "listed, not written",
    ("WAV", "MPEG_LAYER_III"): "listed, not written",
    ("RAW", "DWVW_12"): "written, not read again",
    ("RAW", "DWVW_16"): "written, not read again",
    ("RAW", "DWVW_24"): "written, not read again",
}
"""What libsndfile names and cannot do."""


def rate_of(container: str, word: str) -> int:
    """A rate that a container can say; most can say all."""
    return 8000 if container in ("htk", "wve") or (container, word) == ("voc", "u8") else 44100
