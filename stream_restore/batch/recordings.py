"""Which recordings a batch restores, and what their results are called."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from glob import glob, has_magic
from pathlib import Path

from ..audio.formats import CONTAINERS
from ..errors import ConfigError, SourceError

__all__ = ["SUFFIXES", "Recording", "find_recordings", "output_name", "read_list", "suffix_of"]

_WRITTEN = {suffix for container in CONTAINERS.values() for suffix in container.suffixes}
_HEADERLESS = set(CONTAINERS["raw"].suffixes)
_READ = {"ac3", "aifc", "amr", "ape", "bwf", "caf", "dff", "dsf", "mka", "mkv", "mp2", "mpc", "rf64", "tta", "w64"}
SUFFIXES = frozenset((_WRITTEN - _HEADERLESS) | _READ | {"webm", "wma", "wv"})
"""Suffixes of recordings, in lower case, without the dot."""


@dataclass(frozen=True, order=True)
class Recording:
    """A recording, and where it lies below the folder that a batch was given: its result lies there below another."""

    path: Path
    place: Path


def find_recordings(
    words: Iterable[Path | str],
    outputs: Path,
    *,
    listed: Iterable[str] = (),
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> list[Recording]:
    """The recordings that are meant, sorted by path, each once.

    Args:
        words: folders, of which all recordings at any depth are taken, with their folders below it; patterns as
            tapes/**/*.flac, with the folders below what has no wildcard; or files, without their folders. What a folder
            or pattern finds must be called as sound is, and not be hidden; symbolic links to folders are not followed.
        outputs: a folder in which nothing is sought.
        listed: files and folders by paths that are kept whole below `outputs`, but for a leading slash.
        include, exclude: patterns of a name or of a whole place; with `include`, one must fit, of `exclude`, none.

    Raises:
        ConfigError: if there are none, a listed path climbs with .., or results would lie among the recordings.
        SourceError: if a folder cannot be read.
    """
    found = {recording for word in words for recording in _of_word(str(word), outputs)}
    found |= {recording for line in listed for recording in _of_line(Path(line), outputs)}
    chosen = sorted(
        each for each in found if (_fits(each.place, include) or not include) and not _fits(each.place, exclude)
    )
    if not chosen:
        what = f"{', '.join(map(str, words)) or 'the list'}: holds no recordings; they end in .wav, .flac, .mp3, ..."
        raise ConfigError("--include and --exclude leave no recording" if found else what)
    return chosen


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


def _of_word(word: str, outputs: Path) -> Iterator[Recording]:
    path = Path(word)
    if path.is_dir():
        _refuse_clash(path, outputs)
        yield from (Recording(each, each.relative_to(path)) for each in _below(path, outputs))
    elif has_magic(word) and not path.exists():
        base = _without_magic(path)
        for each in sorted(Path(name) for name in glob(word, recursive=True)):
            if suffix_of(each) in SUFFIXES and each.is_file() and outputs.resolve() not in each.resolve().parents:
                yield Recording(each, each.relative_to(base))
    elif path.exists():
        yield Recording(path, Path(path.name))
    else:
        raise SourceError(f"{word}: does not exist; a batch takes folders, files, and patterns in quotes")


def _of_line(path: Path, outputs: Path) -> Iterator[Recording]:
    if ".." in path.parts:
        raise ConfigError(f"{path}: a path in a list goes down only, so that its result has a place; leave .. out")
    for each in _below(path, outputs) if path.is_dir() else [path]:
        yield Recording(each, each.relative_to(each.anchor))


def _below(folder: Path, outputs: Path) -> list[Path]:
    """Files in a folder with a suffix of a recording, sorted by path, outside `outputs`."""
    found = []
    for where, folders, names in os.walk(folder, onerror=_unreadable):
        here = Path(where)
        folders[:] = [name for name in folders if name[0] != "." and (here / name).resolve() != outputs.resolve()]
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


def _refuse_clash(inputs: Path, outputs: Path) -> None:
    source, target = inputs.resolve(), outputs.resolve()
    if source == target or target in source.parents:
        raise ConfigError(f"{outputs}: holds the recordings themselves; give another folder")
