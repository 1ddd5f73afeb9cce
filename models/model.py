"""What the engine sees of a model: a manifest, and one voice for each network of a bag."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError
from ..spec import Audio
from .manifest import Edges, Manifest

__all__ = ["GAINS", "Backend", "GainNetwork", "Model", "Stems", "Voice"]

Stems = NDArray[np.float32]
"""Sources of one segment, shape (stems, channels, frames)."""


class Backend(Protocol):
    """One network that turns a segment of audio into stems.

    `segment_frames` is the length of a chunk on the overlap-add grid, `edges` what it wants to hear beyond the ends
    of a recording, see `manifest.Edges`.
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
        """Length of the input that a chunk of `frames` (1..segment_frames) wants, at least `frames`."""
        ...

    def separate(self, segment: Audio) -> Stems:
        """Stems of a segment of `input_frames(n)` frames, shape (stems, channels, the same frames).

        May be called from several threads at once; neither changes nor keeps its argument.

        Raises:
            ModelError: a shape that the network does not take.
        """
        ...


GAINS = "Gains"
"""The architecture of a `GainNetwork`, as a manifest names it."""


class GainNetwork(Protocol):
    """A network that says of each band and column of a spectrogram how much of it is not noise."""

    def gains(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Gains, 0 to 1, shape (bands, columns), for features of shape (features, bands, columns).

        Raises:
            ModelError: if the network does not take the shape.
        """
        ...


@dataclass(frozen=True)
class Voice:
    """One network of a bag, with its weight for each stem.

    The bag's stem is `sum(weight * stem) / sum(weight)` over its voices.
    """

    backend: Backend
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Model:
    """Networks that answer together, and the manifest that says what they are.

    Attributes:
        digest: sha256 of the weights or of the file that holds them; empty where nobody needs to know.
        runtime: what else may change a bit of the answers: the library and its version, threads, device.
        gain_network: a network of gains instead of voices.

    Raises:
        ModelError: no voices, or voices that disagree on rate, channels or stems; a stem without weight.
    """

    manifest: Manifest
    voices: tuple[Voice, ...]
    digest: str = ""
    runtime: Mapping[str, str] = field(default_factory=dict)
    gain_network: GainNetwork | None = None

    def __post_init__(self) -> None:
        if not self.voices and self.gain_network is None:
            raise ModelError(f"model {self.manifest.name!r} has no networks")
        expected = (self.manifest.sample_rate, self.manifest.channels, self.manifest.stems)
        for number, voice in enumerate(self.voices):
            found = (voice.backend.sample_rate, voice.backend.channels, voice.backend.stems)
            if found != expected or len(voice.weights) != len(self.manifest.stems):
                raise ModelError(
                    f"network {number} of model {self.manifest.name!r} has (rate, channels, stems) = {found} "
                    f"and {len(voice.weights)} weights, the model says {expected}"
                )
        for index, stem in enumerate(self.manifest.stems if self.voices else ()):
            if sum(voice.weights[index] for voice in self.voices) == 0:
                raise ModelError(f"the weights of stem {stem!r} of model {self.manifest.name!r} sum to 0")

    def facts(self) -> dict[str, Any]:
        """What the answers depend on, as JSON can hold it: a run that was stopped goes on only with the same."""
        return {"model": asdict(self.manifest), "weights": self.digest, "runtime": dict(self.runtime)}
