"""Networks with random weights: a tiny one that shows what surrounds a network, and those of the official sizes."""

from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import torch
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from torch import nn

__all__ = ["OFFICIAL", "Network", "millions", "official", "save", "tiny"]

Network: TypeAlias = Demucs | HDemucs | HTDemucs
N = TypeVar("N", bound=nn.Module)
STEMS = ["drums", "bass", "other", "vocals"]
HTDEMUCS = {"channels": 48, "bottom_channels": 512, "dconv_mode": 3, "segment": Fraction(39, 5)}
OFFICIAL: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "HTDemucs": (HTDemucs, HTDEMUCS),
    "HDemucs": (HDemucs, {"channels": 48, "segment": 10}),
    "Demucs": (Demucs, {"channels": 64, "segment": 10}),
}


def tiny() -> Demucs:
    """A waveform network of some 90 000 parameters on the grid of htdemucs: most of the work is around it."""
    torch.manual_seed(0)
    network: Demucs = _awake(
        Demucs(STEMS, channels=8, depth=4, resample=False, lstm_layers=0, dconv_mode=0, segment=7.8)
    )
    return network


def official(architecture: str) -> Network:
    """A network as wide and deep as htdemucs, hdemucs_mmi or mdx; the latter two on segments of 10 s."""
    torch.manual_seed(0)
    kind, arguments = OFFICIAL[architecture]
    network: Network = _awake(kind(STEMS, **arguments))
    return network


def save(network: Any, folder: Path, name: str) -> None:
    """As a file that `demucs --repo FOLDER -n NAME` reads, and so does `stream-restore`."""
    args, kwargs = network._init_args_kwargs
    package = {"klass": type(network), "args": args, "kwargs": kwargs, "state": network.state_dict()}
    folder.mkdir(exist_ok=True)
    torch.save(package, folder / f"{name}.th")


def millions(network: nn.Module) -> float:
    """Parameters in millions."""
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


def _awake(network: N) -> N:
    """Residual branches begin with gains of 1e-4, as if they were not there; make them count."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith(".scale"):
                parameter.fill_(0.3)
    return network.eval()
