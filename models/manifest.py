"""The manifest: a model's metadata, and its JSON form.

An .onnx file carries the JSON in `metadata_props`, so that one file is a complete model.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias, get_args

from ..errors import ModelError

__all__ = ["FORMAT", "MAX_FRAMES", "Edges", "Lengths", "Manifest", "Stft", "recombination"]

FORMAT = 1
"""Version of the JSON form."""
MAX_FRAMES = 1 << 26
"""Longest segment of a manifest in frames, 25 minutes at 44.1 kHz."""
Edges: TypeAlias = Literal["silence", "mirror"]
"""Input of a fixed-length network where its window extends beyond the recording. "silence": the window is centred on
the audio and padded with zeros, as in demucs, and as its fixed-length networks were trained. "mirror": the window is
moved inwards, and a recording shorter than the window is extended by its mirror image."""
_STEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # stems are used as file names


@dataclass(frozen=True)
class Stft:
    """Parameters of the spectrogram computed outside the network, with a periodic Hann window.

    `padding` extends a segment beyond its ends: "reflect", or "constant" for zeros, as the first hybrid
    Demucs networks were trained (`hybrid_old`).

    Raises:
        ModelError: if a field is out of range.
    """

    n_fft: int
    hop: int
    padding: str = "reflect"

    def __post_init__(self) -> None:
        _check("stft.n_fft", self.n_fft, 16 <= self.n_fft <= 65536 and self.n_fft % 16 == 0, "16..65536 by 16")
        _check("stft.hop", self.hop, self.hop * 4 == self.n_fft, "a quarter of n_fft")
        _check("stft.padding", self.padding, self.padding in ("reflect", "constant"), "reflect or constant")


@dataclass(frozen=True)
class Lengths:
    """Input lengths of a network: `least + k * step` frames for k = 0, 1, 2, ...

    Raises:
        ModelError: if a field is out of range.

    >>> Lengths(least=298, step=128).holding(300)
    426
    """

    least: int
    step: int

    def __post_init__(self) -> None:
        _check("lengths.least", self.least, 1 <= self.least <= MAX_FRAMES, f"1..{MAX_FRAMES}")
        _check("lengths.step", self.step, 1 <= self.step <= MAX_FRAMES, f"1..{MAX_FRAMES}")

    def holding(self, frames: int) -> int:
        """The shortest length of at least `frames`."""
        return self.least + max(0, -(-(frames - self.least) // self.step)) * self.step


def recombination(stems: tuple[str, ...]) -> tuple[float, tuple[float, ...]]:
    """Default `(dry, gains)`: the sum of all stems, or the input minus the artifacts for a network of these.

    >>> recombination(("vocals", "other"))
    (0.0, (1.0, 1.0))
    >>> recombination(("artifacts",))
    (1.0, (-1.0,))
    """
    return (1.0, (-1.0,)) if stems == ("artifacts",) else (0.0, (1.0,) * len(stems))


@dataclass(frozen=True)
class Manifest:
    """Metadata of a model.

    Attributes:
        name: used in messages.
        architecture: "HTDemucs", "HDemucs", "Demucs", or any name for third-party networks.
        sample_rate: in Hz.
        channels: of the input and of each stem.
        stems: names of the sources, in order.
        segment_frames: length of a segment on the overlap-add grid.
        input_frames: input length for a whole segment, at least `segment_frames`.
        stft: of the spectrogram outside the network; None for a waveform network.
        licence: of the weights.
        parity: largest difference to PyTorch at export, in units of the output's peak; None: not measured.
        dry, gains: restored = dry * input + sum(gain * stem); empty gains mean 1 each.
        edges: padding beyond the ends of a recording.
        lengths: input lengths up to `input_frames`; None: `input_frames` only.
        input_gain: the caller must multiply the input by it and divide the output by it.

    Raises:
        ModelError: if a field is out of range.

    >>> manifest = Manifest("x", "Demucs", 44100, 2, ("artifacts",), 1000, 1024, dry=1.0, gains=(-1.0,))
    >>> Manifest.from_json(manifest.to_json()) == manifest
    True
    """

    name: str
    architecture: str
    sample_rate: int
    channels: int
    stems: tuple[str, ...]
    segment_frames: int
    input_frames: int
    stft: Stft | None = None
    licence: str = "unknown"
    parity: float | None = None
    dry: float = 0.0
    gains: tuple[float, ...] = ()
    input_gain: float = 1.0
    edges: Edges = "silence"
    lengths: Lengths | None = None

    def __post_init__(self) -> None:
        if not self.gains:
            object.__setattr__(self, "gains", (1.0,) * len(self.stems))
        for name, holds, wanted in _BOUNDS:
            _check(name, getattr(self, name), holds(self), wanted)

    def to_json(self) -> str:
        """The JSON form, one object with sorted keys."""
        return json.dumps({"format": FORMAT} | asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Parse the output of `to_json`.

        Raises:
            ModelError: if the JSON is invalid; if a field is unknown, missing, of the wrong type or out of range.
        """
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"the manifest is not JSON: {error}") from None
        found = _object("manifest", found)
        if found.pop("format", None) != FORMAT:
            raise ModelError(f"the manifest is not of format {FORMAT}: made by another version, export it again")
        values = _typed({"lengths": None} | found, _TYPES, "")  # older files have no lengths
        if values["stft"] is not None:
            values["stft"] = Stft(**_typed(_object("stft", values["stft"]), _STFT_TYPES, "stft."))
        if values["lengths"] is not None:
            values["lengths"] = Lengths(**_typed(_object("lengths", values["lengths"]), _LENGTHS_TYPES, "lengths."))
        return cls(**values)


