"""Encoded files that can be resumed, although encoder state cannot be saved.

The samples that an encoder receives are also stored in NAME.part; its output grows in NAME.encoded.part, which is
renamed to NAME when complete. A resumed run feeds all stored samples to a new encoder, then those that follow. So an
encoder always receives one recording from its first frame to its last, and writes the same bytes.
"""

import numpy as np

from ..spec import Spec
from .formats import Format, word_of
from .outputs.output import Output
from .pcm.headers import Head
from .pcm.sink import PcmSink
from .samples.coding import Quantiser, Values
from .sink import Position, Sink

__all__ = ["ENCODED", "ReplayedSink"]

ENCODED = ".encoded.part"
"""Suffix of the file that an encoder has not completed."""

_TYPES = {"s16": "<i2", "s32": "<i4", "f32": "<f4"}
_BLOCK = 1 << 16
"""Frames per read."""


class ReplayedSink(PcmSink):
    """Feeds the sink `encoder` and stores the samples it received: 2 bytes each up to 16 bits, else 4."""

    def __init__(
        self, output: Output, spec: Spec, form: Format, quantiser: Quantiser, force: bool, encoder: Sink
    ) -> None:
        super().__init__(output, spec, form, quantiser, force, Head(), _kept_word(form.encoding))
        self._encoder = encoder

    @property
    def _big_endian(self) -> bool:
        return False

    def go_on(self, position: Position) -> None:
        """Truncate the samples stored by an earlier sink to `position`, feed them to the encoder, and continue there.

        Raises:
            SinkError: if fewer are stored, if they cannot be read, or if the encoder fails.
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
        self.warnings += [text for text in self._encoder.warnings if text not in self.warnings]
        # Only now: a run stopped between the two can then write the same file again.
        self._output.discard()

    def _let_go(self) -> None:
        self._encoder.abort()
        super()._let_go()


def _kept_word(encoding: str) -> str:
    """The shortest word that holds the values `Quantiser` returns for an encoding."""
    word = word_of(encoding)
    if word is None or word.kind == "float":
        return "f32"
    return "s16" if word.bits <= 16 else "s32"
