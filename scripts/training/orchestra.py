"""Pieces for General MIDI instruments, composed here and rendered by FluidSynth from a sound font.

Needs `fluidsynth` and a General MIDI sound font (Debian: `apt-get install fluidsynth fluid-soundfont-gm`).
"""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import soundfile
from music import PROGRESSIONS, SCALES

from stream_restore.spec import Audio, empty

__all__ = ["SOUND_FONT", "compose", "perform"]

SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
"""FluidR3 GM by Frank Wen, MIT."""

TICKS = 480
"""Of a beat."""
DRUMS = 9
"""The channel of the percussion."""
KICK, SNARES, HATS, CYMBALS, TOMS = 36, (37, 38, 39, 40), (42, 44, 46, 54, 70), (49, 51, 53, 57), (41, 45, 48)

BASSES = (*range(32, 40), 42, 43, 58, 70)
CHORDS = (*range(8), *range(16, 32), 46, *range(48, 56), 61, *range(88, 96))
LEADS = (0, 9, 11, 12, 13, *range(21, 31), *range(40, 47), *range(56, 80), *range(80, 88), 104, 105, 108, 110, 114)
"""Programs of General MIDI that suit each part, counted from 0."""

Note = tuple[float, float, int, int]
"""Beat at which it begins, beats that it lasts, key, velocity."""


@dataclass(frozen=True)
class Part:
    """An instrument and what it plays: `role` is melody, chords, arpeggio, bass or drums."""

    channel: int
    program: int
    role: str
    octave: int
    density: float


def compose(seconds: float, seed: int) -> mido.MidiFile:
    """A piece for one to seven instruments, the same for the same arguments."""
    rng = np.random.default_rng([seed, 2])
    tempo = float(rng.uniform(60, 160))
    bars = int(np.ceil(seconds * tempo / 240))
    piece = mido.MidiFile(ticks_per_beat=TICKS)
    piece.tracks.append(mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo))]))
    harmony = _Harmony(bars, rng)
    for part in _parts(rng):
        notes = [note for note in _ROLES[part.role](part, harmony, rng) if note[0] < 4 * bars]
        piece.tracks.append(_track(part, notes, rng))
    return piece


def perform(seconds: float, sample_rate: int, seed: int, sound_font: Path = SOUND_FONT) -> Audio:
    """A piece as FluidSynth plays it, shape (2, int(seconds*sample_rate)); no frames where that is not installed."""
    program = shutil.which("fluidsynth")
    if program is None or not sound_font.exists():
        return empty(2)
    written = io.BytesIO()
    compose(seconds, seed).save(file=written)
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder, "score.mid"), Path(folder, "sound.wav")
        score.write_bytes(written.getvalue())
        options = ["-ni", "-q", "-g", "0.4", "-r", str(sample_rate), "-O", "float", "-T", "wav", "-F", str(sound)]
        subprocess.run([program, *options, str(sound_font), str(score)], check=True, capture_output=True)
        played, _ = soundfile.read(sound, frames=int(seconds * sample_rate), dtype="float32", always_2d=True)
    return np.ascontiguousarray(played.T)


