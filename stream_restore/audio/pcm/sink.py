"""Plain samples behind headers of our own: WAV that becomes RF64 when it has to, AU, and no header at all."""

from ...spec import Spec
from ..formats import WORDS, Format
from ..outputs.output import Output
from ..samples.coding import Quantiser, Values, encode
from ..sink import Position, Sink
from .headers import Head

__all__ = ["PcmSink"]


class PcmSink(Sink):
    """Samples behind a `Head`, to a file or a pipe; as `word` where that is not what the output says."""

    def __init__(
        self,
        output: Output,
        spec: Spec,
        form: Format,
        quantiser: Quantiser,
        force: bool,
        head: Head,
        word: str | None = None,
    ) -> None:
        super().__init__(output, spec, form, quantiser, force)
        self._head, self._word = head, word or form.encoding
        self._size = 0
        output.write(head.start())

    def go_on(self, position: Position) -> None:
        """Cut what an earlier sink left to `position`, and continue there.

        Raises:
            ConfigError: it is no file.
            SinkError: it left less.
        """
        super().go_on(position)
        self._size = self._frames * self.spec.channels * WORDS[self._word].size
        self._output.cut(len(self._head.start()) + self._size)

    def _store(self, values: Values) -> None:
        data = encode(values, self._word, self._big_endian)
        self._size += len(data)
        self._output.write(data)

    @property
    def _big_endian(self) -> bool:
        return self.format.big_endian or self.format.container in ("au", "sd2")

    def _finish(self) -> None:
        if self._output.seekable():
            self._output.write(self._head.padding(self._size))
            self._output.seek(0)
            self._output.write(self._head.final(self._size))
