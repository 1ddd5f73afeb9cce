"""Running SDR, SNR and SI-SDR: exact, mergeable, in bounded memory.

All figures follow from sums over frames: <r, r>, <r, e> and <e, e> of reference r and estimate e, and, where means
are removed, the sums of every channel. They are summed without rounding (`ExactSum`), so a result does not depend on
how the stream was cut or in which order parts are merged, and differences of nearly equal energies are exact.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf, isfinite, isnan, log10, nan
from typing import Self

import numpy as np

from ..engine.exact_sum import ExactSum, moments
from ..errors import SpecError
from ..spec import Audio

__all__ = ["Distortion", "Metrics", "Products", "decibels", "plain"]

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


def plain(value: float) -> float | str | None:
    """A figure for JSON, which has neither infinity nor NaN: they become "inf", "-inf" and null."""
    if isnan(value):
        return None
    return value if isfinite(value) else str(value)


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
    rr: ExactSum = field(default_factory=ExactSum)
    re: ExactSum = field(default_factory=ExactSum)
    ee: ExactSum = field(default_factory=ExactSum)

    def update(self, reference: Audio, estimate: Audio) -> list[list[int]]:
        """Accumulate a block of both, of one shape (channels, frames), float32; return the exact sums of each channel.

        Raises:
            SpecError: if the shapes differ.
        """
        if reference.shape != estimate.shape:
            raise SpecError(f"reference has shape {reference.shape}, estimate {estimate.shape}: compare equal blocks")
        self.frames += reference.shape[1]
        sums = []
        for pair in zip(reference, estimate, strict=True):
            ((rr, re), (_, ee)), total = moments(np.array(pair, np.float32))
            self.rr.units += rr
            self.re.units += re
            self.ee.units += ee
            sums.append(total)
        return sums

    def merge(self, other: Self) -> None:
        """Add another accumulator, in any order; `other` is not modified."""
        self.frames += other.frames
        self.rr.merge(other.rr)
        self.re.merge(other.re)
        self.ee.merge(other.ee)

    def energies(self) -> tuple[int, int]:
        """|r|^2 and |r - e|^2, both in the units of an exact sum."""
        rr, re, ee = self.rr.units, self.re.units, self.ee.units
        return rr, rr - 2 * re + ee


@dataclass
class Distortion:
    """Accumulates reference and estimate block by block.

    >>> distortion = Distortion()
    >>> reference = np.array([[0.5, -0.5]], np.float32)
    >>> distortion.update(reference, 0.9 * reference)
    >>> round(distortion.result().sdr_db, 4), distortion.result().scale > 0
    (20.0, True)
    """

    products: Products = field(default_factory=Products)
    _channels: defaultdict[int, list[ExactSum]] = field(default_factory=lambda: defaultdict(_pair))
    """The sums of reference and estimate, channel by channel."""

    def update(self, reference: Audio, estimate: Audio) -> None:
        """Accumulate a block of both, of one shape (channels, frames), float32.

        Raises:
            SpecError: if the shapes differ, or the number of channels from that before.
        """
        self._widen(len(reference))
        sums = self.products.update(reference, estimate)
        for channel, added in enumerate(sums):
            for total, units in zip(self._channels[channel], added, strict=True):
                total.units += units

    def merge(self, other: Self) -> None:
        """Add another accumulator, in any order; `other` is not modified.

        Raises:
            SpecError: if the numbers of channels differ.
        """
        if not other._channels:
            return
        self._widen(len(other._channels))
        self.products.merge(other.products)
        for channel, added in other._channels.items():
            for mine, theirs in zip(self._channels[channel], added, strict=True):
                mine.merge(theirs)

    def result(self) -> Metrics:
        """The figures so far; more may follow."""
        rr, re, ee = (each.fraction() for each in (self.products.rr, self.products.re, self.products.ee))
        centred = self._centred(rr, re, ee)
        scale = float(re / rr) if rr else nan
        return Metrics(self.products.frames, *_ratios(rr, re, ee), scale, *_ratios(*centred))

    def _centred(self, rr: Fraction, re: Fraction, ee: Fraction) -> tuple[Fraction, Fraction, Fraction]:
        """The three products of what is left when each channel's mean is removed."""
        for total, other in self._channels.values() if self.products.frames else ():
            r, e = total.fraction(), other.fraction()
            rr, re, ee = (
                rr - r * r / self.products.frames,
                re - r * e / self.products.frames,
                ee - e * e / self.products.frames,
            )
        return rr, re, ee

    def _widen(self, channels: int) -> None:
        if not self._channels:
            self._channels.update((channel, _pair()) for channel in range(channels))
        if len(self._channels) != channels:
            raise SpecError(f"{channels} channels after {len(self._channels)}: one accumulator hears one recording")


def _pair() -> list[ExactSum]:
    return [ExactSum(), ExactSum()]


def _ratios(rr: Fraction, re: Fraction, ee: Fraction) -> tuple[float, float]:
    """SDR and SI-SDR in dB from the products of reference and estimate."""
    sdr = decibels(rr, rr - 2 * re + ee)
    if not rr:
        return sdr, nan
    # |a r|^2 = re^2 / rr, and what is left of the estimate has the energy ee - re^2 / rr.
    return sdr, decibels(re * re, rr * ee - re * re) if re else -inf
