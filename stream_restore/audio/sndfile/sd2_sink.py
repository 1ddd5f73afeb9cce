"""Sound Designer II: plain samples in one file, all about them in the resource fork that lies beside it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import soundfile

from ...errors import ConfigError
from ...spec import Spec
from ..formats import Format
from ..outputs.output import Output, open_output, refuse_existing
from ..pcm.headers import NoHead
from ..pcm.sink import PcmSink
from ..samples.coding import Quantiser
from .sink import SUBTYPES

__all__ = ["Sd2Sink", "fork_of"]


class Sd2Sink(PcmSink):
    """Samples in NAME, and in ._NAME the fork: that gets its name first, so that NAME is never without it."""

    def __init__(self, output: Output, spec: Spec, form: Format, quantiser: Quantiser, force: bool) -> None:
        super().__init__(output, spec, form, quantiser, force, NoHead())
        self._fork, there = _fork(output.name, spec, form), fork_of(output.name)
        # The same fork may be there, of a run that was stopped between the two names.
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
    """Where the resource fork of a file lies on systems that know none: as macOS names it, and libsndfile."""
    return Path(name).with_name(f"._{Path(name).name}")


def _fork(name: str, spec: Spec, form: Format) -> bytes:
    """The fork as libsndfile writes it; the length of the sound is not in it.

    Raises:
        ConfigError: a rate or channels that it does not hold.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sound.sd2"
        try:
            soundfile.SoundFile(path, "w", spec.sample_rate, spec.channels, SUBTYPES[form.encoding]).close()
        except soundfile.LibsndfileError as error:
            what = f"{spec.channels} channels at {spec.sample_rate} Hz ({error.error_string})"
            raise ConfigError(f"{name}: sd2 cannot hold {what}; wav can") from error
        return fork_of(str(path)).read_bytes()
