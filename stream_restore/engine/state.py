"""The state of a stage or an accumulator as named arrays, and back: what a journal keeps.

A state is made of arrays, numbers, windows, and of lists, dictionaries by number and dataclasses of these; any other
class lists its state attributes in `state_names`. `state_dict` walks over the state; `load_state_dict` fills a state of
the same shape that the code has created, so a file never decides what is created. A dictionary creates a missing entry
on access, as `defaultdict` does.

>>> from collections import defaultdict
>>> taken = state_dict([np.arange(2), 3, defaultdict(int, {5: 1 << 70})])
>>> sorted(taken)
['.0', '.1', '.2.keys', '.2.values']
>>> load_state_dict([np.zeros(2, int), 0, defaultdict(int)], taken)
[array([0, 1]), 3, defaultdict(<class 'int'>, {5: 1180591620717411303424})]
"""

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import StreamError
from .noise import Noise
from .window import Window

__all__ = ["Arrays", "load_state_dict", "state_dict"]

Arrays = Mapping[str, NDArray[Any]]


def state_dict(state: object, path: str = "") -> dict[str, NDArray[Any]]:
    """The parts of `state` by path. Arrays are not copied.

    Raises:
        TypeError: if a part of the state has a type that cannot be stored.
    """
    if isinstance(state, np.ndarray):
        return {path: state}
    if isinstance(state, bool | float):
        return {path: np.array(state)}
    if isinstance(state, int):
        return {path: _bytes([state])}
    if isinstance(state, Window):
        return {f"{path}.start": np.array(state.start), f"{path}.held": state.read(state.start, state.stop)}
    parts: dict[str, NDArray[Any]] = {}
    if isinstance(state, dict):
        parts[f"{path}.keys"] = np.array(list(state), np.int64)
        if _holds_integers(state):
            return {**parts, f"{path}.values": _bytes(state.values())}
    for name, part in _parts(state):
        parts |= state_dict(part, f"{path}.{name}")
    return parts


def load_state_dict(state: Any, arrays: Arrays, path: str = "") -> Any:
    """`state` with the values that `state_dict` returned; changed in place where possible.

    Raises:
        StreamError: if the arrays belong to another stage.
    """
    if isinstance(state, np.ndarray):
        return _found(arrays, path, state.shape[:-1], state.dtype).copy()
    if isinstance(state, bool | float):
        return type(state)(_found(arrays, path, (), np.array(state).dtype))
    if isinstance(state, int):
        return _integers(arrays, path, 1)[0]
    if isinstance(state, Window):
        held = _found(arrays, f"{path}.held", state.shape[:-1], state.read(state.start, state.start).dtype)
        state.restart(int(_found(arrays, f"{path}.start", (), np.array(0).dtype)), held)
        return state
    if isinstance(state, dict):
        keys = _found(arrays, f"{path}.keys", (), np.dtype(np.int64)).tolist()
        state.clear()
        if _holds_integers(state):
            state.update(zip(keys, _integers(arrays, f"{path}.values", len(keys)), strict=True))
            return state
        if len(keys) > len(arrays):  # each has one at least
            raise _misfit(path)
        for key in keys:
            state[key]  # makes it
    for name, part in _parts(state):
        value = load_state_dict(part, arrays, f"{path}.{name}")
        if isinstance(state, list | dict):
            state[int(name)] = value
        else:
            setattr(state, name, value)
    return state


def _parts(state: Any) -> Iterator[tuple[str, Any]]:
    if state is None or isinstance(state, Noise):  # noise is a function of what the state also holds
        return
    if isinstance(state, dict):
        yield from ((str(key), part) for key, part in list(state.items()))
    elif isinstance(state, list) or (isinstance(state, deque) and not state):
        yield from ((str(index), part) for index, part in enumerate(state))
    elif is_dataclass(state) or hasattr(state, "state_names"):
        names = [field.name for field in fields(state)] if is_dataclass(state) else state.state_names
        yield from ((name, getattr(state, name)) for name in names)
    else:
        raise TypeError(f"a state holds no {type(state).__name__}: see what `stream_restore.engine.state` can keep")


def _holds_integers(state: Any) -> bool:
    return getattr(state, "default_factory", None) is int


def _bytes(integers: Collection[int]) -> NDArray[np.uint8]:
    """Integers of any size, all in as many bytes as the largest needs."""
    width = max((each.bit_length() for each in integers), default=0) // 8 + 1
    return np.frombuffer(b"".join(each.to_bytes(width, "little", signed=True) for each in integers), np.uint8)


def _integers(arrays: Arrays, path: str, count: int) -> list[int]:
    data = _found(arrays, path, (), np.dtype(np.uint8)).tobytes()
    width = len(data) // max(1, count)
    if width * count != len(data) or (count and not width):
        raise _misfit(path)
    return [int.from_bytes(data[at : at + width], "little", signed=True) for at in range(0, len(data), width or 1)]


def _found(arrays: Arrays, path: str, but_last: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The array at a path. Time is the last axis, and may be of any length."""
    found = arrays.get(path)
    if found is None or found.shape[:-1] != but_last or found.dtype != dtype:
        raise _misfit(path)
    return found


def _misfit(path: str) -> StreamError:
    return StreamError(f"the saved state does not fit this stage (at {path or 'its root'}): start again without it")