class _Harmony:
    """A chord for each bar: degrees of a scale over a key, in a progression that changes every 8 bars."""

    def __init__(self, bars: int, rng: np.random.Generator) -> None:
        self.key, self.scale = int(rng.integers(36, 48)), SCALES[rng.integers(len(SCALES))]
        chosen = [PROGRESSIONS[rng.integers(len(PROGRESSIONS))] for _ in range(bars // 8 + 1)]
        self.chords = [chosen[bar // 8][bar % 4] for bar in range(bars)]

    def note(self, degree: int, octave: int) -> int:
        """MIDI key of a degree of the scale, within the range of instruments."""
        key = self.key + 12 * (octave + degree // 7) + self.scale[degree % 7]
        return int(np.clip(key, 24, 103))


def _parts(rng: np.random.Generator) -> list[Part]:
    """From a lone instrument to a band."""
    roles = ["melody", "chords", "bass", "drums", "arpeggio", "melody", "chords"]
    count = int(rng.integers(1, 8))
    if count < 4:
        roles = list(rng.permutation(["melody", "melody", "chords", "arpeggio", "bass"]))
    suits = {"melody": LEADS, "chords": CHORDS, "arpeggio": (*CHORDS[:8], *LEADS[:5], 24, 25, 46), "bass": BASSES}
    parts = []
    for number, role in enumerate(roles[:count]):
        if role == "drums":
            parts.append(Part(DRUMS, int(rng.choice([0, 0, 8, 16, 24, 25, 32, 40])), role, 0, rng.uniform(0.3, 1.0)))
        else:
            octave = 0 if role == "bass" else int(rng.integers(1, 4))
            parts.append(Part(number, int(rng.choice(suits[role])), role, octave, rng.uniform(0.2, 0.9)))
    return parts


def _melody(part: Part, harmony: _Harmony, rng: np.random.Generator) -> Iterator[Note]:
    """Steps and small leaps, with rests; phrases swell and fade."""
    degree, beat = int(rng.integers(7)), 0.0
    lengths = rng.choice([0.25, 0.5, 0.5, 1.0, 1.0, 1.5, 2.0, 4.0], 5)
    while beat < 4 * len(harmony.chords):
        length = float(rng.choice(lengths))
        degree = int(np.clip(degree + rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 4]), -3, 11))
        if rng.random() < part.density + 0.1:
            swell = np.sin(np.pi * (beat % 16) / 16)
            yield (
                beat,
                length * rng.uniform(0.5, 1.05),
                harmony.note(degree, part.octave),
                _force(0.5 + 0.4 * swell, rng),
            )
        beat += length


def _chords(part: Part, harmony: _Harmony, rng: np.random.Generator) -> Iterator[Note]:
    """Three or four voices, held for the bar or struck in a rhythm."""
    held, rhythm = rng.random() < 0.5, np.flatnonzero(rng.random(8) < part.density)
    for bar, chord in enumerate(harmony.chords):
        for step in [0] if held else rhythm:
            force = _force(0.6, rng)
            for third in range(0, 2 * int(rng.integers(3, 5)), 2):
                length = 4.0 if held else float(rng.uniform(0.3, 1.2))
                yield 4 * bar + step / 2, length, harmony.note(chord + third, part.octave), force


def _arpeggio(part: Part, harmony: _Harmony, rng: np.random.Generator) -> Iterator[Note]:
    pattern, step = rng.integers(0, 5, 8) * 2, float(rng.choice([0.25, 0.5, 1 / 3]))
    for bar, chord in enumerate(harmony.chords):
        for number in range(round(4 / step)):
            key = harmony.note(chord + int(pattern[number % 8]), part.octave)
            yield 4 * bar + number * step, step * 1.2, key, _force(0.55, rng)


def _bass(part: Part, harmony: _Harmony, rng: np.random.Generator) -> Iterator[Note]:
    rhythm, degrees = rng.random(8) < part.density, rng.choice([0, 0, 0, 4, 7, 2], 8)
    for bar, chord in enumerate(harmony.chords):
        for step in range(8):
            if rhythm[step] or step == 0:
                yield 4 * bar + step / 2, 0.6, harmony.note(chord + int(degrees[step]), part.octave), _force(0.75, rng)


def _drums(part: Part, harmony: _Harmony, rng: np.random.Generator) -> Iterator[Note]:
    """A pattern of sixteenths that changes every 8 bars, with a cymbal at the change and fills of toms."""
    for bar in range(len(harmony.chords)):
        if bar % 8 == 0:
            kick, hat = rng.random(16) < 0.2, rng.random(16) < part.density
            snare, closed = int(rng.choice(SNARES)), int(rng.choice(HATS))
            yield 4.0 * bar, 2.0, int(rng.choice(CYMBALS)), _force(0.7, rng)
        for step in range(16):
            at = 4 * bar + step / 4
            if kick[step] or step == 0:
                yield at, 0.2, KICK, _force(0.8, rng)
            if step in (4, 12):
                yield at, 0.2, snare, _force(0.75, rng)
            if hat[step]:
                yield at, 0.2, closed, _force(0.5, rng)
            if bar % 8 == 7 and step > 11:
                yield at, 0.2, int(rng.choice(TOMS)), _force(0.7, rng)


_ROLES = {"melody": _melody, "chords": _chords, "arpeggio": _arpeggio, "bass": _bass, "drums": _drums}


def _force(level: float, rng: np.random.Generator) -> int:
    return int(np.clip(127 * (level + rng.normal(0.0, 0.08)), 20, 127))


def _track(part: Part, notes: list[Note], rng: np.random.Generator) -> mido.MidiTrack:
    """The notes of a part, played a little early or late, at a place, a level and a distance of its own."""
    settings = {7: rng.integers(50, 120), 10: rng.integers(10, 118), 91: rng.integers(0, 110), 93: rng.integers(0, 60)}
    events = [(0.0, mido.Message("program_change", channel=part.channel, program=part.program))]
    events += [
        (0.0, mido.Message("control_change", channel=part.channel, control=control, value=int(value)))
        for control, value in settings.items()
    ]
    for beat, length, key, velocity in notes:
        at = max(0.0, beat + float(rng.normal(0.0, 0.01)))
        events.append((at, mido.Message("note_on", channel=part.channel, note=key, velocity=velocity)))
        events.append((at + max(length, 0.05), mido.Message("note_off", channel=part.channel, note=key)))
    track, now = mido.MidiTrack(), 0
    for at, message in sorted(events, key=lambda event: event[0]):
        tick = round(at * TICKS)
        track.append(message.copy(time=tick - now))
        now = tick
    return track
