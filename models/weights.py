"""Reads networks from weight files without running code that a file names.

A safetensors file names the class to build in its metadata; `demucs` imports any name. Here the name is looked up in a
table of the three Demucs classes. A `.th` file is a pickle: it is read by PyTorch's `weights_only` unpickler, which
builds tensors, plain containers and the classes listed below (those of diffq for quantised weights only) and refuses
all else. The eight hexadecimal digits in an official file name are the start of its sha256: they detect damage, but 32
bits do not stop an attacker, so they never relax the unpickler.
"""

import hashlib
import json
import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from demucs import hf, states
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from safetensors import safe_open

from ..errors import ModelError
from .extras import optional
from .torch_backend import Network

__all__ = ["read_network"]

_CLASSES = {
    "demucs.demucs.Demucs": Demucs,
    "demucs.hdemucs.HDemucs": HDemucs,
    "demucs.htdemucs.HTDemucs": HTDemucs,
}
_QUANTIZERS = ("diffq.diffq.DiffQuantizer", "diffq.uniform.UniformQuantizer")
_decode: Callable[[Any], Any] = hf._decode_json
_unflatten: Callable[[Any, Any], Any] = hf._unflatten_state
_load: Callable[[Any], Any] = states.load_model
_GLOBALS = [*_CLASSES.values(), Fraction]


def read_network(path: Path) -> Network:
    """The network in a `.safetensors` or `.th` file, in evaluation mode.

    Raises:
        ModelError: if the file is missing, truncated, altered (as far as its name or content shows) or of another
            kind; if it names another class; if its weights are quantised and the package diffq is missing.
    """
    if not path.is_file():
        raise ModelError(f"no file {path}")
    _check_digits(path)
    package = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    if isinstance(package["state"], dict) and package["state"].get("__quantized"):
        _diffq(path)
    return _build(path, package)


def _check_digits(path: Path) -> None:
    """Compare the digits of `SIGNATURE-DIGITS.th` with the file's sha256."""
    _, dash, digits = path.stem.rpartition("-")
    if path.suffix != ".th" or not dash:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(digits):
        raise ModelError(
            f"{path} is cut short or altered: its sha256 begins {found[: len(digits)]}, its name says {digits}; "
            f"download it again"
        )


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        klass = _CLASSES.get(metadata.get("klass", ""))
        if klass is None:
            raise ModelError(f"{path} names the class {metadata.get('klass')!r}; {_allowed()}")
        arguments = {key: _decode(json.loads(metadata[key])) for key in ("args", "kwargs")}
        return {"klass": klass, **arguments, "state": _state(path, tensors, metadata.get("structure"))}
    except ModelError:
        raise
    except Exception as error:  # damaged files raise arbitrary exceptions
        raise _damaged(path, error) from error


def _state(path: Path, tensors: dict[str, torch.Tensor], structure: str | None) -> Any:
    if structure is None:
        return tensors
    tree = json.loads(structure)
    for name in _classes_in(tree):
        if name not in _QUANTIZERS:
            raise ModelError(f"{path} names the class {name!r} in its structure; {_allowed()}")
        _diffq(path)
    return _unflatten(tensors, tree)


def _diffq(path: Path) -> Any:
    return optional("diffq", "diffq", f"{path}, whose weights are quantised,")


def _classes_in(tree: Any) -> list[Any]:
    """All values of keys `_class` in `tree`, at any depth."""
    if isinstance(tree, dict):
        own = [tree["_class"]] if "_class" in tree else []
        return own + [name for item in tree.values() for name in _classes_in(item)]
    return [name for item in tree for name in _classes_in(item)] if isinstance(tree, list) else []


def _read_pickle(path: Path) -> dict[str, Any]:
    try:
        wanted = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        quantizers = [getattr(_diffq(path), name.rpartition(".")[2]) for name in wanted if name in _QUANTIZERS]
        with torch.serialization.safe_globals([*_GLOBALS, *quantizers]):
            package = torch.load(path, map_location="cpu", weights_only=True)
    except ModelError:
        raise
    except Exception as error:  # damaged or hostile files raise arbitrary exceptions
        raise _damaged(path, error) from error
    if not isinstance(package, dict) or not {"klass", "args", "kwargs", "state"} <= package.keys():
        raise ModelError(f"{path} is not a Demucs package: it has no klass, args, kwargs and state")
    if package["klass"] not in _CLASSES.values():
        raise ModelError(f"{path} names the class {package['klass']!r}; {_allowed()}")
    return package


def _build(path: Path, package: dict[str, Any]) -> Network:
    try:
        network: Any = _load(package)
    except Exception as error:  # arguments or tensors that do not fit the class
        raise _damaged(path, error) from error
    if not all(torch.isfinite(parameter).all() for parameter in network.parameters()):
        raise ModelError(f"{path} is altered: it has weights that are not finite; download it again")
    if not 0 < float(network.segment) < math.inf or network.samplerate < 1:
        raise ModelError(f"{path}: a segment of {network.segment} s at {network.samplerate} Hz cannot be")
    network.eval()
    return network  # type: ignore[no-any-return]


def _allowed() -> str:
    return f"only {', '.join(_CLASSES)} are built from a file: get the weights from a source you trust"


def _damaged(path: Path, error: Exception) -> ModelError:
    reason = " ".join(str(error).split())[:300]
    return ModelError(f"{path} cannot be read as a Demucs network, it is damaged or of another kind: {reason}")
