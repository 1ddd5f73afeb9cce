"""Writing of PCM: WAV, which becomes RF64 if necessary, AU, and headerless."""

from ...spec import Spec
from ..formats import WORDS, Format
from ..outputs.output import Output
from ..samples.coding import Quantiser, Values, encode
from ..sink import Position, Sink
from .headers import Head

__all__ = ["PcmSink"]


class PcmSink(Sink):
    """Samples after a `Head`, to a file or a pipe; stored as `word`, if given, instead of the output's encoding."""

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
        """Truncate the file of an earlier sink to `position`, and continue there.

        Raises:
            ConfigError: if it is not a file.
            SinkError: if it is shorter.
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
