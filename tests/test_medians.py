"""Medians that repairs take are those of NumPy, bit for bit."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stream_restore.restoration.repairs.samples import median


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 2, 3, 204, 205, 260, 1024])
def test_medians_of_rows_are_those_of_numpy(size: int, kind: type[Any]) -> None:
    values: NDArray[np.float64] = np.random.default_rng(size).normal(0, 1, (3, 7, size)).astype(kind)
    for given in (values, values.round(1), values[..., ::-1], values[1:, ::2]):
        found = median(given)
        assert found.dtype == kind
        assert (found == np.median(given, axis=-1, keepdims=True)).all()
