"""Selects the writer for an output."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path, PurePath
from typing import BinaryIO

from ..errors import ConfigError
from ..spec import Spec
from .formats import CODECS, CONTAINERS, Format, choose, names
from .outputs.output import Output, open_output
from .outputs.upload import open_upload
from .pcm.headers import AuHead, Head
from .pcm.sink import PcmSink
from .pcm.wav_writer import WavHead
from .resumable_encoder import ENCODED, ReplayedSink
from .samples.coding import Quantiser, needs_dither
from .sink import Position, Sink, refuse_too_long
from .source import Film
from .storage import is_url
from .tags.extras import Extras
from .tags.inherited import inherited_tags

__all__ = ["open_sink"]


def open_sink(
    target: str | Path | BinaryIO,
    spec: Spec,
    *,
    like: Format | None = None,
    container: str | None = None,
    encoding: str | None = None,
    clip_mode: str = "clamp",
    seed: int = 0,
    force: bool = False,
    frames: int | None = None,
    continuable: bool = False,
    resume: Position | None = None,
    film: Film | None = None,
    first: int = 0,
) -> Sink:
    """Open a file, an object at a URL, "-" for stdout, or a binary stream, for audio of `spec`.

    * `like` is the input's format: whatever is not requested is inherited from it, see `formats.choose`.
    * Integer words get TPDF dither, a function of `seed` and the absolute frame, if and only if they are shorter than
      the input's (floats, s32, lossy codecs and an absent `like` count as 32 bits, so an output of 24 bits or fewer is
      then dithered). Otherwise samples are rounded, which is bit-exact for samples of the same word.
    * `clip_mode`: integers are clipped in every mode; "tanh" compresses integers and floats alike; with "clamp" and
      "none" the samples of floats and lossy codecs are unchanged, even beyond full scale.
    * `continuable`: a later sink can resume a file where this one stops. PCM always can; for an encoder, the samples
      it receives are stored until the file is complete, 2 bytes each up to 16 bits, else 4.
    * `resume`: continue at this position of an earlier sink that was `continuable` and left its NAME.part.
    * `film`: what to copy beside the sound, see `Film`; the sink warns about what the container cannot hold.
    * `first`: where in a longer recording this one begins, for the dither.
    * `frames`, the expected length, only serves to refuse early what the container cannot hold: the bytes written
      never depend on it.

    Raises:
        ConfigError: if the container, encoding, rate, number of channels or clip mode is not supported, or a pipe is to
            be resumed.
        SinkError: if it exists and `force` is off, or cannot be created; for later errors see `Sink`.
    """
    name = str(target) if isinstance(target, str | Path) else "-"
    form = choose(name, container, encoding, like, pipe=Path(name).exists() and not Path(name).is_file())
    tags, notes = inherited_tags(form)
    form = replace(form, tags=tags)
    if spec.sample_rate >= 2**32:
        raise ConfigError(f"{name}: no file says a rate of {spec.sample_rate} Hz; resample it")
    dither = needs_dither(form.encoding, like)
    quantiser = Quantiser(form.encoding, spec, clip_mode, seed, dither, first)
    refuse_too_long(name, spec, form, frames or 0)
    # A resumed file may already have its final name, if the run was stopped right after renaming: `close` compares.
    goes_on = resume is not None
    unheeding = force or goes_on
    room, unfilmed = _room(film, name, form)
    if room is not None:
        form = replace(form, extras=Extras())  # cover and chapters come with the film
    with ExitStack() as undo:
        output = open_upload(target, force) if is_url(target) else open_output(target, unheeding, goes_on)
        undo.callback(output.leave if goes_on else output.discard)
        how = (spec, form, quantiser, force)
        if (continuable or goes_on) and output.seekable() and _writes(form) != "pcm":
            encoded = open_output(target, unheeding, suffix=ENCODED)
            undo.callback(encoded.discard)
            encoder = _writer(encoded, *how, room)
            undo.callback(encoder.abort)
            sink: Sink = ReplayedSink(output, *how, encoder)
        else:
            sink = _writer(output, *how, room)
        sink.warnings += unfilmed
        if resume is not None:
            sink.go_on(resume)
        undo.pop_all()
        sink.warnings += notes
        return sink


def _room(film: Film | None, name: str, form: Format) -> tuple[Film | None, list[str]]:
    """What of a film the output can hold, by its suffix if it has one, else by its container; and warnings."""
    if film is None:
        return None, []
    suffix, container = PurePath(name).suffix[1:].lower(), CONTAINERS[form.container]
    if (suffix if suffix in container.suffixes else container.suffixes[0]) not in container.film:
        why = f"{name} holds only sound; .mkv, .mp4, .mov and .webm hold more"
    elif film.reopen is None:
        why = "a pipe is read once; give the name of the file"
    else:
        return film, []
    return None, [film.left_out(why)] if film.streams else []


def _writer(
    output: Output, spec: Spec, form: Format, quantiser: Quantiser, force: bool, film: Film | None = None
) -> Sink:
    writer = _writes(form)
    if not output.seekable() and (not CONTAINERS[form.container].pipe or form.encoding in CODECS):
        what, cure = form.container, f"{names(pipe=True)} can"
        if form.encoding in CODECS:
            what, cure = f"{form.encoding} in {what}", "plain samples can (--int16)"
        raise ConfigError(f"{output.name}: {what} cannot be written to a pipe; {cure}")
    if form.container == "sd2":
        from .sndfile.sd2_sink import Sd2Sink

        return Sd2Sink(output, spec, form, quantiser, force)
    if writer == "pcm":
        return PcmSink(output, spec, form, quantiser, force, _HEADS[form.container](spec, form, not output.seekable()))
    if writer == "sndfile":
        from .sndfile.sink import SndfileSink

        return SndfileSink(output, spec, form, quantiser, force)
    if form.container == "tta":
        from .ffmpeg.sink import TtaSink

        return TtaSink(output, spec, form, quantiser, force)
    from .ffmpeg.sink import AvSink

    return AvSink(output, spec, form, quantiser, force, film)


def _writes(form: Format) -> str:
    """The writer of a format."""
    return "sndfile" if form.encoding in CODECS else CONTAINERS[form.container].writer


_HEADS: dict[str, Callable[[Spec, Format, bool], Head]] = {
    "wav": lambda spec, form, pipe: WavHead(spec, form, pipe=pipe),
    "rf64": lambda spec, form, pipe: WavHead(spec, form, pipe=pipe),
    "au": lambda spec, form, pipe: AuHead(spec, form),
    "raw": lambda spec, form, pipe: Head(),
}
