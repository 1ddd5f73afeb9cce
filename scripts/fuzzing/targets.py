"""One function a reader. Each takes any bytes, and fails where a promise is broken.

A promise: the reader gives something that holds together, or raises an error of `stream_restore.errors`; nothing else
ever leaves it, it ends, and it makes no more of the bytes than they hold.
"""

import io
import json
import os
import struct
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from stream_restore.audio import Source, open_source, parse_raw
from stream_restore.audio.bytestream import ByteStream, OnePass
from stream_restore.audio.ffmpeg.frame_headers import ADTS, MPEG
from stream_restore.audio.ffmpeg.resync import FrameStream
from stream_restore.audio.formats import WORDS
from stream_restore.audio.ogg.pages import checksum
from stream_restore.audio.ogg.watch import OggWatch
from stream_restore.cli.main import main
from stream_restore.errors import ConfigError, ModelError, RestoreError, SourceError
from stream_restore.models.container import MANIFEST_KEY, SEAL_KEY, ZEROS, read_manifest, seal
from stream_restore.models.manifest import Manifest
from stream_restore.passes.journal import Journal

__all__ = ["BOUND", "OPTIONS", "SEEDS", "TARGETS"]

BOUND = 64 << 20
"""Bytes that may be held at once, whatever the input claims."""
_FAMILIES = (b"RIFF\0\0\0\0WAVE", b"RF64\xff\xff\xff\xffWAVE", b"RIFX\0\0\0\0WAVE", b"BW64\xff\xff\xff\xffWAVE")
_WAVE64 = (
    bytes.fromhex("726966662e91cf11a5d628db04c10000") + bytes(8) + b"WAVE" + bytes.fromhex("f3acd3118cd100c04f8edb8a")
)
HEADS = (*_FAMILIES, _WAVE64, b".snd", b"")
OPTIONS = (
    "--cutoff",
    "--order",
    "--rate",
    "--bits",
    "--snr",
    "--seed",
    "--power",
    "--raw",
    "-f",
    "--phase",
    "--clip-mode",
)


@contextmanager
def _bounded() -> Iterator[None]:
    """Fails where more than `BOUND` bytes were held, as far as Python and NumPy tell."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < BOUND
    finally:
        tracemalloc.stop()


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder inside another, in which nothing but the first may be."""
    with tempfile.TemporaryDirectory(prefix="stream_restore-fuzz-") as outer:
        inner = Path(outer) / "inner"
        inner.mkdir()
        yield inner
        assert os.listdir(outer) == ["inner"]


class _Pipe:
    """Bytes that cannot be sought and come seven at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 7) if size >= 0 else 7)


def _frames_to_end(source: Source) -> int:
    """Frames to the end of a source."""
    frames = 0
    while count := source.read(4096).shape[1]:
        frames += count
    return frames


def sound(data: bytes) -> None:
    """WAV, RF64, BW64, RIFX, W64 and AU, from a file and from a pipe: the first byte says which."""
    data = HEADS[data[0] % len(HEADS)] + data[1:] if data else data
    frames: list[int | None] = []
    with _folder() as folder, _bounded():
        (folder / "in").write_bytes(data)
        for target in (folder / "in", cast(BinaryIO, _Pipe(data))):
            try:
                with open_source(target) as source:
                    frames.append(_frames_to_end(source))
                    assert frames[-1] is not None
                    plain = source.format.encoding in WORDS
                    assert not plain or frames[-1] * source.spec.channels <= len(data)
            except SourceError:
                frames.append(None)
    is_wav = data[:4] in {head[:4] for head in (*_FAMILIES, _WAVE64)}
    assert not is_wav or frames[0] == frames[1] or None in frames


def framing(data: bytes) -> None:
    """What mends MPEG audio, ADTS and Ogg before they are decoded, the same in any parts: the first byte says which."""
    mended = []
    for most in (1, 4096):
        source = OnePass(ByteStream(cast(BinaryIO, _Pipe(data[1:])), "input"))
        stream = OggWatch(source) if data[:1] < b"\2" else FrameStream(source, ADTS if data[0] % 2 else MPEG)
        with _bounded():
            mended.append(_all_links(stream, most))
    assert mended[0] == mended[1]


def _all_links(stream: OggWatch | FrameStream, most: int) -> list[bytes]:
    links = [b"".join(iter(lambda: stream.read(most), b""))]
    while isinstance(stream, OggWatch) and stream.next_link():
        links.append(b"".join(iter(lambda: stream.read(most), b"")))
    return links


def raw(data: bytes) -> None:
    """What --raw takes."""
    with suppress(ConfigError):
        form = parse_raw(data.decode("utf-8", "replace"))
        assert form.encoding in WORDS
        assert form.spec.sample_rate > 0
        assert form.spec.channels > 0


def manifest(data: bytes) -> None:
    """A manifest's JSON; its stems become names of files."""
    with suppress(ModelError), _bounded():
        found = Manifest.from_json(data.decode("utf-8", "replace"))
        assert Manifest.from_json(found.to_json()) == found
        assert all(Path(stem).name == stem and stem[0] not in ".-" for stem in found.stems)


