"""Encoded files that can be gone on with, though no encoder can.

The numbers that an encoder gets are kept as they are in NAME.part; what it makes of them grows in NAME.encoded.part,
which is NAME when it is complete. A run that goes on gives a new encoder all the numbers again, then those that
follow. So an encoder always hears one recording from its first frame to its last, and writes the same bytes.
"""

import numpy as np

from ..spec import Spec
from .formats import Format, word_of
from .outputs.output import Output
from .pcm.headers import NoHead
from .pcm.sink import PcmSink
from .samples.coding import Quantiser, Values
from .sink import Position, Sink

__all__ = ["ENCODED", "ReplayedSink"]

ENCODED = ".encoded.part"
"""What is behind the name of what an encoder has made so far."""

_TYPES = {"s16": "<i2", "s32": "<i4", "f32": "<f4"}
_BLOCK = 1 << 16
"""Frames read at once."""


class ReplayedSink(PcmSink):
    """An `encoder`, a sink of its own, and beside it the numbers it got: 2 bytes a sample up to 16 bits, else 4."""

    def __init__(
        self, output: Output, spec: Spec, form: Format, quantiser: Quantiser, force: bool, encoder: Sink
    ) -> None:
        super().__init__(output, spec, form, quantiser, force, NoHead(), _kept_word(form.encoding))
        self._encoder = encoder

    @property
    def _big_endian(self) -> bool:
        return False

    def go_on(self, position: Position) -> None:
        """Cut what an earlier sink kept to `position`, give it to the encoder, and continue there.

        Raises:
            SinkError: it left less, or that cannot be read; whatever the encoder says.
        """
        super().go_on(position)
        channels, kind = self.spec.channels, np.dtype(_TYPES[self._word])
        for data in self._output.pieces(_BLOCK * channels * kind.itemsize):
            self._encoder.store(np.frombuffer(data, kind).reshape(-1, channels).T)

    def _store(self, values: Values) -> None:
        super()._store(values)
        self._encoder.store(values)

    def _publish(self) -> None:
        if not self._kept:
            self._output.discard()
        self._encoder.close()
        # Only now: whoever is stopped between the two makes the same file once more.
        self._output.discard()

    def _let_go(self) -> None:
        self._encoder.abort()
        super()._let_go()


def _kept_word(encoding: str) -> str:
    """The shortest word that holds what `Quantiser` makes for an encoding."""
    word = word_of(encoding)
    if word is None or word.kind == "float":
        return "f32"
    return "s16" if word.bits <= 16 else "s32"
