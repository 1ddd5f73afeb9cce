"""The degradation chain of the evaluation: low-pass, down-sampling, quantisation, noise, up-sampling.

It is F_up(F_noise(F_quantise(F_down(F_lowpass(x))))) of "Un'analisi quantitativa e visiva del restauro audio
zero-shot con Demucs" (Di Giovanna, 2025). Every step can be left out and every parameter set.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..engine.channels import SameLength, identity
from ..engine.exact_sum import MeanSquare
from ..engine.grid import FrameByFrame
from ..engine.noise import Draw, Noise, gaussian, tpdf
from ..engine.resample import PolyphaseResampler
from ..engine.stage import Chain, Stage, Start
from ..errors import ConfigError
from ..spec import Audio, Spec
from .filters import CausalLowPass, ZeroPhaseLowPass
from .replay import Recorded, Replay

__all__ = ["AddNoise", "Degradation", "Quantise", "mean_power", "power_of"]

_DITHER, _NOISE = 1, 2
"""Purposes: dither and noise are independent of each other under one seed."""


@dataclass
class _NoisyState:
    noise: Noise
    frame: int = 0


class _Noisy(FrameByFrame[_NoisyState]):
    """A stage that draws random numbers, which are a function of seed, purpose and absolute frame."""

    def __init__(self, input: Spec, seed: int, purpose: int, draw: Draw) -> None:
        self.seed, self._purpose, self._draw = seed, purpose, draw
        super().__init__(input, input)

    def initial_state(self) -> _NoisyState:
        return _NoisyState(Noise(self.seed, self._purpose, self.input.channels, self._draw))

    def start_at(self, frame: int) -> Start[_NoisyState]:
        return Start(replace(self.initial_state(), frame=frame), frame, frame)

    def drawn(self, state: _NoisyState, frames: int) -> NDArray[np.float64]:
        """The numbers for the next frames, shape (channels, frames)."""
        state.frame += frames
        return state.noise.read(state.frame - frames, frames)


class Quantise(_Noisy):
    """Round to `bits` bits after adding triangular (TPDF) dither of one step's amplitude.

    Full scale +-1 is +-(2**(bits - 1) - 1) steps; samples beyond are clipped.

    Raises:
        ConfigError: if bits is outside 2..24.
    """

    def __init__(self, input: Spec, bits: int = 8, seed: int = 0) -> None:
        if bits not in range(2, 25):
            raise ConfigError(f"bits must be 2 to 24, got {bits}")
        self.steps = 2 ** (bits - 1) - 1
        super().__init__(input, seed, _DITHER, tpdf)

    def advance(self, state: _NoisyState, block: Audio) -> Audio:
        dither = self.drawn(state, block.shape[1])
        # In float64: with 24 bits, a product in float32 would be off by more than a step.
        levels = np.clip(np.rint(block.astype(np.float64) * self.steps + dither), -self.steps, self.steps)
        return np.asarray(levels / self.steps, np.float32)


class AddNoise(_Noisy):
    """Add Gaussian noise `snr_db` below a signal whose mean square is `power`.

    Raises:
        ConfigError: if the SNR is outside -300..300 dB, or the power is negative or not finite.
    """

    def __init__(self, input: Spec, snr_db: float, power: float, seed: int = 0) -> None:
        if not abs(snr_db) <= 300:
            raise ConfigError(f"an SNR lies between -300 and 300 dB, got {snr_db:g}")
        if not 0 <= power < np.inf:
            raise ConfigError(f"the power of a signal is 0 or more and finite, got {power:g}")
        self.deviation = float(np.sqrt(power / 10 ** (snr_db / 10)))
        super().__init__(input, seed, _NOISE, gaussian)

    def advance(self, state: _NoisyState, block: Audio) -> Audio:
        return (block + self.deviation * self.drawn(state, block.shape[1])).astype(np.float32)


@dataclass(frozen=True)
class Degradation:
    """The parameters of the chain; None leaves a step out. The defaults are the paper's.

    Attributes:
        cutoff_hz: of the Butterworth low-pass.
        order: of the low-pass.
        phase: "zero" filters forward and backward, "causal" forward only.
        sample_rate: rate in Hz at which quantisation and noise happen.
        bits: word length.
        snr_db: level of the noise below the power of the signal it is added to.
        seed: of dither and noise.
    """

    cutoff_hz: float | None = 7000.0
    order: int = 6
    phase: Literal["zero", "causal"] = "zero"
    sample_rate: int | None = 16000
    bits: int | None = 8
    snr_db: float | None = 20.0
    seed: int = 0

    def stage(self, input: Spec, power: float | None = None, recorded: Recorded | None = None) -> Stage[Any]:
        """The whole chain as one stage; its output is as long as its input.

        Args:
            input: spec of the signal.
            power: mean square of the signal that the noise is added to, see `mean_power` and `before_noise`; needed
                unless `snr_db` is None.
            recorded: the output of `before_noise` for the signal, if it is kept: it is not computed again.

        Raises:
            ConfigError: if a parameter is invalid, or `power` is missing although noise is added.
        """
        steps = self._before_noise(input)
        if recorded is not None:
            steps = [Replay(self.before_noise(input), recorded)]
        inner = steps[-1].output if steps else input
        if self.snr_db is not None:
            if power is None:
                raise ConfigError("noise at an SNR needs the power of the signal: measure it first")
            steps.append(AddNoise(inner, self.snr_db, power, self.seed))
        if inner.sample_rate != input.sample_rate:
            steps.append(PolyphaseResampler(inner, input.sample_rate))
        return SameLength(Chain(*steps)) if steps else Chain(identity(input))

    def before_noise(self, input: Spec) -> Stage[Any]:
        """The part of the chain before the noise; the power of its output sets that of the noise."""
        return Chain(*(self._before_noise(input) or [identity(input)]))

    def _before_noise(self, input: Spec) -> list[Stage[Any]]:
        steps: list[Stage[Any]] = []
        if self.cutoff_hz is not None:
            steps.append(self._low_pass(input, self.cutoff_hz))
        if self.sample_rate is not None and self.sample_rate != input.sample_rate:
            steps.append(PolyphaseResampler(input, self.sample_rate))
        if self.bits is not None:
            steps.append(Quantise(steps[-1].output if steps else input, self.bits, self.seed))
        return steps

    def _low_pass(self, input: Spec, cutoff_hz: float) -> Stage[Any]:
        if self.phase not in ("zero", "causal"):
            raise ConfigError(f"phase must be 'zero' or 'causal', got {self.phase!r}")
        kind = ZeroPhaseLowPass if self.phase == "zero" else CausalLowPass
        return kind(input, cutoff_hz, self.order)


def mean_power(blocks: Iterable[Audio]) -> float:
    """Exact mean square of all samples, plus 1e-12: the same for any cuts. 1e-12 for an empty stream."""
    mean_square = MeanSquare()
    for block in blocks:
        mean_square.add(block)
    return power_of(mean_square)


def power_of(mean_square: MeanSquare) -> float:
    """`mean_power` of the accumulated samples."""
    return float(mean_square) + 1e-12
