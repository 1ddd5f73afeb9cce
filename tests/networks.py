"""Small networks of the three Demucs classes with random weights, seeded, for every test that needs one.

Their segments are about a second, so that a second of sound already has several. Untrained networks
are silent in places (gains of 1e-4 on residual branches): `_wake` makes all of their parts count.
"""

from typing import TypeVar

import torch
from demucs.apply import BagOfModels
from demucs.demucs import Demucs
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from torch import nn

__all__ = ["STEMS", "bag", "demucs", "hdemucs", "htdemucs", "restorer"]

N = TypeVar("N", bound=nn.Module)
STEMS = ["drums", "bass", "other", "vocals"]
SEGMENT = 1.0


def htdemucs(seed: int = 0, *, sources: list[str] = STEMS, use_train_segment: bool = True) -> HTDemucs:
    """A hybrid transformer of 8 channels; its length is fixed unless `use_train_segment` is False."""
    torch.manual_seed(seed)
    network: HTDemucs = HTDemucs(
        list(sources),
        channels=8,
        t_layers=3,
        t_heads=4,
        bottom_channels=32,
        segment=SEGMENT,
        use_train_segment=use_train_segment,
    )
    return _wake(network)


def restorer(seed: int = 0) -> HTDemucs:
    """The shape of the embedded network, smaller: one stem of artifacts, no transformer."""
    torch.manual_seed(seed)
    network: HTDemucs = HTDemucs(["artifacts"], channels=16, t_layers=0, segment=SEGMENT, use_train_segment=False)
    return _wake(network)


def hdemucs(seed: int = 0, *, hybrid_old: bool = False) -> HDemucs:
    """A hybrid network with LSTM and local attention in its two inmost layers."""
    torch.manual_seed(seed)
    network: HDemucs = HDemucs(STEMS, channels=8, hybrid_old=hybrid_old, segment=SEGMENT)
    return _wake(network)


def demucs(seed: int = 0) -> Demucs:
    """A waveform network of 4 layers with resampling, LSTM and attention."""
    torch.manual_seed(seed)
    network: Demucs = Demucs(STEMS, channels=8, depth=4, dconv_attn=3, dconv_lstm=3, segment=SEGMENT)
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
