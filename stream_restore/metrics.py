"""Running SDR and SI-SDR: exact, mergeable, in memory that does not grow.

All figures follow from three sums over frames: <r, r>, <r, e> and <e, e> of reference r and estimate e.
They are kept without rounding (`ExactSum`), so a result does not depend on how the stream was cut, nor on the
order in which parts are merged, and differences of nearly equal energies lose nothing.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import inf, log10, nan

import numpy as np

from .errors import SpecError
from .exact import ExactSum
from .spec import Audio

__all__ = ["Distortion", "Metrics", "decibels"]


def decibels(signal: Fraction, distortion: Fraction) -> float:
    """10 log10(signal / distortion): inf without distortion, -inf without signal, nan without both.

    >>> decibels(Fraction(100), Fraction(1)), decibels(Fraction(0), Fraction(1))
    (20.0, -inf)
    """
    if not distortion:
        return inf if signal else nan
    return 10 * log10(signal / distortion) if signal else -inf


@dataclass(frozen=True)
class Metrics:
    """Figures of an estimate against its reference, all channels together.

    Attributes:
        frames: compared.
        sdr_db: 10 log10(|r|^2 / |r - e|^2). Identical signals: inf. A silent reference: -inf, or nan when the
            estimate is silent, too. A silent estimate: 0.
        si_sdr_db: the same for the best scaling of the reference, 10 log10(|a r|^2 / |e - a r|^2) with
            a = <e, r> / |r|^2 (Le Roux et al., "SDR - half-baked or well done?", ICASSP 2019), means not removed.
            A scaled or sign-flipped copy: inf. An estimate without any of the reference: -inf. A silent
            reference: nan.
        scale: a, the factor on the reference that fits the estimate best; nan for a silent reference.
    """

    frames: int
    sdr_db: float
    si_sdr_db: float
    scale: float


@dataclass
class Distortion:
    """Accumulates reference and estimate block by block.

    >>> distortion = Distortion()
    >>> reference = np.array([[0.5, -0.5]], np.float32)
    >>> distortion.update(reference, 0.9 * reference)
    >>> round(distortion.result().sdr_db, 4), distortion.result().scale > 0
    (20.0, True)
    """

    frames: int = 0
    _rr: ExactSum = field(default_factory=ExactSum)
    _re: ExactSum = field(default_factory=ExactSum)
    _ee: ExactSum = field(default_factory=ExactSum)

    def update(self, reference: Audio, estimate: Audio) -> None:
        """Add a block of both, of one shape (channels, frames), float32.

        Raises:
            SpecError: shapes that differ.
        """
        if reference.shape != estimate.shape:
            raise SpecError(f"reference has shape {reference.shape}, estimate {estimate.shape}: compare equal blocks")
        # Of float32 samples every product is exact in float64.
        r, e = (np.asarray(x, np.float32).astype(np.float64) for x in (reference, estimate))
        self.frames += r.shape[1]
        self._rr.add(r * r)
        self._re.add(r * e)
        self._ee.add(e * e)

    def merge(self, other: "Distortion") -> None:
        """Add what another accumulator heard."""
        self.frames += other.frames
        for mine, theirs in zip(self._sums(), other._sums(), strict=True):
            mine.merge(theirs)

    def result(self) -> Metrics:
        """The figures of all that was heard; more may follow."""
        rr, re, ee = (total.fraction() for total in self._sums())
        sdr = decibels(rr, rr - 2 * re + ee)
        if not rr:
            return Metrics(self.frames, sdr, nan, nan)
        # |a r|^2 = re^2 / rr, and what is left of the estimate has the energy ee - re^2 / rr.
        si_sdr = decibels(re * re, rr * ee - re * re) if re else -inf
        return Metrics(self.frames, sdr, si_sdr, float(re / rr))

    def _sums(self) -> tuple[ExactSum, ExactSum, ExactSum]:
        return self._rr, self._re, self._ee
