"""Clips to compare: folders with a reference and the same sound in other conditions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import ConfigError
from ..ratings import LOW_ANCHOR, MID_ANCHOR, REFERENCE

__all__ = ["MOST_CONDITIONS", "Clip", "find_clips"]

SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".w64", ".caf", ".opus", ".m4a"}
REFERENCES = ("original", "reference", "clean")
MOST_CONDITIONS = 9
"""With hidden reference and two anchors twelve signals, the most that BS.1534-3 allows in a trial."""


@dataclass(frozen=True)
class Clip:
    """A recording and its conditions.

    Raises:
        ConfigError: if there are no conditions or too many, or a name is reserved by the test.
    """

    name: str
    reference: Path
    conditions: Mapping[str, Path]

    def __post_init__(self) -> None:
        if not 1 <= len(self.conditions) <= MOST_CONDITIONS:
            raise ConfigError(
                f"{self.name}: a trial has 1 to {MOST_CONDITIONS} conditions, here are {len(self.conditions)}"
            )
        if taken := self.conditions.keys() & {REFERENCE, LOW_ANCHOR, MID_ANCHOR}:
            raise ConfigError(f"{self.name}: the test itself has a condition {taken.pop()!r}: rename the file")


def find_clips(folders: Sequence[Path]) -> list[Clip]:
    """Clips of an evaluation (a folder with `results.json`), or of folders with one clip each.

    The folder of a clip holds its reference as original.wav, reference.wav or clean.wav (or another format), and beside
    it one file for each condition; the names of the files are those of the conditions.

    Raises:
        ConfigError: if there are no clips, two share a name, or their conditions differ.
    """
    homes = [home for folder in folders for home in _homes(folder)]
    clips = [_clip(home) for home in homes]
    if not clips:
        raise ConfigError("no clips: name the folder of an evaluation, or folders with original.wav and conditions")
    for clip in clips:
        if clip.conditions.keys() != clips[0].conditions.keys():
            raise ConfigError(f"{clip.name} has the conditions {_list(clip)}, but {clips[0].name} {_list(clips[0])}")
    if len({clip.name for clip in clips}) < len(clips):
        raise ConfigError("two clips have one name: rename a folder")
    return clips


def _homes(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder; a test is built from folders with a reference and conditions")
    if (folder / "results.json").exists():
        return sorted(path.parent for path in folder.glob("*/clip.json"))
    return [folder]


def _clip(home: Path) -> Clip:
    sounds = sorted(path for path in home.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    references = [path for path in sounds if path.stem in REFERENCES]
    if len(references) != 1:
        raise ConfigError(f"{home}: needs one reference, named original, reference or clean; found {len(references)}")
    conditions = {path.stem: path for path in sounds if path not in references}
    if len(conditions) < len(sounds) - 1:
        raise ConfigError(f"{home}: two files have one name but for the suffix: rename one")
    return Clip(home.resolve().name, references[0], conditions)


def _list(clip: Clip) -> str:
    return ", ".join(clip.conditions)
