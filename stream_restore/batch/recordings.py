"""Which recordings a batch restores, and what their results are called."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import glob, has_magic
from pathlib import Path

from ..audio.formats import CONTAINERS
from ..audio.storage import Place, Remote, below, matching, place_of
from ..errors import ConfigError, SourceError

__all__ = ["SUFFIXES", "Recording", "find_recordings", "output_name", "read_list", "suffix_of"]

_WRITTEN = {suffix for container in CONTAINERS.values() for suffix in container.suffixes}
_HEADERLESS = set(CONTAINERS["raw"].suffixes)
_READ = {"ac3", "aifc", "amr", "ape", "bwf", "caf", "dff", "dsf", "mka", "mkv", "mp2", "mpc", "rf64", "tta", "w64"}
SUFFIXES = frozenset((_WRITTEN - _HEADERLESS) | _READ | {"webm", "wma", "wv"})
"""Suffixes of recordings, in lower case, without the dot."""


@dataclass(frozen=True, order=True, slots=True)
class Recording:
    """A recording, and where it lies below the folder that a batch was given: its result lies there below another."""

    path: Place
    place: Path


def find_recordings(
    words: Iterable[str | Place],
    outputs: str | Place,
    *,
    listed: Iterable[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> list[Recording]:
    """The recordings that are meant, sorted by path, those at URLs last, each once.

    Args:
        words: folders, of which all recordings at any depth are taken, with their folders below it; patterns as
            tapes/**/*.flac, with the folders below what has no wildcard; or files, without their folders. What a folder
            or pattern finds must be called as sound is, and not be hidden; symbolic links to folders are not followed.
            The same by URLs, but of a web server, which tells no names, only recordings.
        outputs: a folder or its URL, in which nothing is sought.
        listed: files and folders by paths that are kept whole below `outputs`, but for a leading slash; or by URLs, of
            folders with a slash at their end, that are kept without scheme and query.
        include, exclude: patterns of a name or of a whole place; with `include`, one must fit, of `exclude`, none.

    Raises:
        ConfigError: if there are none, a place climbs with .., or results would lie among the recordings.
        SourceError: if a folder cannot be read.
    """
    outputs, named = place_of(outputs), [place_of(word) for word in words]
    found = {recording for word in named for recording in _of_word(word, outputs)}
    found |= {recording for line in listed for recording in _of_line(place_of(line), outputs)}
    chosen = [each for each in found if (_fits(each.place, include) or not include) and not _fits(each.place, exclude)]
    if not chosen:
        what = f"{', '.join(map(str, named)) or 'the list'}: holds no recordings; they end in .wav, .flac, .mp3, ..."
        raise ConfigError("--include and --exclude leave no recording" if found else what)
    for each in chosen:
        if ".." in each.place.parts:
            raise ConfigError(f"{each.path}: its result would climb out of {outputs} by ..; rename or --exclude it")
    return sorted(chosen, key=lambda each: (isinstance(each.path, Remote), each))


def read_list(data: bytes) -> list[str]:
    """The paths of a list: a line each, or, if there is a NUL, as `find -print0` writes them.

    >>> read_list(b"a.wav\\n\\nb.wav\\n"), read_list(b"a\\nb.wav\\0")
    (['a.wav', 'b.wav'], ['a\\nb.wav'])
    """
    lines = data.split(b"\0") if b"\0" in data else data.splitlines()
    return [os.fsdecode(line) for line in lines if line]


def output_name(template: str, stem: str, ext: str) -> str:
    """The name of a result.

    Raises:
        ConfigError: if the template has other fields than {stem} and {ext}, or gives no name of a file.

    >>> output_name("{stem}.restored.{ext}", "side a", "flac")
    'side a.restored.flac'
    """
    field = re.compile(r"\{(stem|ext)\}")
    if "{stem}" not in template or re.search(r"[{}/]", field.sub("", template)):
        raise ConfigError(
            f"results are named by a template of {{stem}} and {{ext}}, as {{stem}}.restored.{{ext}}; got {template!r}"
        )
    return field.sub(lambda match: {"stem": stem, "ext": ext}[match[1]], template)


def suffix_of(path: Path) -> str:
    """The suffix in lower case, without the dot."""
    return path.suffix[1:].lower()


def _of_word(word: Place, outputs: Place) -> Iterator[Recording]:
    if isinstance(word, Remote):
        yield from _of_url(word, outputs)
    elif word.is_dir():
        _refuse_clash(word, outputs)
        yield from (Recording(each, each.relative_to(word)) for each in _below(word, outputs))
    elif has_magic(str(word)) and not word.exists():
        base = _without_magic(word)
        for each in sorted(Path(name) for name in glob(str(word), recursive=True)):
            if suffix_of(each) in SUFFIXES and each.is_file() and not _lies_in(each, outputs):
                yield Recording(each, each.relative_to(base))
    elif word.exists():
        yield Recording(word, Path(word.name))
    else:
        raise SourceError(f"{word}: does not exist; a batch takes folders, files, URLs, and patterns in quotes")


def _of_url(url: Remote, outputs: Place) -> Iterator[Recording]:
    try:
        if url.is_web:  # which tells no names; whether it is there, its own turn says
            yield Recording(url, Path(Path(url.place).name))
        elif has_magic(url.url) and not url.exists():
            base, fitting = matching(url)
            yield from _among(fitting, base, outputs)
        elif url.is_folder():
            if isinstance(outputs, Remote) and outputs.holds(url / "any"):
                raise ConfigError(f"{outputs}: holds the recordings themselves; give another folder")
            yield from _among(below(url), url, outputs)
        else:
            yield Recording(url, Path(Path(url.place).name))
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise SourceError(f"{url}: {reason}") from error


def _of_listed_url(url: Remote, outputs: Place) -> Iterator[Recording]:
    """A folder only if it says so: asking for each of a long list would take as long."""
    if not url.url.endswith("/"):
        yield Recording(url, Path(url.place))
        return
    if url.is_web:
        raise ConfigError(f"{url}: a web server does not tell what it holds; list the recordings themselves")
    yield from (Recording(each.path, Path(url.place) / each.place) for each in _of_url(url, outputs))


def _among(found: Iterable[Remote], base: Remote, outputs: Place) -> Iterator[Recording]:
    """Those objects that are called as sound is, and neither hidden nor among the results."""
    above = len(base.place.rstrip("/")) + 1
    for each in found:
        place = Path(each.place[above:].lstrip("/"))
        hidden = any(part[0] == "." and part != ".." for part in place.parts)
        if suffix_of(place) in SUFFIXES and not hidden and not (isinstance(outputs, Remote) and outputs.holds(each)):
            yield Recording(each, place)


def _of_line(line: Place, outputs: Place) -> Iterator[Recording]:
    if isinstance(line, Remote):
        yield from _of_listed_url(line, outputs)
    elif ".." in line.parts:
        raise ConfigError(f"{line}: a path in a list goes down only, so that its result has a place; leave .. out")
    else:
        for each in _below(line, outputs) if line.is_dir() else [line]:
            yield Recording(each, each.relative_to(each.anchor))


def _below(folder: Path, outputs: Place) -> list[Path]:
    """Files in a folder with a suffix of a recording, sorted by path, outside `outputs`."""
    found = []
    for where, folders, names in os.walk(folder, onerror=_unreadable):
        here = Path(where)
        folders[:] = [name for name in folders if name[0] != "." and not _is(here / name, outputs)]
        found += [here / name for name in names if name[0] != "."]
    return sorted(path for path in found if suffix_of(path) in SUFFIXES and path.is_file())


def _without_magic(path: Path) -> Path:
    """The folder above the first wildcard."""
    plain = Path()
    for part in path.parts[:-1]:
        if has_magic(part):
            break
        plain /= part
    return plain


def _fits(place: Path, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(place.name, each) or fnmatchcase(place.as_posix(), each) for each in patterns)


def _unreadable(error: OSError) -> None:
    raise SourceError(f"{error.filename}: cannot be read: {error.strerror}") from error


def _is(path: Path, outputs: Place) -> bool:
    return isinstance(outputs, Path) and path.resolve() == outputs.resolve()


def _lies_in(path: Path, outputs: Place) -> bool:
    return isinstance(outputs, Path) and outputs.resolve() in path.resolve().parents


def _refuse_clash(inputs: Path, outputs: Place) -> None:
    if _is(inputs, outputs) or (isinstance(outputs, Path) and _lies_in(inputs, outputs)):
        raise ConfigError(f"{outputs}: holds the recordings themselves; give another folder")
