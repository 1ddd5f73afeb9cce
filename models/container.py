"""Reads the manifest and sha256 of a sealed .onnx file without any ONNX package.

An .onnx file is one protobuf message, `ModelProto` of onnx.proto. A message is a sequence of fields, each a key
(field number * 8 + wire type) and a value: wire type 0 a varint, 1 eight bytes, 2 length-prefixed bytes, 5 four
bytes. Two entries of `metadata_props` are ours:

    stream_restore.manifest    JSON, see `manifest`
    stream_restore.sha256      64 hexadecimal digits: sha256 of the whole file with these digits as "0"

A file with no seal or a wrong one is refused before ONNX Runtime loads it. Third parties add both entries and call
`seal`. The seal detects damage; it does not authenticate the author.
"""

import hashlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from ..errors import ModelError
from .manifest import Manifest

__all__ = ["MANIFEST_KEY", "SEAL_KEY", "ZEROS", "read_manifest", "seal"]

MANIFEST_KEY = "stream_restore.manifest"
SEAL_KEY = "stream_restore.sha256"
ZEROS = b"0" * 64
_PIECE = 1 << 20
Span: TypeAlias = tuple[int, int]

# Field numbers of onnx.proto that lead from a message to its tensors and nodes.

_TREE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_METADATA_PROPS, _KEY, _VALUE = 14, 1, 2
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_OP_TYPE, _LOOPS = 4, (b"Loop", b"Scan")


def read_manifest(path: Path) -> Manifest:
    """The manifest of a sealed .onnx file, after checking that it is intact, self-contained and free of loops.

    Raises:
        ModelError: if the file is missing or not protobuf; if it has no seal, a wrong sha256, external weights, a loop
            or an invalid manifest.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(path, data)
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error


def _read(path: Path, data: mmap.mmap) -> Manifest:
    properties = _properties(data, path)
    if SEAL_KEY not in properties or MANIFEST_KEY not in properties:
        raise ModelError(f"{path} carries no manifest of stream_restore: make it with 'stream-restore export'")
    start, end = properties[SEAL_KEY]
    found = _digest(data, start)
    if data[start:end] != found:
        raise ModelError(f"{path} is cut short or altered: its sha256 is not the one it carries; get it again")
    _refuse_unsafe(path, data)
    start, end = properties[MANIFEST_KEY]
    try:
        return Manifest.from_json(data[start:end].decode("utf-8"))
    except (ModelError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: {error}") from error


def seal(path: Path) -> None:
    """Write the sha256 of an .onnx file into its zero-filled entry `stream_restore.sha256`, in place.

    Raises:
        ModelError: if there is no such entry of 64 characters.
    """
    with path.open("r+b") as file:
        with mmap.mmap(file.fileno(), 0) as data:
            start, end = _properties(data, path).get(SEAL_KEY, (0, 0))
            if end - start != len(ZEROS):
                raise ModelError(f"{path} has no metadata entry {SEAL_KEY} of {len(ZEROS)} zeros")
            data[start:end] = _digest(data, start)
            data.flush()
        os.fsync(file.fileno())


def _digest(data: mmap.mmap, start: int) -> bytes:
    """Hexadecimal sha256 of `data` with the 64 bytes at `start` taken as "0"."""
    digest = hashlib.sha256()
    for low, high in ((0, start), (start + len(ZEROS), len(data))):
        if low:
            digest.update(ZEROS)
        for at in range(low, high, _PIECE):
            digest.update(data[at : min(at + _PIECE, high)])
    return digest.hexdigest().encode()


def _properties(data: mmap.mmap, path: Path) -> dict[str, Span]:
    """Byte span of the value of each entry of `metadata_props`."""
    found: dict[str, Span] = {}
    for number, wire, start, end in _fields(data, (0, len(data)), path):
        if (number, wire) != (_METADATA_PROPS, 2):
            continue
        entry = {each: (low, high) for each, _, low, high in _fields(data, (start, end), path)}
        if _KEY in entry and _VALUE in entry:
            key = data[slice(*entry[_KEY])].decode("utf-8", "replace")
            if key in found:
                raise ModelError(f"{path} has the metadata entry {key!r} twice")
            found[key] = entry[_VALUE]
    return found


def _refuse_unsafe(path: Path, data: mmap.mmap) -> None:
    """Refuse external weights, and loops (which may not terminate), in the graph, its subgraphs and functions."""
    pending = [("model", (0, len(data)))]
    while pending:
        kind, span = pending.pop()
        for number, wire, start, end in _fields(data, span, path):
            elsewhere = number == _EXTERNAL_DATA or (number == _DATA_LOCATION and data[start] != 0)
            if kind == "tensor" and elsewhere:
                raise ModelError(f"{path} keeps weights in another file: save it with its data inside")
            if kind == "node" and number == _OP_TYPE and data[start:end] in _LOOPS:
                raise ModelError(
                    f"{path} has a loop ({data[start:end].decode()}), which may never end: export it unrolled"
                )
            if wire == 2 and number in _TREE.get(kind, {}):
                pending.append((_TREE[kind][number], (start, end)))


def _fields(data: mmap.mmap, span: Span, path: Path) -> Iterator[tuple[int, int, int, int]]:
    """(number, wire type, start, end) of each field of the message at `span`."""
    at, end = span
    while at < end:
        key, at = _varint(data, at, end, path)
        wire = key & 7
        if wire == 2:
            length, at = _varint(data, at, end, path)
        elif wire == 0:
            length = _varint(data, at, end, path)[1] - at
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ModelError(f"{path} is not an .onnx file, or it is damaged, at byte {at}")
        if at + length > end:
            raise ModelError(f"{path} is cut short: a field at byte {at} wants {length} bytes")
        yield key >> 3, wire, at, at + length
        at += length


def _varint(data: mmap.mmap, at: int, end: int, path: Path) -> tuple[int, int]:
    """A little-endian base-128 integer, and the position after it."""
    value = shift = 0
    while at < end and shift < 64:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at
    raise ModelError(f"{path} is not an .onnx file, or it is cut short, at byte {at}")
