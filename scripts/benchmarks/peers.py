"""What other denoisers gain, their settings chosen with the clean clip at hand. Figures are kept from run to run."""

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np

from stream_restore.spec import Audio

from .clips import Clip, middle
from .denoisers import DENOISERS, Setting, oracle, said
from .figures import si_sdr_db

__all__ = ["Case", "Peers", "Rival"]

SPAN_SECONDS = 20.0
"""Settings are tried on this much from the middle of each clip; the one chosen then hears the whole clip."""


@dataclass(frozen=True)
class Case:
    """A clip and what the chain made of it at an SNR."""

    clip: Clip
    snr_db: float
    degraded: Audio

    @cached_property
    def digest(self) -> str:
        """Of both sounds."""
        return hashlib.sha256(self.clip.sound.tobytes() + self.degraded.tobytes()).hexdigest()


@dataclass(frozen=True)
class Rival:
    """One column of the table.

    Attributes:
        si_sdr_db: of each case.
        settings: in words.
    """

    name: str
    si_sdr_db: tuple[float, ...]
    settings: str


@dataclass
class Peers:
    """Denoisers on cases.

    Args:
        work: folder for the figures that are kept.
    """

    work: Path
    _kept: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.work.mkdir(parents=True, exist_ok=True)
        if self._file.exists():
            self._kept = json.loads(self._file.read_text())

    def rivals(self, cases: Sequence[Case]) -> list[Rival]:
        """All columns."""
        columns = [rival for name in DENOISERS for rival in self._of(name, cases)]
        return [*columns, self._oracle(cases)]

    def _of(self, name: str, cases: Sequence[Case]) -> list[Rival]:
        try:
            tool = f"{name} {DENOISERS[name].version()}"
        except (FileNotFoundError, PackageNotFoundError):
            return [Rival(name, (np.nan,) * len(cases), "not installed")]
        settings = DENOISERS[name].settings
        tried = np.array([self._scores(tool, [setting] * len(cases), cases, SPAN_SECONDS) for setting in settings])
        gains = tried - [_before(case, SPAN_SECONDS) for case in cases]
        ways = WAYS if name == "afftdn" else {"one setting": _for_all}
        return [self._rival(tool, how, [settings[i] for i in way(gains, cases)], cases) for how, way in ways.items()]

    def _rival(self, tool: str, how: str, chosen: Sequence[Setting], cases: Sequence[Case]) -> Rival:
        """Whole clips, each with the setting chosen for it."""
        scores = self._scores(tool, chosen, cases, None)
        return Rival(f"{tool.split()[0]}, {how}", tuple(scores), f"{tool}, {how}: {_in_words(chosen, cases)}")

    def _scores(
        self, tool: str, chosen: Sequence[Setting], cases: Sequence[Case], seconds: float | None
    ) -> list[float]:
        """SI-SDR of every case with its setting, of the whole clip or so many seconds from the middle."""
        denoise = DENOISERS[tool.split()[0]].apply

        def score(setting: Setting, case: Case) -> float:
            clean, degraded = middle(case.clip.sound, seconds), middle(case.degraded, seconds)
            return si_sdr_db(clean, denoise(setting, degraded))

        pairs = list(zip(chosen, cases, strict=True))
        names = [f"{tool} {said(setting)} {seconds or 'whole'} {case.digest}" for setting, case in pairs]
        return self._all(dict(zip(names, (partial(score, *pair) for pair in pairs), strict=True)))

    def _oracle(self, cases: Sequence[Case]) -> Rival:
        def score(case: Case) -> float:
            return si_sdr_db(case.clip.sound, oracle(case.clip.sound, case.degraded))

        scores = self._all({f"oracle {case.digest}": partial(score, case) for case in cases})
        return Rival("oracle mask", tuple(scores), "oracle mask: S / (S + N), spectra of 2048 frames every 512")

    def _all(self, asked: Mapping[str, Callable[[], float]]) -> list[float]:
        """Each score by its name, from what is kept, or measured."""
        missing = {name: score for name, score in asked.items() if name not in self._kept}
        if missing:
            print(next(iter(missing)).rpartition(" ")[0], file=sys.stderr, flush=True)
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                self._keep(zip(missing, pool.map(lambda score: score(), missing.values()), strict=True))
        return [self._kept[name] for name in asked]

    def _keep(self, scores: Iterable[tuple[str, float]]) -> None:
        self._kept.update(scores)
        unfinished = self._file.with_suffix(".partial")
        unfinished.write_text(json.dumps(self._kept, indent=0))
        os.replace(unfinished, self._file)

    @property
    def _file(self) -> Path:
        return self.work / "peers.json"


def _before(case: Case, seconds: float) -> float:
    return si_sdr_db(middle(case.clip.sound, seconds), middle(case.degraded, seconds))


Gains = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
"""Shape (settings, cases)."""


def _for_all(gains: Gains, cases: Sequence[Case]) -> list[int]:
    """The setting with the best mean over the music, or over all where there is none."""
    music = [not case.clip.speech for case in cases]
    best = int(np.argmax(gains[:, music if any(music) else slice(None)].mean(axis=1)))
    return [best] * len(cases)


def _for_each_snr(gains: Gains, cases: Sequence[Case]) -> list[int]:
    chosen: dict[int, int] = {}
    for snr_db in {case.snr_db for case in cases}:
        these = [place for place, case in enumerate(cases) if case.snr_db == snr_db]
        chosen |= dict(zip(these, _for_all(gains[:, these], [cases[place] for place in these]), strict=True))
    return [chosen[place] for place in range(len(cases))]


def _for_each_clip(gains: Gains, cases: Sequence[Case]) -> list[int]:
    return [int(best) for best in gains.argmax(axis=0)]


WAYS: Mapping[str, Callable[[Gains, Sequence[Case]], list[int]]] = {
    "one setting": _for_all,
    "one for each SNR": _for_each_snr,
    "tuned": _for_each_clip,
}


def _in_words(chosen: Sequence[Setting], cases: Sequence[Case]) -> str:
    """Each setting once where it serves all, or all of an SNR; else with the clips it serves."""
    if len(set(chosen)) == 1:
        return said(chosen[0])
    served: dict[tuple[float, str], list[str]] = {}
    for setting, case in zip(chosen, cases, strict=True):
        served.setdefault((case.snr_db, said(setting)), []).append(case.clip.name)
    alone = len(served) == len({snr_db for snr_db, _ in served})
    parts = [
        f"{setting} at {snr:g} dB" + ("" if alone else f" ({'; '.join(names)})")
        for (snr, setting), names in served.items()
    ]
    return ", ".join(parts)
