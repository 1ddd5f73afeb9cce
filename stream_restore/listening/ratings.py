"""Ratings of a listening test, and the CSV files they are read from: our own and webMUSHRA's.

Conditions have webMUSHRA's names for what every test holds: "reference" is the hidden one, "anchor35" and "anchor70"
are the low and the mid anchor.
"""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import nan
from pathlib import Path

from ..errors import SourceError, errors_as

__all__ = ["COLUMNS", "LOW_ANCHOR", "MID_ANCHOR", "REFERENCE", "Rating", "number", "read_csv", "unique"]

REFERENCE, LOW_ANCHOR, MID_ANCHOR = "reference", "anchor35", "anchor70"
COLUMNS = ("listener", "trial", "condition", "score", "seconds")
WEBMUSHRA = {"trial_id", "rating_stimulus", "rating_score"}
LARGEST_CSV = 1 << 28
"""Bytes of a file of ratings: some millions of them."""

Row = Mapping[str, str]


@dataclass(frozen=True)
class Rating:
    """The rating of one condition by one listener in one trial.

    Attributes:
        score: 0 to 100.
        seconds: how long the listener was at the trial; nan where it is not known.
    """

    listener: str
    trial: str
    condition: str
    score: float
    seconds: float = nan

    @property
    def place(self) -> tuple[str, str, str]:
        """The unique place of a rating in a test."""
        return self.listener, self.trial, self.condition


def read_csv(path: Path) -> list[Rating]:
    """Read a CSV file with the columns `COLUMNS` (seconds may be left out), or webMUSHRA's `mushra.csv`.

    webMUSHRA names a listener by what its questionnaire asked, and by `session_uuid` where it writes one. Where it does
    not, repeated ratings of a stimulus are attributed to another listener with the same answers.

    Raises:
        SourceError: if the file cannot be read, columns are missing, a score is not from 0 to 100, or ratings repeat.
    """
    try:
        with errors_as(SourceError, f"{path}: cannot be read"):
            if path.stat().st_size > LARGEST_CSV:
                raise SourceError(f"{path}: more than {LARGEST_CSV >> 20} MB are no ratings of a listening test")
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, restval="", strict=True)
                read = _reader(path, reader.fieldnames or ())
                return unique(path, read((f"{path}, line {reader.line_num}", row) for row in reader))
    except (csv.Error, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: is no CSV in UTF-8: {error}") from error


def unique(path: Path, ratings: Sequence[Rating]) -> list[Rating]:
    """The same, if no two are of one listener, trial and condition.

    Raises:
        SourceError: if two are; the message says which.
    """
    place, count = next(iter(Counter(each.place for each in ratings).most_common(1)), (("", "", ""), 0))
    if count > 1:
        listener, trial, condition = place
        raise SourceError(f"{path}: listener {listener!r} rated {condition!r} of trial {trial!r} {count} times")
    return list(ratings)


def number(where: str, text: object, least: float, most: float) -> float:
    """A number in a range, of text or JSON.

    Raises:
        SourceError: if it is not; the message begins with `where`.
    """
    try:
        value = float(text) if isinstance(text, str | int | float) and not isinstance(text, bool) else nan
    except (ValueError, OverflowError):
        value = nan
    if not least <= value <= most:
        raise SourceError(f"{where}: {text!r} is no number from {least:g} to {most:g}")
    return value


def _reader(path: Path, columns: Sequence[str]) -> Callable[[Iterable[tuple[str, Row]]], list[Rating]]:
    if set(COLUMNS[:-1]) <= set(columns):
        return lambda rows: [_own(where, row) for where, row in rows]
    if set(columns) >= WEBMUSHRA:
        return lambda rows: _webmushra(columns, rows)
    wanted = f"{', '.join(COLUMNS)}, or webMUSHRA's"
    raise SourceError(f"{path}: has the columns {', '.join(columns) or 'of no file'}; wanted are {wanted}")


def _own(where: str, row: Row) -> Rating:
    listener, trial, condition = (row[name] for name in COLUMNS[:3])
    seconds = row.get("seconds") or ""
    known = number(where, seconds, 0, 1e9) if seconds else nan
    return Rating(listener, trial, condition, number(where, row["score"], 0, 100), known)


def _webmushra(columns: Sequence[str], rows: Iterable[tuple[str, Row]]) -> list[Rating]:
    who = (
        ["session_uuid"] if "session_uuid" in columns else list(takewhile(lambda name: name != "trial_id", columns))[1:]
    )
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for where, row in rows:
        name = " ".join(row[column].strip() for column in who)
        trial, condition = row["trial_id"], row["rating_stimulus"]
        seen[name, trial, condition] += 1
        again = seen[name, trial, condition] if who != ["session_uuid"] else 1
        listener = name if again == 1 else f"{name} ({again})"
        # webMUSHRA counts milliseconds.
        seconds = number(where, row.get("rating_time") or "0", 0, 1e12) / 1000
        found.append(Rating(listener, trial, condition, number(where, row["rating_score"], 0, 100), seconds or nan))
    return found
