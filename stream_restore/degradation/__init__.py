"""The degradation chain of the evaluation: low-pass, down-sampling, quantisation, noise, up-sampling.

`Degradation` describes the chain and makes it as one stage; the filters are stages of their own.
"""

from .degradation import AddNoise, Degradation, Quantise, mean_power, power_of
from .filters import CausalLowPass, ZeroPhaseLowPass, butterworth

__all__ = [
    "AddNoise",
    "CausalLowPass",
    "Degradation",
    "Quantise",
    "ZeroPhaseLowPass",
    "butterworth",
    "mean_power",
    "power_of",
]
