"""All figures at once, of which some can be asked for by name."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, replace
from math import nan
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..spec import Spec, duration
from .accumulator import Accumulator
from .bss_eval import Projection
from .distortion import Distortion, Metrics
from .segmental import Segmental, Segments
from .spectral import Spectral, SpectralFigures

__all__ = ["FIGURES", "Comparison", "Figures"]

SPECTRAL = ("lsd", "sdr-below", "sdr-above")
FIGURES = (
    *("sdr", "si-sdr", "scale", "snr", "si-sdr-zero-mean", "bss-sdr", "segmental-sdr"),
    *SPECTRAL,
    "delay",
)
"""Names by which figures can be asked for."""


@dataclass(frozen=True)
class Figures:
    """All figures of an estimate against its reference; `stream_restore.measure` says what each is.

    Figures that were not asked for are nan where computing them takes time.
    """

    metrics: Metrics
    bss_sdr_db: float
    spectral: SpectralFigures
    segments: Segments

    def as_dict(self) -> dict[str, float]:
        """The single figures by name."""
        return {
            **asdict(self.metrics),
            "bss_sdr_db": self.bss_sdr_db,
            "segmental_sdr_db": self.segments.mean_db,
            **asdict(self.spectral),
        }


class Comparison(Accumulator[Figures]):
    """Accumulates all figures block by block, in memory that does not grow.

    Args:
        spec: of both recordings.
        split_hz: where the bands of `sdr_below_db` and `sdr_above_db` meet.
        every_seconds: length of a segment of `segments`.
        start: frame at which this part begins.
        only: compute these of `FIGURES`; those not named that take no time of their own come with them.

    Raises:
        ConfigError: if a parameter is invalid.
    """

    state_names = (*Accumulator.state_names, "_distortion", "_projection", "_spectral", "_segmental")

    def __init__(
        self,
        spec: Spec,
        *,
        split_hz: float = 7000.0,
        every_seconds: float = 1.0,
        start: int = 0,
        only: Collection[str] = FIGURES,
    ) -> None:
        _refuse_unknown(only)
        what = {"spec": spec, "split_hz": split_hz, "every_seconds": every_seconds, "only": tuple(sorted(only))}
        super().__init__(spec.channels, start, **what)
        self._nothing = Figures(
            Metrics(0, nan, nan, nan), nan, SpectralFigures(nan, nan, nan, split_hz), Segments(0, ())
        )
        self._distortion = Distortion()
        self._projection = Projection(spec.channels, start) if "bss-sdr" in only else None
        self._spectral = Spectral(spec, split_hz, start) if not set(only).isdisjoint(SPECTRAL) else None
        every = round(duration(every_seconds) * spec.sample_rate)
        self._segmental = Segmental(spec.channels, every, start) if "segmental-sdr" in only else None

    def accumulate(self, both: NDArray[np.float32]) -> None:
        for part in (self._projection, self._spectral):
            if part:
                part.take(both)
        for index, piece in self._pieces(both):
            found = Distortion()
            found.update(piece[: self.channels], piece[self.channels :])
            self._distortion.merge(found)
            if self._segmental:
                self._segmental.add(index, found.products)

    def join(self, other: Self) -> None:
        self._distortion.merge(other._distortion)
        for mine, theirs in zip(self._parts(), other._parts(), strict=True):
            mine.merge(theirs)

    def result(self) -> Figures:
        found = replace(self._nothing, metrics=self._distortion.result())
        if self._projection:
            found = replace(found, bss_sdr_db=self._projection.result())
        if self._spectral:
            found = replace(found, spectral=self._spectral.result())
        return replace(found, segments=self._segmental.result()) if self._segmental else found

    def _parts(self) -> list[Accumulator[Any]]:
        return [part for part in (self._projection, self._spectral, self._segmental) if part]

    def _pieces(self, both: NDArray[np.float32]) -> Iterable[tuple[int, NDArray[np.float32]]]:
        """Pieces of segments: their products, taken once, are those of the segment and of the whole."""
        if self._segmental is None:
            return [(0, both)]
        self._segmental.stop = self.stop
        return self._segmental.pieces(both)


def _refuse_unknown(only: Collection[str]) -> None:
    unknown = set(only).difference(FIGURES)
    if unknown or not only:
        said = f"no figure is called {', '.join(sorted(unknown))}" if unknown else "no figure is named"
        raise ConfigError(f"{said}; there are {', '.join(FIGURES)}")
