"""Submissions in one SQLite file: acknowledged ones survive a killed process and power loss."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http import HTTPStatus
from itertools import chain, count
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Self

from ...errors import SinkError, SourceError
from ..key import Key
from ..ratings import Rating
from .submission import RefusedError, Submission

__all__ = ["STORE", "Store", "read_store"]

STORE = "ratings.sqlite"
MOST_SESSIONS = 10_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS test (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS sessions (
    number INTEGER PRIMARY KEY, token TEXT UNIQUE NOT NULL, listener TEXT NOT NULL, language TEXT NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS trials (
    session INTEGER NOT NULL REFERENCES sessions, trial TEXT NOT NULL, step INTEGER NOT NULL, scores TEXT NOT NULL,
    stimuli TEXT NOT NULL, seconds REAL NOT NULL, done INTEGER NOT NULL, PRIMARY KEY (session, trial)
);
"""
NEWER = """
INSERT INTO trials VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session, trial) DO UPDATE SET
    step = excluded.step, scores = excluded.scores, stimuli = excluded.stimuli, seconds = excluded.seconds,
    done = excluded.done
WHERE excluded.step > trials.step
"""


class Store:
    """Sessions and their ratings. Thread-safe; each call is on the disk when it returns.

    Raises:
        SinkError: if the file cannot be opened, or belongs to another test.
    """

    def __init__(self, path: Path, key: Key) -> None:
        self._lock, self._path = Lock(), path
        try:
            self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.executescript(SCHEMA)
        except sqlite3.Error as error:
            raise SinkError(f"{path}: cannot be opened as a file of ratings: {error}") from error
        self._claim(key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._base.close()

    def begin(self, listener: str, language: str) -> str:
        """Begin a session and return its secret name.

        Raises:
            RefusedError: if there are too many.
        """
        token = token_hex(16)
        with self._change() as base:
            if base.execute("SELECT count(*) FROM sessions").fetchone()[0] >= MOST_SESSIONS:
                raise RefusedError("too many sessions", HTTPStatus.INSUFFICIENT_STORAGE)
            base.execute(
                "INSERT INTO sessions (token, listener, language) VALUES (?, ?, ?)", (token, listener, language)
            )
        return token

    def add(self, session: str, told: Submission) -> None:
        """Store a submission, unless a later one is stored: repeated submissions change nothing.

        Raises:
            RefusedError: if there is no such session, or it is over: its ratings stay as they are.
        """
        with self._change() as base:
            number = self._open_session(base, session)
            texts = json.dumps(told.scores), json.dumps(told.order)
            base.execute(NEWER, (number, told.trial, told.step, *texts, told.seconds, told.done))

    def finish(self, session: str) -> None:
        """End a session; to end it again changes nothing.

        Raises:
            RefusedError: if there is no such session.
        """
        with self._change() as base:
            if not base.execute("UPDATE sessions SET finished = 1 WHERE token = ?", (session,)).rowcount:
                raise _unknown_session()

    def _open_session(self, base: sqlite3.Connection, session: str) -> int:
        row = base.execute("SELECT number, finished FROM sessions WHERE token = ?", (session,)).fetchone()
        if row is None:
            raise _unknown_session()
        if row[1]:
            raise RefusedError("the session is finished", HTTPStatus.CONFLICT)
        return int(row[0])

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, self._transaction():
                yield self._base
        except sqlite3.Error as error:
            raise SinkError(f"{self._path}: ratings cannot be kept: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._base.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._base.execute("ROLLBACK")
            raise

    def _claim(self, key: Key) -> None:
        with self._change() as base:
            base.execute("INSERT INTO test SELECT ? WHERE NOT EXISTS (SELECT 1 FROM test)", (key.test,))
            if base.execute("SELECT id FROM test").fetchall() != [(key.test,)]:
                raise SinkError(f"{self._path}: holds ratings of another test; move it away")


def _unknown_session() -> RefusedError:
    return RefusedError("no such session", HTTPStatus.NOT_FOUND)


def read_store(path: Path, key: Key) -> list[Rating]:
    """All ratings. Repeated names of listeners get a number appended.

    Raises:
        SourceError: if the file cannot be read, or belongs to another test.
    """
    if not path.is_file():
        raise SourceError(f"{path}: is not there; has the test been served?")
    try:
        with closing(sqlite3.connect(path.resolve().as_uri() + "?mode=ro", uri=True, timeout=30)) as base:
            if base.execute("SELECT id FROM test").fetchall() != [(key.test,)]:
                raise SourceError(f"{path}: holds ratings of another test than its key")
            names = _names(base)
            rows = base.execute("SELECT session, trial, scores, seconds FROM trials ORDER BY session, rowid").fetchall()
            return [rating for row in rows for rating in _ratings(key, names[row[0]], *row[1:])]
    except (sqlite3.Error, ValueError, KeyError, AttributeError) as error:
        raise SourceError(f"{path}: is no file of ratings: {error}") from error


def _names(base: sqlite3.Connection) -> dict[int, str]:
    names: dict[int, str] = {}
    for number, listener in base.execute("SELECT number, listener FROM sessions ORDER BY number"):
        tries = chain([listener], (f"{listener} ({again})" for again in count(2)))
        names[number] = next(name for name in tries if name not in names.values())
    return names


def _ratings(key: Key, listener: str, token: str, scores: str, seconds: float) -> Iterator[Rating]:
    trial = key.trial(token)
    if trial is None:
        raise ValueError(f"there is no trial {token!r}")
    for stimulus, score in json.loads(scores).items():
        yield Rating(listener, trial.name, trial.stimuli[stimulus], float(score), seconds)
