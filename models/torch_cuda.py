"""PyTorch networks on a GPU: a batch is computed while the next is prepared and the last is used."""

from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import ModelError

__all__ = ["BATCH", "Gpu", "require_gpu"]

BATCH = 4
"""Segments in a call: fewer leave a large GPU idle between small operations, more need its memory."""


class Gpu:
    """Runs a network that lies on the GPU, one batch at a time: any number of threads takes the memory of one."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._lock = Lock()

    def __reduce__(self) -> tuple[type["Gpu"], tuple[Any]]:
        return Gpu, (self._network,)  # locks cannot be copied

    def run(self, segments: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answers of the network, shape (batch, channels, frames) -> (batch, stems, channels, frames)."""
        events: Any = torch.cuda  # without types
        with self._lock, torch.inference_mode():
            # From and to page-locked memory the GPU copies by itself, so the lock is free as soon as all is queued.
            mix = torch.from_numpy(segments).pin_memory().to("cuda", non_blocking=True)
            answers = self._network(mix)
            result = torch.empty(answers.shape, dtype=torch.float32, pin_memory=True)
            result.copy_(answers, non_blocking=True)
            done = events.Event(blocking=True)
            done.record()
        done.synchronize()
        array: NDArray[np.float32] = result.numpy()
        return array


def require_gpu() -> None:
    """Set PyTorch up for float32 results that repeat.

    Raises:
        ModelError: if there is no GPU that it can use.
    """
    if not torch.cuda.is_available():
        raise ModelError(f"device cuda asked for, but PyTorch {torch.__version__} finds none; use cpu")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
