"""The degradation chain of the evaluation: low-pass, down-sampling, quantisation, noise, up-sampling.

`Degradation` holds the parameters and creates the chain as one stage; the filters are stages of their own.
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
