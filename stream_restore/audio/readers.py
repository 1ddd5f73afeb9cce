"""Selects the reader for an input.

WAV and related containers are read by this package, from files and pipes alike. All others go to FFmpeg, or to
libsndfile if FFmpeg does not support them or decodes them incorrectly. From a pipe, containers that can be read in one
pass are streamed; others go to a temporary file first. Either way the samples equal those of the same bytes in a file.
"""

import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import SourceError, errors_as
from .bytestream import ByteStream, OnePass, Readable
from .damage import OnDamage, checked
from .formats import CODECS
from .ogg.pages import is_chained
from .ogg.watch import OggWatch
from .pcm.raw import RawFormat
from .pcm.source import open_pcm, open_wav
from .pcm.wav_header import is_wav
from .sniff import Kind, sniff
from .source import Source, refuse_track
from .spool import spool_bytes
from .storage import Place, Remote, failures, place_of
from .tags.source_extras import add_extras, leading_tags

__all__ = ["open_source", "refuse_loss"]


class Reading(NamedTuple):
    """How an input is read: see `open_source`."""

    on_damage: OnDamage
    track: int | None


def open_source(
    target: str | Path | BinaryIO,
    *,
    raw: RawFormat | None = None,
    on_damage: OnDamage = "conceal",
    track: int | None = None,
) -> Source:
    """Open a file, an object at a URL, "-" for stdin, or a binary stream; `raw` describes samples without a header.

    Where sound is lost or cannot be decoded, silence of its length stands for it, and `warnings` says so at the end; a
    chain whose links differ in rate or channels is converted to the first. With `on_damage` "stop" each is an error.
    `track` chooses among several sound streams, counted from 0; None takes the one that FFmpeg finds best.

    Raises:
        ConfigError: if `on_damage` is neither, or there is no such track.
        SourceError: if it is missing, unreadable, a folder, empty, or holds no audio.
    """
    checked(on_damage)
    stream = _stream(target)
    failed = failures(stream.name)
    try:
        place = place_of(target) if isinstance(target, str | Path) else None  # which can be opened again
        source = _opened(stream, raw, place, Reading(on_damage, track))
        refuse_track(source.name, track, source.tracks)
        refuse_loss(source.name, failed)
        return source
    except BaseException:
        stream.close()
        raise


def refuse_loss(name: str, failed: int) -> None:
    """Refuse to go on after the storage of an object failed more than `failed` times, see `failures`.

    Raises:
        SourceError: if it did: libraries take that for the end of a file, or leave tags out.
    """
    if failures(name) > failed:
        raise SourceError(f"{name}: its storage failed while it was read, so something would be missing; try again")


def _stream(target: str | Path | BinaryIO) -> ByteStream:
    if not isinstance(target, str | Path):
        return ByteStream(target, str(getattr(target, "name", "input stream")), owned=False)
    if str(target) == "-":
        if sys.stdin is None:
            raise SourceError("stdin is closed; give the name of a file")
        return ByteStream(sys.stdin.buffer, "stdin", owned=False)
    place = place_of(target)
    return _object(place) if isinstance(place, Remote) else _file(place)


def _object(remote: Remote) -> ByteStream:
    with errors_as(SourceError, f"{remote}: cannot be opened"):
        return ByteStream(remote.open(), remote.name, seekable=remote.seekable)


def _file(path: Path) -> ByteStream:
    try:
        with errors_as(SourceError, f"{path}: cannot be opened"):
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode):
                raise SourceError(f"{path}: is a folder; give a file in it")
            return ByteStream(path.open("rb"), str(path), seekable=stat.S_ISREG(mode))
    except ValueError as error:  # a NUL in the name
        raise SourceError(f"{path}: cannot be opened: {error}") from error


def _bytes(path: Place) -> BinaryIO:
    """The bytes from the start, once more."""
    with errors_as(SourceError, f"{path}: cannot be opened"):
        return path.open("rb")


def _opened(stream: ByteStream, raw: RawFormat | None, path: Place | None, how: Reading) -> Source:
    if raw is not None:
        return _codec(stream, raw, path) if raw.encoding in CODECS else open_pcm(stream, raw)
    head = stream.peek(40)
    if not head:
        raise SourceError(f"{stream.name}: is empty")
    if is_wav(head):
        wav = open_wav(stream)
        if wav is not None:
            return wav
    if stream.seekable and path:
        return add_extras(_foreign_file(stream, path, how), lambda: _bytes(path))
    return _foreign_pipe(stream, how)


def _codec(stream: ByteStream, raw: RawFormat, path: Place | None) -> Source:
    """Headerless data of a codec; from a pipe by way of a temporary file."""
    if stream.seekable and path:
        stream.close()
        return _by_libsndfile(stream.name, _bytes(path), rereadable=True, raw=raw)
    with spool_bytes(stream) as file:
        stream.close()
        return _by_libsndfile(stream.name, _again(file), rereadable=False, raw=raw)


def _foreign_file(stream: ByteStream, path: Place, how: Reading) -> Source:
    kind, exact = sniff(stream), _exact(stream)
    stream.close()
    if isinstance(path, Path) and path.suffix.lower() == ".sd2":
        return _sound_designer(path)
    return _foreign(stream.name, lambda: _bytes(path), kind, exact, True, how)


