"""A small composer: seeded pieces with chords, bass, a melody and drums, up to the last octave of hearing.

Tones are read from band-limited wave tables (Mathews, "The Technology of Computer Music", 1969) whose bright
beginning fades into a dull end; drums are shaped noise and falling sines. NumPy only.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["compose"]

Sound = NDArray[np.float64]

TABLE = 4096
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 5, 7, 9, 10))
PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 1, 4), (0, 6, 5, 4), (0, 2, 3, 4))
PEAK = 0.89
"""Of every piece: -1 dBFS."""


@dataclass(frozen=True)
class Timbre:
    """How a tone sounds.

    Attributes:
        bright: exponent of the harmonics at the start, amplitude k**-bright.
        dull: the same at the end.
        odd: gain of the even harmonics.
        attack: seconds to full level.
        decay: seconds in which the level falls by a factor e; also the time from bright to dull.
        detune: spread of the voices in cents.
    """

    bright: float
    dull: float
    odd: float
    attack: float
    decay: float
    detune: float


def compose(seconds: float, sample_rate: int, seed: int) -> NDArray[np.float32]:
    """A piece of music, the same for the same arguments.

    Returns:
        shape (2, frames) with frames = int(seconds * sample_rate), peak at most 1, faded in and out.

    >>> compose(2.0, 44100, seed=1).shape
    (2, 88200)
    """
    rng = np.random.default_rng(seed)
    frames = int(seconds * sample_rate)
    beat = 60.0 / rng.uniform(72, 150)
    dry = _Score(frames, sample_rate)
    _harmony(dry, beat, rng)
    _drums(dry, beat, rng)
    mixed = dry.sound + rng.uniform(0.05, 0.3) * _reverberated(dry.sound, sample_rate, rng)
    mixed *= _fade(frames, sample_rate)
    peak = np.abs(mixed).max(initial=1e-9)
    return np.asarray(mixed * (PEAK / peak), np.float32)


class _Score:
    """A sheet of silence, shape (2, frames), to which sounds are added."""

    def __init__(self, frames: int, sample_rate: int) -> None:
        self.sound = np.zeros((2, frames))
        self.sample_rate = sample_rate
        self.seconds = frames / sample_rate

    def add(self, at: float, sound: Sound, gain: float, pan: float) -> None:
        """Add a mono sound at `at` seconds, panned from -1 (left) to 1 (right) with constant power."""
        start = int(at * self.sample_rate)
        taken = sound[: max(0, self.sound.shape[1] - start)]
        angle = (pan + 1) * np.pi / 4
        self.sound[0, start : start + taken.size] += gain * np.cos(angle) * taken
        self.sound[1, start : start + taken.size] += gain * np.sin(angle) * taken


def _harmony(score: _Score, beat: float, rng: np.random.Generator) -> None:
    """Bars of four beats: a chord, a bass figure and a melody over a progression that changes every 8 bars."""
    root, scale = int(rng.integers(40, 52)), SCALES[rng.integers(len(SCALES))]
    pad, bass, lead = (_draw_timbre(rng) for _ in range(3))
    degree = 7
    for bar in range(int(np.ceil(score.seconds / (4 * beat)))):
        if bar % 8 == 0:
            progression = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
            pad_gain, bass_gain, lead_gain = rng.uniform((0.1, 0.1, 0.3), (1.1, 1.1, 1.3))
            lead = _draw_timbre(rng)
        chord, start = progression[bar % 4], bar * 4 * beat
        for third in (0, 2, 4, 6)[: rng.integers(3, 5)]:
            tone = _tone(pad, _hertz(root + 12, scale, chord + third), 4 * beat, score.sample_rate, rng)
            score.add(start, tone, 0.2 * pad_gain, rng.uniform(-0.8, 0.8))
        for step in np.flatnonzero(rng.random(8) < 0.5):
            tone = _tone(bass, _hertz(root - 12, scale, chord), beat, score.sample_rate, rng)
            score.add(start + step * beat / 2, tone, 0.5 * bass_gain, 0.0)
        for step in np.flatnonzero(rng.random(8) < 0.6):
            degree = int(np.clip(degree + rng.integers(-2, 3), 0, 16))
            length = beat * float(rng.choice([0.5, 1.0, 2.0]))
            tone = _tone(lead, _hertz(root + 12, scale, degree), length, score.sample_rate, rng)
            score.add(start + step * beat / 2, tone, 0.4 * lead_gain, 0.2)


def _drums(score: _Score, beat: float, rng: np.random.Generator) -> None:
    """Kick, snare and hats on eighths; patterns and levels change every 8 bars, at times to nothing."""
    for bar in range(int(np.ceil(score.seconds / (4 * beat)))):
        if bar % 8 == 0:
            kick, hat = rng.random(8) < 0.3, rng.random(8) < 0.7
            levels = rng.uniform(0.0, 0.8, 3) * (rng.random() < 0.75)
            ring = float(rng.uniform(0.02, 0.12))
        for step in range(8):
            at = (4 * bar + step / 2) * beat
            if kick[step] or step == 0:
                score.add(at, _kick(score.sample_rate), levels[0], 0.0)
            if step in (2, 6):
                score.add(at, _noise(0.12, score.sample_rate, 0, rng), 0.7 * levels[1], 0.1)
            if hat[step]:
                score.add(at, _noise(ring, score.sample_rate, 2, rng), 0.4 * levels[2], -0.3)
        if bar % 8 == 0:
            score.add(4 * bar * beat, _noise(0.8, score.sample_rate, 1, rng), 0.4 * levels[2], 0.4)


def _draw_timbre(rng: np.random.Generator) -> Timbre:
    bright = float(rng.uniform(0.6, 2.0))
    return Timbre(
        bright=bright,
        dull=bright + float(rng.uniform(0.0, 2.0)),
        odd=float(rng.choice([0.0, 0.3, 1.0, 1.0])),
        attack=float(np.exp(rng.uniform(np.log(0.002), np.log(0.3)))),
        decay=float(np.exp(rng.uniform(np.log(0.15), np.log(4.0)))),
        detune=float(rng.uniform(0.0, 12.0)),
    )


def _hertz(root: int, scale: tuple[int, ...], degree: int) -> float:
    """Frequency of a degree of the scale over MIDI note `root`, equal temperament with A4 at 440 Hz."""
    note = root + 12 * (degree // 7) + scale[degree % 7]
    return float(440.0 * 2 ** ((note - 69) / 12))


def _tone(timbre: Timbre, hertz: float, seconds: float, sample_rate: int, rng: np.random.Generator) -> Sound:
    """Two detuned voices with vibrato; the level rises, decays and is released within `seconds`."""
    time = np.arange(int(seconds * sample_rate)) / sample_rate
    fall = np.exp(-time / timbre.decay)
    vibrato = 1 + 0.003 * np.minimum(time, 1.0) * np.sin(2 * np.pi * 5.5 * time)
    bright, dull = (_table(power, timbre.odd, hertz, sample_rate) for power in (timbre.bright, timbre.dull))
    tone = np.zeros(time.size)
    for cents in (-timbre.detune / 2, timbre.detune / 2):
        place = rng.random() + np.cumsum(hertz * 2 ** (cents / 1200) * vibrato) / sample_rate
        tone += fall * _read(bright, place) + (1 - fall) * _read(dull, place)
    release = np.clip((seconds - time) / 0.03, 0.0, 1.0)
    return tone * np.minimum(time / timbre.attack, 1.0) * (0.2 + 0.8 * fall) * release


def _table(power: float, odd: float, hertz: float, sample_rate: int) -> Sound:
    """One cycle of a wave of unit rms whose harmonics k**-power end below 0.45 of the sample rate."""
    count = int(np.clip(0.45 * sample_rate / hertz, 1, TABLE // 8))
    number = np.arange(1, count + 1)
    spectrum = np.zeros(TABLE // 2 + 1, complex)
    # Schroeder's phases keep the peak of a bright wave low (IEEE Trans. Inf. Theory 16, 1970).
    spectrum[1 : count + 1] = number**-power * np.exp(1j * np.pi * number**2 / count)
    spectrum[2 : count + 1 : 2] *= odd
    wave = np.fft.irfft(spectrum)
    return np.asarray(wave / np.sqrt(np.mean(np.square(wave))))


def _read(table: Sound, place: Sound) -> Sound:
    """The wave at `place` cycles, interpolated linearly."""
    position = (place % 1.0) * TABLE
    index = position.astype(int) % TABLE
    part = position - np.floor(position)
    return np.asarray((1 - part) * table[index] + part * table[(index + 1) % TABLE])


def _kick(sample_rate: int) -> Sound:
    time = np.arange(int(0.3 * sample_rate)) / sample_rate
    return np.asarray(np.sin(2 * np.pi * (50 * time - 8 * np.exp(-time / 0.03))) * np.exp(-time / 0.08))


def _noise(ring: float, sample_rate: int, slope: int, rng: np.random.Generator) -> Sound:
    """A burst of noise that dies away in `ring` seconds; each difference tilts it up by 6 dB an octave."""
    time = np.arange(int(6 * ring * sample_rate)) / sample_rate
    burst = np.diff(rng.standard_normal(time.size + slope), slope) if slope else rng.standard_normal(time.size)
    return np.asarray(burst * np.exp(-time / ring) / 2**slope)


def _reverberated(sound: Sound, sample_rate: int, rng: np.random.Generator) -> Sound:
    """A hall of decaying noise, independent in both channels."""
    time = np.arange(int(1.2 * sample_rate)) / sample_rate
    hall = rng.standard_normal((2, time.size)) * np.exp(-time / rng.uniform(0.1, 0.35))
    hall /= np.sqrt(np.sum(np.square(hall), axis=1, keepdims=True))
    size = 1 << (sound.shape[1] + time.size - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(hall, size), size)
    return np.asarray(wet[:, : sound.shape[1]])


def _fade(frames: int, sample_rate: int) -> Sound:
    """A quarter of a second up at the start, a second down at the end."""
    place = np.arange(frames)
    return np.minimum(1.0, np.minimum(place / (0.25 * sample_rate), (frames - place) / sample_rate))
