"""The key of a listening test: which random token stands for which condition. Listeners never see it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from ..audio.outputs.atomic_file import write_atomic
from ..errors import SourceError, errors_as

__all__ = ["KEY", "Key", "Trial", "order", "read_key", "write_key"]

KEY = "key.json"
LARGEST = 1 << 26


@dataclass(frozen=True)
class Trial:
    """One excerpt in all conditions.

    Attributes:
        token: what pages and ratings call it.
        name: of the clip.
        start_seconds: where the excerpt begins in the clip.
        frames: its length, at `sample_rate` Hz.
        reference: token of the open reference.
        stimuli: condition by token, the hidden reference and the anchors among them.
        gains_db: by condition, what brought it to equal loudness.
        figures: by condition, objective figures against the reference, those that are finite.
    """

    token: str
    name: str
    start_seconds: float
    frames: int
    sample_rate: int
    channels: int
    reference: str
    stimuli: Mapping[str, str]
    gains_db: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Key:
    """A test.

    Attributes:
        test: what it is called in ratings.
        title: what listeners read.
        order_seed: of the order in which each listener gets trials and stimuli.
    """

    test: str
    title: str
    order_seed: str
    trials: Sequence[Trial]

    def trial(self, token: str) -> Trial | None:
        """The trial of that token, if there is one."""
        return next((trial for trial in self.trials if trial.token == token), None)

    @property
    def figures(self) -> dict[tuple[str, str], Mapping[str, float]]:
        """Objective figures by name of trial and condition."""
        return {(trial.name, name): told for trial in self.trials for name, told in trial.figures.items()}


def write_key(path: Path, key: Key) -> None:
    """Write it as JSON.

    Raises:
        SinkError: if it cannot be written.
    """
    write_atomic(path, json.dumps(asdict(key), indent=1, allow_nan=False) + "\n")


def read_key(path: Path) -> Key:
    """Read what `write_key` wrote.

    Raises:
        SourceError: if the file cannot be read, or is not a key.
    """
    with errors_as(SourceError, f"{path}: the key of a test cannot be read"):
        if path.stat().st_size > LARGEST:
            raise SourceError(f"{path}: is too large for the key of a test")
        data = path.read_bytes()
    try:
        told = json.loads(data)
        return Key(**{**told, "trials": [_trial(each) for each in told["trials"]]})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise SourceError(f"{path}: is no key of a test ({error})") from error


def order(seed: str, listener: str, tokens: Sequence[str]) -> list[str]:
    """In which order a listener gets trials or stimuli: sorted by a hash, as the page does it.

    The hash is FNV-1a of 32 bits over "SEED:LISTENER:TOKEN" in UTF-8, finished as MurmurHash3 does.

    >>> order("s", "Ada", ["a", "b", "c"]), order("s", "Bob", ["a", "b", "c"])
    (['c', 'a', 'b'], ['a', 'b', 'c'])
    """
    return sorted(tokens, key=lambda token: (_hash(f"{seed}:{listener}:{token}"), token))


def _hash(text: str) -> int:
    value = 0x811C9DC5
    for byte in text.encode("utf-8", "surrogatepass"):
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    value = (value ^ value >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    value = (value ^ value >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return value ^ value >> 16


def _trial(told: Mapping[str, Any]) -> Trial:
    trial = Trial(**told)
    texts = (trial.token, trial.name, trial.reference, *trial.stimuli, *trial.stimuli.values())
    numbers = (value for figures in trial.figures.values() for value in figures.values())
    if not all(isinstance(each, str) for each in texts) or not all(map(isfinite, numbers)):
        raise ValueError("a trial with tokens that are no text, or figures that are no numbers")
    return trial