def _exact(stream: ByteStream) -> bool:
    """Whether libsndfile decodes it correctly, and FFmpeg (version 8) does not.

    FFmpeg reads the code words of G.721 and G.723 in the opposite order (AU's encodings 23, 25 and 26, WAV's 0x40),
    does not support NMS ADPCM (WAV's 0x38), rounds MS ADPCM (0x02) unlike libsndfile and SoX, drops the last, shorter
    packet of ALAC in CAF, and keeps the padding of the last packet of GSM in AIFF.
    """
    head = stream.peek(66)
    if head[:4] == b".snd":
        return int.from_bytes(head[12:16], "big") in (23, 25, 26)
    if head[8:16] == b"WAVEfmt ":
        return int.from_bytes(head[20:22], "little") in (0x02, 0x38, 0x40)
    if head[:4] == b"riff" and head[40:44] == b"fmt ":
        return int.from_bytes(head[64:66], "little") == 0x02
    if head[:4] == b"FORM":
        return b"GSM " in head
    return head[:4] == b"caff" and head[28:32] == b"alac"


def _sound_designer(path: Path) -> Source:
    """Sound Designer II: samples in one file, their format in the resource fork beside it."""
    forks = (path.with_name(f"._{path.name}"), path.with_name(".AppleDouble") / path.name)
    if not any(fork.is_file() for fork in forks):
        raise SourceError(
            f"{path}: its sample rate and channels are in {forks[0].name}, which is not beside it; copy that, too, or"
            f" say them: --raw s16be:44100:2"
        )
    return _by_libsndfile(str(path), path, rereadable=True)


def _foreign_pipe(stream: ByteStream, how: Reading) -> Source:
    kind, exact = sniff(stream), _exact(stream)
    if kind.streams and not exact:
        from .ffmpeg.source import AvSource

        one_pass, tags = OnePass(stream), leading_tags(stream)
        source = AvSource(stream.name, lambda: _mended(one_pass, kind), False, **how._asdict())
        return add_extras(source, lambda: BytesIO(tags), at_once=True)
    with spool_bytes(stream) as file:
        stream.close()
        spooled = _foreign(stream.name, lambda: _again(file), kind, exact, False, how)
        position = os.lseek(file.fileno(), 0, os.SEEK_CUR)  # which duplicates of a file share
        add_extras(spooled, lambda: _again(file), at_once=True)
        os.lseek(file.fileno(), position, os.SEEK_SET)
        return spooled


def _again(file: BinaryIO) -> BinaryIO:
    """A duplicate of `file`, at its start; it stays open after `file` is closed."""
    copy = os.fdopen(os.dup(file.fileno()), "rb")
    copy.seek(0)
    return copy


def _foreign(
    name: str, reopen: Callable[[], BinaryIO], kind: Kind, exact: bool, rereadable: bool, how: Reading
) -> Source:
    """Open with FFmpeg, or with libsndfile if only that is `exact`; where one cannot, with the other."""
    from .ffmpeg.source import AvSource

    def by_ffmpeg() -> Source:
        if kind.ogg or kind.framing:
            return _in_one_pass(name, reopen, kind, rereadable, how)
        return AvSource(name, reopen, rereadable, kind.exact, **how._asdict())

    def by_libsndfile() -> Source:
        return _by_libsndfile(name, reopen(), rereadable)

    first, second = (by_libsndfile, by_ffmpeg) if exact else (by_ffmpeg, by_libsndfile)
    try:
        return first()
    except SourceError as unknown:
        if kind.ogg:
            raise
        try:
            return second()
        except SourceError:
            raise unknown from None


def _in_one_pass(name: str, reopen: Callable[[], BinaryIO], kind: Kind, rereadable: bool, how: Reading) -> Source:
    """Read a file as a pipe is read, so that every page or frame is checked; the length is that of the file."""
    from .ffmpeg.source import AvSource

    whole = None
    with suppress(SourceError):
        whole = AvSource(name, reopen, rereadable, kind.exact, track=how.track)
        whole.close()  # before the file is read again: copies of a spool share one position
    chained = kind.ogg and _is_chained(reopen)
    source = AvSource(name, lambda: _mended(reopen(), kind), rereadable, kind.exact, **how._asdict())
    if whole is not None and not chained:
        source.take_length(whole)
    return source


def _is_chained(reopen: Callable[[], BinaryIO]) -> bool:
    with reopen() as file:
        return is_chained(file)


def _mended(file: Readable, kind: Kind) -> Readable:
    """A file that is read in one pass, so that every page or frame of it is checked."""
    from .ffmpeg.frame_headers import ADTS, MPEG
    from .ffmpeg.resync import FrameStream

    if kind.ogg:
        return OggWatch(file)
    return FrameStream(file, ADTS if kind.framing == "adts" else MPEG) if kind.framing else file


def _by_libsndfile(name: str, file: BinaryIO | Path, rereadable: bool, raw: RawFormat | None = None) -> Source:
    from .sndfile.source import SndfileSource

    return SndfileSource(name, file, rereadable, raw)