def _check(name: str, value: object, holds: bool, wanted: str) -> None:
    if not holds:
        raise ModelError(f"manifest field {name} must be {wanted}, got {value!r}")


def _printable(text: str, limit: int = 200) -> bool:
    return 0 < len(text) <= limit and text.isprintable()


def _stems(stems: tuple[str, ...]) -> bool:
    distinct = len({stem.lower() for stem in stems}) == len(stems)
    return 1 <= len(stems) <= 32 and distinct and all(_STEM.fullmatch(stem) for stem in stems)


def _lengths(manifest: Manifest) -> bool:
    return manifest.lengths is None or manifest.lengths.holding(manifest.segment_frames) == manifest.input_frames


_BOUNDS: tuple[tuple[str, Callable[[Manifest], bool], str], ...] = (
    ("name", lambda m: _printable(m.name), "1..200 printable characters"),
    ("architecture", lambda m: _printable(m.architecture), "1..200 printable characters"),
    ("sample_rate", lambda m: 1 <= m.sample_rate <= 768_000, "1..768000 Hz"),
    ("channels", lambda m: 1 <= m.channels <= 64, "1..64"),
    ("stems", lambda m: _stems(m.stems), "1..32 distinct names of letters, digits, - and _"),
    ("segment_frames", lambda m: 1 <= m.segment_frames <= MAX_FRAMES, f"1..{MAX_FRAMES}"),
    ("input_frames", lambda m: m.segment_frames <= m.input_frames <= MAX_FRAMES, "at least segment_frames"),
    ("lengths", lambda m: _lengths(m), "null, or its shortest for segment_frames must be input_frames"),
    ("licence", lambda m: _printable(m.licence), "1..200 printable characters"),
    ("parity", lambda m: m.parity is None or 0 <= m.parity <= 1, "0..1 or null"),
    ("dry", lambda m: abs(m.dry) <= 100, "-100..100"),
    ("gains", lambda m: len(m.gains) == len(m.stems) and all(abs(g) <= 100 for g in m.gains), "one per stem"),
    ("edges", lambda m: m.edges in get_args(Edges), "silence or mirror"),
    ("input_gain", lambda m: 1e-6 <= m.input_gain <= 1e6, "1e-6..1e6"),
)


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError("an integer")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("a finite number")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a string")
    return value


def _each(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def items(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise TypeError("a list")
        return tuple(read(item) for item in value)

    return items


_TYPES: dict[str, Callable[[Any], Any]] = {
    "name": _text,
    "architecture": _text,
    "sample_rate": _integer,
    "channels": _integer,
    "stems": _each(_text),
    "segment_frames": _integer,
    "input_frames": _integer,
    "stft": lambda value: value,
    "licence": _text,
    "parity": lambda value: None if value is None else _number(value),
    "dry": _number,
    "gains": _each(_number),
    "input_gain": _number,
    "edges": _text,
    "lengths": lambda value: value,
}
_LENGTHS_TYPES: dict[str, Callable[[Any], Any]] = {"least": _integer, "step": _integer}
_STFT_TYPES: dict[str, Callable[[Any], Any]] = {"n_fft": _integer, "hop": _integer, "padding": _text}


def _object(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ModelError(f"{name} must be a JSON object, got {type(value).__name__}")
    return dict(value)


def _typed(found: dict[str, Any], types: dict[str, Callable[[Any], Any]], prefix: str) -> dict[str, Any]:
    """`found` with each field converted to its type; exactly the fields of `types` must be present."""
    if found.keys() != types.keys():
        wrong = sorted(found.keys() ^ types.keys())
        raise ModelError(f"manifest fields missing or unknown: {', '.join(prefix + name for name in wrong)}")
    return {name: _field(prefix + name, read, found[name]) for name, read in types.items()}


def _field(name: str, read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except TypeError as error:
        raise ModelError(f"manifest field {name} must be {error}, got {value!r}") from None