def _field(number: int, data: bytes) -> bytes:
    """A field of protobuf that holds bytes."""
    head, size = bytes([number << 3 | 2]), len(data)
    while size > 127:
        head, size = head + bytes([size & 127 | 128]), size >> 7
    return head + bytes([size]) + data


def container(data: bytes) -> None:
    """An .onnx file: as it is, and sealed with a good manifest, so that all behind the seal is reached."""
    good = Manifest("x", "x", 8000, 1, ("all",), 64, 64).to_json().encode()
    entries = {MANIFEST_KEY: good, SEAL_KEY: ZEROS}
    sealed = data + b"".join(_field(14, _field(1, key.encode()) + _field(2, text)) for key, text in entries.items())
    with _folder() as folder, _bounded():
        for bytes_ in (data, sealed):
            path = folder / "model.onnx"
            path.write_bytes(bytes_)
            with suppress(ModelError):
                if bytes_ is sealed:
                    seal(path)
                read_manifest(path)


def weights(data: bytes) -> None:
    """A .safetensors file: as it is, and with its length put right; and the same bytes as a .th file."""
    from stream_restore.models.weights import read_network

    with _folder() as folder:
        for name, bytes_ in (
            ("a.safetensors", data),
            ("b.safetensors", struct.pack("<Q", len(data)) + data),
            ("c.th", data),
        ):
            (folder / name).write_bytes(bytes_)
            with suppress(ModelError):
                read_network(folder / name)


def journal(data: bytes) -> None:
    """A journal: as it is, and with the same bytes as what it says about the run."""
    with _folder() as folder, _bounded():
        book = Journal(folder / "out.wav", {"work": 1})
        book.path.write_bytes(data)
        with suppress(RestoreError):
            book.load()
        text = data.decode("utf-8", "replace").replace("\0", " ")
        with book.path.open("wb") as file:
            np.savez(file, about=np.array(text), state=np.zeros(3))
        with suppress(RestoreError):
            book.load()


def words(data: bytes) -> None:
    """The command line: lines of bytes are the values of its options. It says what is wrong in a line and ends."""
    values = data.decode("utf-8", "replace").replace("\0", "").split("\n")
    chosen = [part for option, value in zip(OPTIONS, values, strict=False) if value for part in (option, value)]
    said = io.StringIO()
    with _folder() as folder, redirect_stderr(said), redirect_stdout(said):
        (folder / "in.wav").write_bytes(_WAV)
        code = main(["degrade", str(folder / "in.wav"), "-o", str(folder / "out.wav"), *chosen])
        assert code in (0, 1, 2)
        assert "Traceback" not in said.getvalue()
        assert (folder / "out.wav").exists() == (code == 0)


_WAV = b"RIFF" + struct.pack("<I", 68) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 44100, 88200, 2, 16)
_WAV += b"data" + struct.pack("<I", 32) + bytes(range(32))
_AU = b"\5" + struct.pack(">IIIII", 24, 8, 3, 8000, 1) + bytes(8)
_MPEG = b"\xff\xfb\x10\xc0" + bytes(100)
_ADTS = bytes.fromhex("fff15080027ffc") + bytes(12)
_ID3 = b"ID3\3\0\0\0\0\0\x0a" + bytes(10)


def _page(flags: int, number: int) -> bytes:
    """An Ogg page of 20 bytes of sound."""
    head = b"OggS\0" + bytes([flags]) + struct.pack("<qIII", number, 1, number, 0) + b"\1\x14" + bytes(20)
    return head[:22] + struct.pack("<I", checksum(head)) + head[26:]


_OGG = _page(2, 0) + _page(0, 1) + _page(4, 2)
_ABOUT = {"facts": {"work": 1}, "frames": 3, "outputs": [[3, 0]], "finished": False}

TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "sound": sound,
    "framing": framing,
    "raw": raw,
    "manifest": manifest,
    "container": container,
    "weights": weights,
    "journal": journal,
    "words": words,
}
"""By the word that scripts/fuzz takes."""

SEEDS: Mapping[str, tuple[bytes, ...]] = {
    "sound": (*(bytes([kind]) + _WAV[12:] for kind in range(5)), _AU),
    "framing": (
        b"\2" + _MPEG * 6 + _ID3 + _MPEG * 6,
        b"\3" + _ADTS * 6 + bytes(40) + _ADTS * 6,
        b"\0" + _OGG + _OGG,
    ),
    "raw": (b"s16le:44100:2", b"f32be:1:1"),
    "manifest": (Manifest("x", "x", 8000, 1, ("all",), 64, 64).to_json().encode(),),
    "container": (_field(7, _field(1, _field(5, _field(5, b"\x08\x01")))),),
    "weights": (
        json.dumps({"__metadata__": {"klass": "demucs.demucs.Demucs", "args": "[]", "kwargs": "{}"}}).encode(),
    ),
    "journal": (json.dumps(_ABOUT).encode(),),
    "words": (b"7000\n6\n16000\n8\n20\n0\n-20\n\nwav\nzero\nclamp", b"none\n\nnone\nnone\nnone\n1"),
}
"""What begins to be mutated."""
