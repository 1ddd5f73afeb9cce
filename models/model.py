"""A model as the engine sees it: a manifest, and one member for each network of a bag."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import wraps
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..spec import Audio
from .manifest import Edges, Manifest

__all__ = ["GAINS", "Backend", "Batching", "GainNetwork", "Member", "Model", "Stems", "Voice", "batch_of"]

Stems = NDArray[np.float32]
"""Sources of one segment, shape (stems, channels, frames)."""


class Backend(Protocol):
    """One network that separates a segment of audio into stems.

    `segment_frames` is the length of a chunk on the overlap-add grid, `edges` the padding beyond the ends of a
    recording, see `manifest.Edges`.
    """

    @property
    def sample_rate(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def stems(self) -> tuple[str, ...]: ...
    @property
    def segment_frames(self) -> int: ...
    @property
    def edges(self) -> Edges: ...

    def input_frames(self, frames: int) -> int:
        """Input length for a chunk of `frames` (1..segment_frames), at least `frames`."""
        ...

    def separate(self, segment: Audio) -> Stems:
        """Stems of a segment of `input_frames(n)` frames, shape (stems, channels, same frames).

        Must be thread-safe, and must neither change nor keep its argument.

        Raises:
            ModelError: if the network does not take the shape.
        """
        ...


class Batching(Backend, Protocol):
    """A network that is given several segments in one call, as a GPU wants them."""

    @property
    def batch(self) -> int:
        """Segments in a call."""
        ...

    def separate_batch(self, segments: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `separate`, shape (batch, channels, frames) -> (batch, stems, channels, frames)."""
        ...


def batch_of(backend: Backend) -> int:
    """Segments that a backend takes in one call; 1 where it is not `Batching`."""
    return int(getattr(backend, "batch", 1))


GAINS = "Gains"
"""`Manifest.architecture` of a `GainNetwork`."""


class GainNetwork(Protocol):
    """A network that estimates which part of each band and column of a spectrogram is not noise."""

    def gains(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Gains, 0 to 1, shape (bands, columns), for features of shape (features, bands, columns).

        Raises:
            ModelError: if the network does not take the shape.
        """
        ...


@dataclass(frozen=True)
class Member:
    """One network of a bag, with its weight for each stem.

    A stem of the bag is `sum(weight * stem) / sum(weight)` over its members.
    """

    backend: Backend
    weights: tuple[float, ...]


Voice = Member  # the name up to version 0.2

_Class = TypeVar("_Class")


def _accepts_voices(model: type[_Class]) -> type[_Class]:
    """Let `Model(...)` take `members` under its name up to version 0.2, `voices`, too."""
    create: Any = vars(model)["__init__"]

    @wraps(create)
    def create_with_voices(self: _Class, *arguments: Any, **options: Any) -> None:
        if "voices" in options and "members" not in options:
            options["members"] = options.pop("voices")
        create(self, *arguments, **options)

    type.__setattr__(model, "__init__", create_with_voices)
    return model


@_accepts_voices
@dataclass(frozen=True)
class Model:
    """A bag of networks, whose stems are averaged, or a network of gains, with the manifest.

    Attributes:
        members: the networks of the bag; empty for a network of gains.
        digest: sha256 of the weights or of the file that holds them; empty if not needed.
        runtime: what else may change a bit of the output: the library and its version, threads, device.
        gain_network: a network of gains instead of members.
        notes: what a user must know of its results, each a line.

    Raises:
        ModelError: if there is no network; if members differ in rate, channels or stems; if the weights of a stem sum
            to 0.
    """

    manifest: Manifest
    members: tuple[Member, ...]
    digest: str = ""
    runtime: Mapping[str, str] = field(default_factory=dict)
    gain_network: GainNetwork | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.members and self.gain_network is None:
            raise ModelError(f"model {self.manifest.name!r} has no networks")
        expected = (self.manifest.sample_rate, self.manifest.channels, self.manifest.stems)
        for number, member in enumerate(self.members):
            found = (member.backend.sample_rate, member.backend.channels, member.backend.stems)
            if found != expected or len(member.weights) != len(self.manifest.stems):
                raise ModelError(
                    f"network {number} of model {self.manifest.name!r} has (rate, channels, stems) = {found} "
                    f"and {len(member.weights)} weights, the model says {expected}"
                )
        for index, stem in enumerate(self.manifest.stems if self.members else ()):
            if sum(member.weights[index] for member in self.members) == 0:
                raise ModelError(f"the weights of stem {stem!r} of model {self.manifest.name!r} sum to 0")

    @property
    def voices(self) -> tuple[Member, ...]:
        """Name of `members` up to version 0.2."""
        return self.members

    def facts(self) -> dict[str, Any]:
        """What the output depends on, as JSON values: a stopped run resumes only if these are equal."""
        return {"model": asdict(self.manifest), "weights": self.digest, "runtime": dict(self.runtime)}
