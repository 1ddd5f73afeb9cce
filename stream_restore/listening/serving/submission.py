"""Validation of what a page sends; it is untrusted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from math import isfinite
from typing import Any

from ..key import Key

__all__ = ["RefusedError", "Submission", "listener_of", "session_of", "submission_of"]

LONGEST_NAME = 64
MOST_STEPS = 10**9
MOST_SECONDS = 1e7


class RefusedError(Exception):
    """Why a submission is not taken, and the status with which it is answered."""

    def __init__(self, text: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Submission:
    """Ratings of one trial so far.

    Attributes:
        step: later ones have a higher number.
        order: of the stimuli, as they were shown.
        scores: of the stimuli that were rated.
        seconds: spent at it.
        done: the listener went on.
    """

    trial: str
    step: int
    order: tuple[str, ...]
    scores: Mapping[str, int]
    seconds: float
    done: bool


def submission_of(told: Mapping[str, Any], key: Key) -> Submission:
    """Ratings of one trial.

    Raises:
        RefusedError: if they are of another test, out of range, or malformed.
    """
    trial = key.trial(_text(told, "id", 64))
    if trial is None:
        raise RefusedError("no such trial")
    order, scores = told.get("order"), told.get("scores")
    if not isinstance(order, list) or not all(isinstance(each, str) for each in order):
        raise RefusedError("order must be a list of stimuli")
    if sorted(order) != sorted(trial.stimuli):
        raise RefusedError("order must hold the stimuli of the trial")
    if not isinstance(scores, dict) or not scores.keys() <= trial.stimuli.keys():
        raise RefusedError("scores must be of stimuli of the trial")
    checked = {token: _whole(score, 0, 100, "a score") for token, score in scores.items()}
    step, done = _whole(told.get("step"), 1, MOST_STEPS, "step"), told.get("done", False)
    if not isinstance(done, bool):
        raise RefusedError("done must be true or false")
    return Submission(trial.token, step, tuple(order), checked, _seconds(told.get("seconds")), done)


def listener_of(told: Mapping[str, Any], key: Key) -> tuple[str, str]:
    """Name and language of the listener who begins a session.

    Raises:
        RefusedError: if the test is another, or the name is missing, too long, or not printable.
    """
    if told.get("test") != key.test:
        raise RefusedError("another test")
    name = _text(told, "listener", LONGEST_NAME).strip()
    if not name or not name.isprintable():
        raise RefusedError("listener must be a name")
    return name, _text(told, "language", 2)


def session_of(told: Mapping[str, Any]) -> str:
    """The secret name of a session.

    Raises:
        RefusedError: if it is malformed.
    """
    session = _text(told, "session", 32)
    if not re.fullmatch("[0-9a-f]{32}", session):
        raise RefusedError("session must be what api/session gave")
    return session


def _text(told: Mapping[str, Any], name: str, longest: int) -> str:
    value = told.get(name)
    if not isinstance(value, str) or len(value) > longest:
        raise RefusedError(f"{name} must be a text of up to {longest} characters")
    return value


def _whole(value: Any, least: int, most: int, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise RefusedError(f"{name} must be a whole number from {least} to {most}")
    return value


def _seconds(value: Any) -> float:
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not isfinite(value)
        or not 0 <= value <= MOST_SECONDS
    ):
        raise RefusedError("seconds must be a number")
    return float(value)
