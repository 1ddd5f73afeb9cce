"""Small networks of the three Demucs classes with random weights, seeded, for every test that needs one.

Their segments are about a second, so that a few seconds of sound have several. Untrained networks are
silent in places (gains of 1e-4 on residual branches): `_wake` makes all of their parts count.
"""

import atexit
import copy
import functools
import json
import shutil
import tempfile
from collections.abc import Callable
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import torch
from demucs.apply import BagOfModels
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from demucs.states import set_state
from safetensors.torch import save_file
from torch import nn

__all__ = [
    "MAKERS",
    "SEGMENT",
    "STEMS",
    "bag",
    "demucs",
    "exported",
    "hdemucs",
    "htdemucs",
    "quantised",
    "restorer",
    "write_pickle",
    "write_safetensors",
]

N = TypeVar("N", bound=nn.Module)
Network = Demucs | HDemucs | HTDemucs
STEMS = ["drums", "bass", "other", "vocals"]
SEGMENT = 1.0


def htdemucs(
    seed: int = 0,
    *,
    sources: list[str] = STEMS,
    use_train_segment: bool = True,
    segment: float | Fraction = SEGMENT,
) -> HTDemucs:
    """A hybrid transformer of 8 channels; its length is fixed unless `use_train_segment` is False."""
    torch.manual_seed(seed)
    network: HTDemucs = HTDemucs(
        list(sources),
        channels=8,
        t_layers=3,
        t_heads=4,
        bottom_channels=32,
        segment=segment,
        use_train_segment=use_train_segment,
    )
    return _wake(network)


def restorer(seed: int = 0, *, segment: float = SEGMENT) -> HTDemucs:
    """The shape of the embedded network, smaller: one stem of artifacts, no transformer."""
    torch.manual_seed(seed)
    network: HTDemucs = HTDemucs(["artifacts"], channels=16, t_layers=0, segment=segment, use_train_segment=False)
    return _wake(network)


def hdemucs(seed: int = 0, *, hybrid_old: bool = False, segment: float = SEGMENT) -> HDemucs:
    """A hybrid network with LSTM and local attention in its two inmost layers."""
    torch.manual_seed(seed)
    network: HDemucs = HDemucs(STEMS, channels=8, hybrid_old=hybrid_old, segment=segment)
    return _wake(network)


def demucs(seed: int = 0, *, segment: float = SEGMENT) -> Demucs:
    """A waveform network of 4 layers with resampling, LSTM and attention."""
    torch.manual_seed(seed)
    network: Demucs = Demucs(STEMS, channels=8, depth=4, dconv_attn=3, dconv_lstm=3, segment=segment)
    return _wake(network)


def bag(seed: int = 0, *, segment: float | None = None) -> BagOfModels:
    """Two networks of different classes with weights of which one is 0, as in the official bags."""
    weights = [[1.0, 0.0, 1.0, 0.5], [1.0, 1.0, 0.25, 1.0]]
    return BagOfModels([htdemucs(seed), hdemucs(seed + 1)], weights, segment)


def _wake(network: N) -> N:
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(".scale"):
                parameter.fill_(0.3)
    network.eval()
    return network


def _short_htdemucs() -> HTDemucs:
    torch.manual_seed(0)
    network: HTDemucs = HTDemucs(
        STEMS, channels=8, depth=3, dconv_depth=1, t_layers=2, t_heads=2, bottom_channels=32, segment=0.25
    )
    return _wake(network)


def _short_hdemucs() -> HDemucs:
    """Its LSTM frames whole segments, and not the shortest."""
    torch.manual_seed(0)
    network: HDemucs = HDemucs(
        STEMS, channels=8, nfft=64, depth=3, norm_starts=1, dconv_depth=1, dconv_attn=1, dconv_lstm=1, segment=0.25
    )
    return _wake(network)


def _short_demucs() -> Demucs:
    torch.manual_seed(0)
    network: Demucs = Demucs(
        STEMS, channels=8, depth=2, norm_starts=1, dconv_depth=1, dconv_attn=1, dconv_lstm=1, segment=0.25
    )
    return _wake(network)


MAKERS: dict[str, Callable[[], Network]] = {
    "HTDemucs": _short_htdemucs,
    "HDemucs": _short_hdemucs,
    "Demucs": _short_demucs,
}
"""One network of each class, short and shallow enough to export in seconds."""


@functools.cache
def exported(architecture: str) -> Path:
    """The .onnx file of `MAKERS[architecture]()`, written once per process."""
    from stream_restore.models.export import export_model  # slow to import, and seldom needed

    folder = tempfile.mkdtemp(prefix="stream-restore-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = Path(folder) / f"{architecture}.onnx"
    export_model(MAKERS[architecture](), path)
    return path


def quantised(network: Network) -> tuple[dict[str, Any], Network]:
    """The state of a network in few bits, as `mdx_q` was stored, and what demucs makes of it; needs diffq."""
    diffq: Any = import_module("diffq")
    restore: Any = set_state
    quantizer = diffq.DiffQuantizer(copy.deepcopy(network), group_size=8, min_size=0.001)
    state = {**quantizer.get_quantized_state(), "__quantized": True}
    same = copy.deepcopy(network)
    restore(same, state)
    return state, same


def flattened(state: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """What a safetensors file says of a nested state, whose tensors go to `tensors`."""
    if isinstance(state, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = state.contiguous()
        return {"_tensor": name}
    if isinstance(state, dict):
        return {"_dict": [[key, flattened(item, tensors)] for key, item in state.items()]}
    if isinstance(state, list | tuple):
        kind = "_list" if isinstance(state, list) else "_tuple"
        return {kind: [flattened(item, tensors) for item in state]}
    return {"_class": f"{state.__module__}.{state.__name__}"} if isinstance(state, type) else state


def write_safetensors(network: Network, path: Path, state: Any = None, **metadata: str) -> Path:
    """Write a network, or its quantised `state`, as the official files are; `metadata` replaces what it would say."""
    args, kwargs = _arguments(network)
    usual = {
        "klass": f"{type(network).__module__}.{type(network).__name__}",
        "args": json.dumps(args, default=_fraction),
        "kwargs": json.dumps(kwargs, default=_fraction),
    }
    tensors: dict[str, torch.Tensor] = {}
    if state is None:
        tensors = {key: tensor.contiguous() for key, tensor in network.state_dict().items()}
    else:
        usual["structure"] = json.dumps(flattened(state, tensors))
    save_file(tensors, path, usual | metadata)
    return path


def write_pickle(network: Network, path: Path, **package: Any) -> Path:
    """Write a network as the official .th files are; `package` replaces what it would hold."""
    args, kwargs = _arguments(network)
    usual = {"klass": type(network), "args": args, "kwargs": kwargs, "state": network.state_dict()}
    torch.save(usual | package, path)
    return path


def _arguments(network: Any) -> tuple[Any, Any]:
    args, kwargs = network._init_args_kwargs
    return args, kwargs


def _fraction(value: Fraction) -> dict[str, Any]:
    return {"_type": "fraction", "numerator": value.numerator, "denominator": value.denominator}
