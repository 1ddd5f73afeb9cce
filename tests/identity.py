"""A network whose answer is known: what it hears."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_restore.models.manifest import Edges, Manifest
from stream_restore.models.model import Member, Model
from stream_restore.spec import Audio

__all__ = ["Identity", "Together", "identity", "together"]


class Identity:
    """A network whose one stem is what it hears; spoilt within `edge` frames of both ends of its window."""

    sample_rate, channels, stems, segment_frames = 1000, 2, ("all",), 100

    def __init__(self, edge: int = 0, poison: float | None = None, edges: Edges = "silence") -> None:
        self.edge, self.poison, self.edges = edge, poison, edges
        self.inputs: list[Audio] = []

    def input_frames(self, frames: int) -> int:
        return 100

    def separate(self, segment: Audio) -> NDArray[np.float32]:
        self.inputs.append(segment.copy())
        out = segment[None].copy()
        if self.edge:
            out[..., : self.edge] = out[..., -self.edge :] = 9.0
        if self.poison is not None:
            out[np.isclose(out, self.poison)] = np.nan
        return out


class Together(Identity):
    """One that hears three segments in a call, and whose answer tells the place in it."""

    batch = 3

    def separate_batch(self, segments: NDArray[np.float32]) -> NDArray[np.float32]:
        answers = [self.separate(segment) + np.float32(0.01 * place) for place, segment in enumerate(segments, 1)]
        return np.stack(answers)


def together() -> Model:
    return replace(identity(), members=(Member(Together(), (1.0,)),))


def identity(*, dry: float = 0.0, gain: float = 1.0, **options: Any) -> Model:
    manifest = Manifest("identity", "none", 1000, 2, ("all",), 100, 100, dry=dry, gains=(gain,))
    return Model(manifest, (Member(Identity(**options), (1.0,)),))
