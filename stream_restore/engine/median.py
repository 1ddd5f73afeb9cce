"""Medians of rows, as `np.median` gives them and up to ten times as fast.

`np.median` asks for three order statistics at once, which NumPy finds without the vector instructions that it finds one
with; the other is the largest of those below.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["median"]

Number = TypeVar("Number", np.float32, np.float64)


def median(values: NDArray[Number]) -> NDArray[Number]:
    """The median of each row, shape (..., 1), of values of shape (..., n), n at least 1, none of them NaN.

    >>> median(np.array([[5.0, 1.0, 2.0], [7.0, 8.0, 9.0]])).tolist()
    [[2.0], [8.0]]
    """
    half, odd = divmod(values.shape[-1], 2)
    parts = np.partition(np.ascontiguousarray(values), half, axis=-1)
    middle: NDArray[Number] = parts[..., half : half + 1]
    return middle if odd else (parts[..., :half].max(axis=-1, keepdims=True) + middle) / 2
