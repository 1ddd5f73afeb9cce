"""A test from clips: excerpts, stimuli, the page, the key, and the same for webMUSHRA."""

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from secrets import token_hex

from ...audio import open_sink, open_source
from ...audio.outputs.atomic_file import make_folder, remove, write_atomic
from ...errors import ConfigError
from ...spec import Audio, Spec
from ..key import KEY, Key, Trial, write_key
from ..ratings import REFERENCE
from .clips import Clip
from .excerpt import LONGEST_SECONDS, find_excerpt
from .stimuli import Stimuli, make_stimuli
from .webmushra import RESOURCES, webmushra_config

__all__ = ["Clip", "build"]

PAGE = "page"
STATIC = ("index.html", "mushra.css", "words.js", "order.js", "player.js", "saving.js", "trial.js", "mushra.js")
OPEN = "open reference"


def build(
    clips: Sequence[Clip],
    folder: Path,
    *,
    title: str = "Listening test",
    seconds: float = LONGEST_SECONDS,
    at: Sequence[float] = (),
    seed: str | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Key:
    """Write a test into a folder, which exists.

    `page` is for the listeners: its index.html opens from disk or is served. `key.json` is not for them. `webmushra` is
    laid over the folder of a webMUSHRA.

    Args:
        at: where the excerpts begin in the clips, in seconds, one for each clip; none: where conditions differ most.
        seed: the same seed gives the same test; it reveals what tokens stand for. None: a random one.
        progress: told (done, total) clips.

    Raises:
        ConfigError: if the number of places is not that of the clips, or as `find_excerpt` and `Clip`.
        SourceError: if a recording cannot be used, see `find_excerpt` and `make_stimuli`.
        SinkError: if a file cannot be written.
    """
    if at and len(at) != len(clips):
        raise ConfigError(f"{len(at)} places were given for {len(clips)} clips: give one for each, or none")
    secret = seed if seed is not None else token_hex(16)
    test = _token(secret, "test")[:12]
    sounds = folder / "webmushra" / RESOURCES / test
    for each in (folder / PAGE / "audio", sounds):
        make_folder(each)
    for stale in (folder / PAGE / "audio").glob("*.js"):
        remove(stale)
    trials = []
    for number, clip in enumerate(clips):
        place = find_excerpt([clip.reference, *clip.conditions.values()], seconds, at[number] if at else None)
        trials.append(_trial(clip, place, secret, folder / PAGE / "audio", sounds))
        if progress:
            progress(number + 1, len(clips))
    key = Key(test, title, _token(secret, "order"), trials)
    write_atomic(folder / "webmushra" / "configs" / f"{test}.yaml", webmushra_config(key))
    _write_page(folder / PAGE, key)
    write_key(folder / KEY, key)
    return key


def _token(secret: str, *words: str) -> str:
    """As good as random, but the same for the same secret."""
    return hashlib.sha256(json.dumps([secret, *words]).encode()).hexdigest()[:16]


def _trial(clip: Clip, place: tuple[int, int], secret: str, page: Path, sounds: Path) -> Trial:
    with open_source(clip.reference, on_damage="stop") as source:
        spec = source.spec
    made = make_stimuli(clip, spec, place)
    tokens = {condition: _token(secret, clip.name, condition) for condition in (OPEN, *made.sounds)}
    # In the order of the tokens, so that the times of the files tell nothing.
    for condition, token in sorted(tokens.items(), key=lambda each: each[1]):
        _write_sound(made, REFERENCE if condition == OPEN else condition, token, page, sounds)
    reference = tokens.pop(OPEN)
    stimuli = {token: condition for condition, token in sorted(tokens.items(), key=lambda each: each[1])}
    start, frames = place
    shape = (frames, spec.sample_rate, spec.channels, reference, stimuli)
    return Trial(_token(secret, clip.name), clip.name, spec.seconds(start), *shape, made.gains_db, made.figures)


def _write_sound(made: Stimuli, condition: str, token: str, page: Path, sounds: Path) -> None:
    """As WAV for webMUSHRA, and as a script, which is what a page from disk may load.

    Dither differs from token to token: not even the bytes say which of the stimuli is the reference.
    """
    seed = int(token[:8], 16)
    with open_sink(sounds / f"{token}.wav", made.spec, encoding="s16", seed=seed) as sink:
        sink.write(made.sounds[condition])
    words = b64encode(_words(made.spec, made.sounds[condition], seed)).decode()
    write_atomic(page / f"{token}.js", f'stimulus("{token}", "{words}");\n')


def _words(spec: Spec, sound: Audio, seed: int) -> bytes:
    """The same samples as in the WAV file, without a header."""
    raw = BytesIO()
    with open_sink(raw, spec, container="raw", encoding="s16", seed=seed) as sink:
        sink.write(sound)
    return raw.getvalue()


def _write_page(folder: Path, key: Key) -> None:
    for name in STATIC:
        write_atomic(folder / name, (files(__package__) / "page" / name).read_bytes())
    shown = [
        {
            "id": trial.token,
            "reference": trial.reference,
            "stimuli": list(trial.stimuli),
            "rate": trial.sample_rate,
            "channels": trial.channels,
            "frames": trial.frames,
        }
        for trial in sorted(key.trials, key=lambda trial: trial.token)
    ]
    told = {"id": key.test, "title": key.title, "seed": key.order_seed, "trials": shown}
    write_atomic(folder / "test.js", f"const TEST = {json.dumps(told)};\n")
