"""Ratings from a served test, files saved by the page, and CSV of our own and of webMUSHRA."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import SourceError, errors_as
from .key import KEY, Key, read_key
from .ratings import Rating, number, read_csv, unique
from .serving.store import STORE, read_store

__all__ = ["read_ratings"]

LARGEST = 1 << 26
PAGE_COLUMNS = {"test", "listener", "trial", "stimulus", "score"}


def read_ratings(paths: Sequence[Path], key: Path | None = None) -> tuple[list[Rating], Key | None]:
    """All ratings of one test, and its key if one was needed.

    Args:
        paths: the folder of a test that was served; its file of ratings; JSON and CSV files that the page gave; CSV
            files that name conditions, ours or webMUSHRA's.
        key: by default `key.json` in the folder of the first path.

    Raises:
        SourceError: if a file cannot be read or belongs to another test, a rating is invalid or repeated, or a key is
            needed and missing.
    """
    home = paths[0] if paths[0].is_dir() else paths[0].parent
    place = key or home / KEY
    known = read_key(place) if key or place.exists() else None

    def needed() -> Key:
        return known or read_key(place)

    ratings = [rating for path in paths for rating in _read(path, needed)]
    return unique(paths[0], ratings), known


def _read(path: Path, key: Callable[[], Key]) -> Iterable[Rating]:
    if path.is_dir():
        return read_store(path / STORE, key())
    head = _head(path)
    if head.startswith(b"SQLite format 3"):
        return read_store(path, key())
    if head.lstrip().startswith(b"{"):
        return _json(path, key())
    columns = set(head.decode("utf-8-sig", "replace").partition("\n")[0].strip().split(","))
    return _page_csv(path, key()) if columns >= PAGE_COLUMNS else read_csv(path)


def _head(path: Path) -> bytes:
    with errors_as(SourceError, f"{path}: cannot be read"):
        if path.stat().st_size > LARGEST and path.suffix == ".json":
            raise SourceError(f"{path}: is too large for ratings")
        with path.open("rb") as file:
            return file.read(4096)


def _json(path: Path, key: Key) -> list[Rating]:
    try:
        told = json.loads(path.read_bytes())
        rows = [{**row, "test": told["test"]} for row in told["ratings"]]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise SourceError(f"{path}: holds no ratings of a page ({error})") from error
    return [_rating(f"{path}, rating {count}", row, key) for count, row in enumerate(rows, 1)]


def _page_csv(path: Path, key: Key) -> list[Rating]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", strict=True)
            return [_rating(f"{path}, line {reader.line_num}", row, key) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: is no CSV in UTF-8: {error}") from error


def _rating(where: str, row: Mapping[str, Any], key: Key) -> Rating:
    """A rating from a row of the page, which uses tokens."""
    if row.get("test") != key.test:
        raise SourceError(f"{where}: is of the test {row.get('test')!r}, the key is of {key.test!r}")
    trial = key.trial(str(row.get("trial")))
    condition = trial and trial.stimuli.get(str(row.get("stimulus")))
    if not trial or not condition:
        raise SourceError(f"{where}: the test has no stimulus {row.get('stimulus')!r} in a trial {row.get('trial')!r}")
    score = number(where, row.get("score"), 0, 100)
    return Rating(str(row.get("listener")), trial.name, condition, score, number(where, row.get("seconds"), 0, 1e9))
