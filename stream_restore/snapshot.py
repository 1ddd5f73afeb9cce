"""The state of a stage as named arrays, and back: what a journal keeps.

A state is made of arrays, numbers, windows, and lists or dataclasses of these. `take` walks over it; `put` fills
a state of the same shape, which the code made, so nothing in a file decides what is created.

>>> state = [np.arange(2), 3]
>>> taken = take(state)
>>> sorted(taken), put([np.zeros(2, int), 0], taken)
(['.0', '.1'], [array([0, 1]), 3])
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import StreamError
from .noise import Noise
from .window import Window

__all__ = ["Arrays", "put", "take"]

Arrays = Mapping[str, NDArray[Any]]


def take(state: object, path: str = "") -> dict[str, NDArray[Any]]:
    """All that `state` holds, by the path to it. Copies nothing that is an array already.

    Raises:
        TypeError: something that cannot be kept.
    """
    if isinstance(state, np.ndarray):
        return {path: state}
    if isinstance(state, bool | int | float):
        return {path: np.array(state)}
    if isinstance(state, Window):
        return {f"{path}.start": np.array(state.start), f"{path}.held": state.read(state.start, state.stop)}
    parts: dict[str, NDArray[Any]] = {}
    for name, part in _parts(state):
        parts |= take(part, f"{path}.{name}")
    return parts


def put(state: Any, arrays: Arrays, path: str = "") -> Any:
    """`state` with what `take` found in one like it; changed in place where that is possible.

    Raises:
        StreamError: arrays that belong to another stage.
    """
    if isinstance(state, np.ndarray):
        return _found(arrays, path, state.shape[:-1], state.dtype).copy()
    if isinstance(state, bool | int | float):
        return type(state)(_found(arrays, path, (), np.array(state).dtype))
    if isinstance(state, Window):
        held = _found(arrays, f"{path}.held", state.shape[:-1], state.read(state.start, state.start).dtype)
        state.restart(int(_found(arrays, f"{path}.start", (), np.array(0).dtype)), held)
        return state
    for name, part in _parts(state):
        value = put(part, arrays, f"{path}.{name}")
        if isinstance(state, list):
            state[int(name)] = value
        elif is_dataclass(state):
            setattr(state, name, value)
    return state


def _parts(state: object) -> Iterator[tuple[str, Any]]:
    if state is None or isinstance(state, Noise):  # noise is a function of what the state also holds
        return
    if is_dataclass(state):
        yield from ((field.name, getattr(state, field.name)) for field in fields(state))
    elif isinstance(state, list) or (isinstance(state, deque) and not state):
        yield from ((str(index), part) for index, part in enumerate(state))
    else:
        raise TypeError(f"a state holds arrays, numbers, windows, lists and dataclasses, not {type(state).__name__}")


def _found(arrays: Arrays, path: str, but_last: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The array at a path. Time is the last axis, and may be of any length."""
    found = arrays.get(path)
    if found is None or found.shape[:-1] != but_last or found.dtype != dtype:
        raise StreamError(f"the saved state does not fit this stage (at {path or 'its root'}): start again without it")
    return found
