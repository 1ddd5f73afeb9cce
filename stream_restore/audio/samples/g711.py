"""A-law and mu-law (ITU-T G.711): decoding tables of 256 16-bit samples, and encoding to the nearest code."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["DECODED", "compress"]

Codes: TypeAlias = NDArray[np.uint8]
Values: TypeAlias = NDArray[np.int16]


def _mu_law() -> Values:
    code = ~np.arange(256, dtype=np.uint8)
    size = ((((code & 15).astype(int) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.asarray(np.where(code & 0x80, -size, size), np.int16)


def _a_law() -> Values:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment = (code & 0x70).astype(int) >> 4
    step = ((code & 15).astype(int) << 4) + np.where(segment, 0x108, 8)
    size = step << np.maximum(segment - 1, 0)
    return np.asarray(np.where(code & 0x80, size, -size), np.int16)


DECODED: dict[str, Values] = {"ulaw": _mu_law(), "alaw": _a_law()}
"""The 16-bit value of each code, shape (256,), per law."""

_ORDER: dict[str, Codes] = {law: np.argsort(values, kind="stable").astype(np.uint8) for law, values in DECODED.items()}
_EDGES: dict[str, NDArray[np.float64]] = {
    law: (values[_ORDER[law]][1:].astype(float) + values[_ORDER[law]][:-1]) / 2 for law, values in DECODED.items()
}


def compress(samples: NDArray[np.int32], law: str) -> Codes:
    """The code whose value is nearest to each 16-bit sample.

    >>> int(DECODED["ulaw"][compress(np.array([1000], np.int32), "ulaw")][0])
    988
    """
    codes: Codes = _ORDER[law].take(np.searchsorted(_EDGES[law], samples))
    return codes
