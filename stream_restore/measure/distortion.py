"""Running SDR, SNR and SI-SDR: exact, mergeable, in bounded memory.

All figures follow from sums over frames: <r, r>, <r, e> and <e, e> of reference r and estimate e, and, where means
are removed, the sums of every channel. They are summed without rounding (`ExactSum`), so a result does not depend on
how the stream was cut or in which order parts are merged, and differences of nearly equal energies are exact.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf, log10, nan
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ..engine.exact_sum import ExactSum
from ..errors import SpecError
from ..spec import Audio

__all__ = ["Distortion", "Metrics", "Products", "decibels"]

TINY = Fraction(1, 10**300)
"""Ratios that float64 holds lie between this and its reciprocal."""


def decibels(signal: Fraction | int, distortion: Fraction | int) -> float:
    """10 log10(signal / distortion): inf without distortion, -inf without signal, nan without both.

    >>> decibels(Fraction(100), Fraction(1)), decibels(Fraction(0), Fraction(1))
    (20.0, -inf)
    """
    if not distortion:
        return inf if signal else nan
    if not signal:
        return -inf
    ratio = Fraction(signal) / distortion
    if TINY < ratio < 1 / TINY:
        return 10 * log10(ratio)
    return 10 * (log10(ratio.numerator) - log10(ratio.denominator))  # of integers of any size


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
        snr_db: sdr_db after each channel's mean was removed from both: a constant offset is not noise.
        si_sdr_zero_mean_db: si_sdr_db after each channel's mean was removed from both.
    """

    frames: int
    sdr_db: float
    si_sdr_db: float
    scale: float
    snr_db: float = nan
    si_sdr_zero_mean_db: float = nan


@dataclass
class Products:
    """Accumulates <r, r>, <r, e> and <e, e> of reference r and estimate e, without rounding."""

    frames: int = 0
    _rr: ExactSum = field(default_factory=ExactSum)
    _re: ExactSum = field(default_factory=ExactSum)
    _ee: ExactSum = field(default_factory=ExactSum)

    def update(self, reference: Audio, estimate: Audio) -> None:
        """Accumulate a block of both, of one shape (channels, frames), float32.

        Raises:
            SpecError: if the shapes differ.
        """
        if reference.shape != estimate.shape:
            raise SpecError(f"reference has shape {reference.shape}, estimate {estimate.shape}: compare equal blocks")
        # Of float32 samples every product is exact in float64.
        self._add(*(np.asarray(x, np.float32).astype(np.float64) for x in (reference, estimate)))

    def merge(self, other: Self) -> None:
        """Add another accumulator, in any order; `other` is not modified."""
        self.frames += other.frames
        for mine, theirs in zip(self._sums(), other._sums(), strict=True):
            mine.merge(theirs)

    def energies(self) -> tuple[int, int]:
        """|r|^2 and |r - e|^2, both in the units of an exact sum."""
        rr, re, ee = self._rr.units, self._re.units, self._ee.units
        return rr, rr - 2 * re + ee

    def _add(self, r: NDArray[np.float64], e: NDArray[np.float64]) -> None:
        self.frames += r.shape[1]
        self._rr.add(r * r)
        self._re.add(r * e)
        self._ee.add(e * e)

    def _products(self) -> tuple[Fraction, Fraction, Fraction]:
        return self._rr.fraction(), self._re.fraction(), self._ee.fraction()

    def _sums(self) -> tuple[ExactSum, ...]:
        return self._rr, self._re, self._ee


@dataclass
class Distortion(Products):
    """Accumulates reference and estimate block by block.

    >>> distortion = Distortion()
    >>> reference = np.array([[0.5, -0.5]], np.float32)
    >>> distortion.update(reference, 0.9 * reference)
    >>> round(distortion.result().sdr_db, 4), distortion.result().scale > 0
    (20.0, True)
    """

    _channels: defaultdict[int, list[ExactSum]] = field(default_factory=lambda: defaultdict(_pair))
    """The sums of reference and estimate, channel by channel."""

    def merge(self, other: Self) -> None:
        """Add another accumulator, in any order; `other` is not modified.

        Raises:
            SpecError: if the numbers of channels differ.
        """
        if other._channels:
            self._widen(len(other._channels))
            super().merge(other)

    def result(self) -> Metrics:
        """The figures so far; more may follow."""
        rr, re, ee = self._products()
        centred = self._centred(rr, re, ee)
        scale = float(re / rr) if rr else nan
        return Metrics(self.frames, *_ratios(rr, re, ee), scale, *_ratios(*centred))

    def _add(self, r: NDArray[np.float64], e: NDArray[np.float64]) -> None:
        self._widen(len(r))
        super()._add(r, e)
        for sums, *samples in zip(self._channels.values(), r, e, strict=True):
            for total, channel in zip(sums, samples, strict=True):
                total.add(channel)

    def _centred(self, rr: Fraction, re: Fraction, ee: Fraction) -> tuple[Fraction, Fraction, Fraction]:
        """The three products of what is left when each channel's mean is removed."""
        for total, other in self._channels.values() if self.frames else ():
            r, e = total.fraction(), other.fraction()
            rr, re, ee = rr - r * r / self.frames, re - r * e / self.frames, ee - e * e / self.frames
        return rr, re, ee

    def _widen(self, channels: int) -> None:
        if not self._channels:
            self._channels.update((channel, _pair()) for channel in range(channels))
        if len(self._channels) != channels:
            raise SpecError(f"{channels} channels after {len(self._channels)}: one accumulator hears one recording")

    def _sums(self) -> tuple[ExactSum, ...]:
        return (*super()._sums(), *(total for pair in self._channels.values() for total in pair))


def _pair() -> list[ExactSum]:
    return [ExactSum(), ExactSum()]


def _ratios(rr: Fraction, re: Fraction, ee: Fraction) -> tuple[float, float]:
    """SDR and SI-SDR in dB from the products of reference and estimate."""
    sdr = decibels(rr, rr - 2 * re + ee)
    if not rr:
        return sdr, nan
    # |a r|^2 = re^2 / rr, and what is left of the estimate has the energy ee - re^2 / rr.
    return sdr, decibels(re * re, rr * ee - re * re) if re else -inf
