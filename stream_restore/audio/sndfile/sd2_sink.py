"""Sound Designer II: PCM in one file, its format in the resource fork beside it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import soundfile

from ...errors import ConfigError
from ...spec import Spec
from ..formats import Format
from ..outputs.output import Output, open_output, refuse_existing
from ..pcm.headers import Head
from ..pcm.sink import PcmSink
from ..samples.coding import Quantiser
from .sink import SUBTYPES

__all__ = ["Sd2Sink", "fork_of"]


class Sd2Sink(PcmSink):
    """Samples in NAME, the resource fork in ._NAME, which is renamed first, so that NAME never exists without it."""

    def __init__(self, output: Output, spec: Spec, form: Format, quantiser: Quantiser, force: bool) -> None:
        super().__init__(output, spec, form, quantiser, force, Head())
        self._fork, there = _fork(output.name, spec, form), fork_of(output.name)
        # The same fork may exist, from a run that was stopped between the two renames.
        if not force and there.exists() and there.read_bytes() != self._fork:
            refuse_existing(there)

    def _publish(self) -> None:
        fork = open_output(fork_of(self.name), force=True)
        fork.write(self._fork)
        try:
            fork.commit(self._force)
        finally:
            fork.discard()
        super()._publish()


def fork_of(name: str) -> Path:
    """Path of a resource fork on systems without them, as macOS and libsndfile name it."""
    return Path(name).with_name(f"._{Path(name).name}")


def _fork(name: str, spec: Spec, form: Format) -> bytes:
    """The fork as libsndfile writes it; it does not contain the length of the audio.

    Raises:
        ConfigError: if it cannot hold the rate or number of channels.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sound.sd2"
        try:
            soundfile.SoundFile(path, "w", spec.sample_rate, spec.channels, SUBTYPES[form.encoding]).close()
        except soundfile.LibsndfileError as error:
            what = f"{spec.channels} channels at {spec.sample_rate} Hz ({error.error_string})"
            raise ConfigError(f"{name}: sd2 cannot hold {what}; wav can") from error
        return fork_of(str(path)).read_bytes()
