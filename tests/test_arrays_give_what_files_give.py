"""Arrays and generators of blocks: what comes out is what a float32 WAV gives, to the last bit."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import pytest
import soundfile
from cheap import COMMAND, one_node

import stream_restore
from stream_restore import Audio, Degradation, Output, Report, Restoration
from stream_restore.arrays import ArraySource
from stream_restore.errors import ConfigError, SinkError, SourceError, SpecError
from stream_restore.models import Model, load
from stream_restore.testing import example_signal

RATE, FRAMES = 16000, 20_001
CUTS = [1, 0, 777, 1000]
Route = Callable[[Any, Path | None], Any]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A network that bends what it hears, in segments of half a second."""
    return load(str(one_node(tmp_path_factory.mktemp("model") / "bends.onnx", "Tanh", channels=2)))


def tape(channels: int, frames: int = FRAMES) -> Audio:
    return example_signal(channels, frames) * np.float32(0.9)


def stored(path: Path, sound: np.ndarray) -> Path:
    soundfile.write(path, sound.T, RATE, subtype="FLOAT")
    return path


def read(path: Path) -> np.ndarray:
    return np.asarray(soundfile.read(path, dtype="float32")[0].T)


def in_blocks(sound: np.ndarray, cuts: list[int] = CUTS) -> Iterator[np.ndarray]:
    """Blocks of these lengths, again and again."""
    start = index = 0
    while start < sound.shape[-1]:
        yield sound[..., start : start + cuts[index % len(cuts)]]
        start += cuts[index % len(cuts)]
        index += 1


def joined(blocks: Iterator[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(blocks), axis=-1)


RESTORATIONS: dict[str, dict[str, Any]] = {
    "network": {},
    "normalised": {"normalise": True},
    "jobs": {"restoration": Restoration(jobs=2, shifts=1, overlap=0.5)},
    "repairs": {"restoration": Restoration(repairs=("hum", "noise"))},
    "all, normalised": {"restoration": Restoration(repairs=("noise", "hum")), "normalise": True},
    "nothing": {"restoration": Restoration(repairs=())},
}


@pytest.mark.parametrize("name", RESTORATIONS)
@pytest.mark.parametrize("channels", [1, 2])
def test_restored_arrays_are_restored_files(name: str, channels: int, model: Model, tmp_path: Path) -> None:
    sound, options = tape(channels), RESTORATIONS[name]
    stream_restore.restore(stored(tmp_path / "in.wav", sound), tmp_path / "out.wav", model=model, **options)
    expected = np.atleast_2d(read(tmp_path / "out.wav"))
    whole = stream_restore.restore(sound, sample_rate=RATE, model=model, **options)
    in_parts = joined(stream_restore.restore(in_blocks(sound), sample_rate=RATE, model=model, **options))
    assert (whole.dtype, whole.shape) == (np.dtype(np.float32), sound.shape)
    assert (in_parts.dtype, in_parts.shape) == (np.dtype(np.float32), sound.shape)
    assert (whole == expected).all()
    assert (in_parts == expected).all()


DEGRADATIONS: dict[str, dict[str, Any]] = {
    "measured": {"degradation": Degradation(sample_rate=8000, cutoff_hz=3000.0)},
    "told": {"degradation": Degradation(seed=5, snr_db=10.0), "power": 0.01},
    "causal": {"degradation": Degradation(phase="causal", snr_db=None)},
}


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_degraded_arrays_are_degraded_files(name: str, tmp_path: Path) -> None:
    sound, options = tape(2), DEGRADATIONS[name]
    stream_restore.degrade(stored(tmp_path / "in.wav", sound), tmp_path / "out.wav", **options)
    expected = read(tmp_path / "out.wav")
    assert (stream_restore.degrade(sound, sample_rate=RATE, **options) == expected).all()
    assert (joined(stream_restore.degrade(in_blocks(sound), sample_rate=RATE, **options)) == expected).all()


def test_the_command_gives_the_same_from_a_file_and_in_a_pipe(model: Model, tmp_path: Path) -> None:
    path, sound = stored(tmp_path / "in.wav", tape(2)), tape(2)
    words = [*COMMAND, "degrade", "-", "--power", "-20"]
    piped = subprocess.run(words, input=path.read_bytes(), capture_output=True, check=True).stdout
    expected = stream_restore.degrade(sound, sample_rate=RATE, power=0.01)
    assert piped.endswith(expected.T.tobytes())
    subprocess.run([*COMMAND, "degrade", path, "-o", tmp_path / "out.wav", "--power", "-20"], check=True)
    assert (read(tmp_path / "out.wav") == expected).all()


def test_one_channel_in_one_dimension_comes_back_in_one(model: Model) -> None:
    sound = tape(1)
    for route in both_routes(model):
        flat = route(sound[0])
        assert flat.shape == (FRAMES,)
        assert (flat == route(sound)[0]).all()
        blocks = list(route(in_blocks(sound[0])))
        assert {block.ndim for block in blocks} == {1}
        assert (np.concatenate(blocks) == flat).all()


def both_routes(model: Model) -> list[Callable[[Any], Any]]:
    return [
        lambda sound: stream_restore.restore(sound, sample_rate=RATE, model=model),
        lambda sound: stream_restore.degrade(sound, sample_rate=RATE, power=0.01),
    ]


@pytest.mark.parametrize("shape", [(2, 0), (0,), (2, 1), (6, 3), (1, 1), (8, 5), (12, 20)])
def test_the_shortest_sounds_keep_their_shape(shape: tuple[int, ...], model: Model) -> None:
    sound = np.full(shape, 0.25, np.float32)
    for route in both_routes(model):
        assert route(sound).shape == shape
        assert sum(block.shape[-1] for block in route(iter([sound]))) == shape[-1]


def test_other_floats_and_other_layouts_in_memory_are_the_same_sound(model: Model, tmp_path: Path) -> None:
    sound = tape(2)
    strided = np.ascontiguousarray(sound.T).T
    backwards = sound[:, ::-1].copy()[:, ::-1]
    for route in both_routes(model):
        expected = route(sound)
        for other in (sound.astype(np.float64), sound.astype(">f4"), strided, backwards):
            assert (route(other) == expected).all()
            assert (joined(route(in_blocks(other))) == expected).all()


def test_rates_of_other_kinds_of_numbers_are_rates(model: Model) -> None:
    sound = tape(1)
    expected = stream_restore.degrade(sound, sample_rate=RATE, power=0.01)
    rates: list[Any] = [float(RATE), np.int64(RATE), np.float32(RATE)]
    for rate in rates:
        assert (stream_restore.degrade(sound, sample_rate=rate, power=0.01) == expected).all()


def test_what_is_given_is_neither_changed_nor_copied_nor_kept(model: Model) -> None:
    sound = tape(2)
    before = sound.copy()
    source = ArraySource(sound, RATE)
    assert np.shares_memory(source.read(100), sound)
    out = stream_restore.restore(sound, sample_rate=RATE, restoration=Restoration(repairs=()))
    assert (out == sound).all()
    assert not np.shares_memory(out, sound)
    for block in stream_restore.restore(in_blocks(sound), sample_rate=RATE, restoration=Restoration(repairs=())):
        assert not np.shares_memory(block, sound)
        block[:] = 7
    assert (sound == before).all()


# Generators


@pytest.mark.parametrize("passes", [1, 2])
def test_a_generator_may_fill_one_block_again_and_again(passes: int) -> None:
    """As `soundfile.blocks` does with `out`."""
    sound, power = tape(2), 0.01 if passes == 1 else None
    buffer = np.empty((2, 1000), np.float32)

    def blocks() -> Iterator[np.ndarray]:
        for block in in_blocks(sound, [1000]):
            buffer[:, : block.shape[1]] = block
            yield buffer[:, : block.shape[1]]

    expected = stream_restore.degrade(sound, sample_rate=RATE, power=power)
    assert (joined(stream_restore.degrade(blocks(), sample_rate=RATE, power=power)) == expected).all()


def test_blocks_come_as_soon_as_they_can_and_nothing_is_asked_for_too_early() -> None:
    asked = 0

    def blocks() -> Iterator[np.ndarray]:
        nonlocal asked
        for block in in_blocks(tape(2), [500]):
            asked += 1
            yield block

    causal = Degradation(phase="causal", sample_rate=None, snr_db=None)
    out = stream_restore.degrade(blocks(), sample_rate=RATE, degradation=causal)
    assert asked == 0
    assert next(out).shape == (2, 500)
    assert asked == 1


def test_no_blocks_give_no_blocks(model: Model) -> None:
    for route in both_routes(model):
        assert list(route(iter([]))) == []


def test_blocks_of_a_file_are_restored_while_they_are_read(model: Model, tmp_path: Path) -> None:
    path = stored(tmp_path / "in.wav", tape(2))
    blocks = (block.T for block in soundfile.blocks(path, 1000, dtype="float32"))
    expected = stream_restore.restore(tape(2), sample_rate=RATE, model=model)
    assert (joined(stream_restore.restore(blocks, sample_rate=RATE, model=model)) == expected).all()


# Comparison


def pairs(sound: Audio, other: Audio, folder: Path) -> Iterator[tuple[Any, Any]]:
    """The same two recordings in every way to give them."""
    files = stored(folder / "sound.wav", sound), stored(folder / "other.wav", other)
    yield sound, other
    yield in_blocks(sound), in_blocks(other, [512])
    yield files[0], other
    yield in_blocks(sound), files[1]
    yield sound, files[1].open("rb")


@pytest.mark.parametrize("align", [False, True])
def test_arrays_generators_and_files_compare_alike(align: bool, tmp_path: Path) -> None:
    sound, shift = tape(2), 30 if align else 0
    other = np.roll(stream_restore.degrade(sound, sample_rate=RATE, power=0.01), shift, axis=1)
    files = [stored(tmp_path / f"{index}.wav", each) for index, each in enumerate((sound, other))]
    expected = stream_restore.compare(*files, align=align)
    assert expected.shift == shift
    for pair in pairs(sound, other, tmp_path):
        assert repr(stream_restore.compare(*pair, sample_rate=RATE, align=align)) == repr(expected)


def test_one_dimension_compares_as_one_channel(tmp_path: Path) -> None:
    sound, other = tape(1), tape(1) * np.float32(0.5)
    expected = stream_restore.compare(sound, other, sample_rate=RATE)
    assert stream_restore.compare(sound[0], in_blocks(other[0]), sample_rate=RATE).figures == expected.figures


# What is refused, with its cure

GOOD = np.zeros((2, 100), np.float32)


@pytest.mark.parametrize(
    ("sound", "cure"),
    [
        (
            np.zeros((100, 2)),
            r"of shape \(100, 2\), would be 100 channels of 2 frames; .* give its transpose, array\.T",
        ),
        (np.zeros((9, 1), np.float32), r"array\.T"),
        (np.zeros((2, 100), np.int16), r"holds int16; .* array\.astype\(np\.float32\) / 32768$"),
        (np.zeros((2, 100), np.int32), r"array\.astype\(np\.float32\) / 2147483648$"),
        (np.zeros((2, 100), np.uint8), r"\(array\.astype\(np\.float32\) - 128\) / 128$"),
        (np.zeros((2, 100), np.complex64), r"holds complex64; give floats at full scale \+-1$"),
        (np.zeros((2, 100), bool), "holds bool"),
        (np.array(["a"]), "holds <U1"),
        (np.float32(1), r"has the shape \(\); give \(channels, frames\), or \(frames,\)"),
        (np.zeros((1, 2, 100)), r"has the shape \(1, 2, 100\)"),
        (np.zeros((0, 100)), "has 0 channels; give from 1 to 1024"),
    ],
)
def test_other_arrays_are_refused_with_their_cure(sound: Any, cure: str, model: Model) -> None:
    with pytest.raises(SpecError, match=cure):
        stream_restore.compare(sound, GOOD, sample_rate=RATE)
    for route in both_routes(model):
        with pytest.raises(SpecError, match=cure):
            route(sound)
        with pytest.raises(SpecError, match=cure):
            list(route(iter([sound])))


def test_blocks_that_do_not_follow_each_other_are_refused(model: Model) -> None:
    for route in both_routes(model):
        with pytest.raises(SpecError, match=r"a block of shape \(1, 5\) follows blocks of shape \(2, frames\)"):
            list(route(iter([GOOD, GOOD[:1, :5]])))
        with pytest.raises(SpecError, match=r"a block of shape \(2, 100\) follows blocks of shape \(frames,\)"):
            list(route(iter([GOOD[0], GOOD])))
        with pytest.raises(SpecError, match=r"blocks are NumPy arrays, got float; np\.asarray"):
            list(route(iter([0.5, 0.25])))


def test_samples_that_are_no_numbers_are_named_by_place(model: Model) -> None:
    sound = tape(2)
    sound[1, 16000] = np.nan
    for route in both_routes(model):
        with pytest.raises(SourceError, match=r"nan at frame 16000 \(0:00:01\.000\), channel 2"):
            route(sound)
        with pytest.raises(SourceError, match=r"nan at frame 16000 \(0:00:01\.000\), channel 2"):
            joined(route(in_blocks(sound)))
    with pytest.raises(SourceError, match=r"the estimate: nan at frame 16000"):
        stream_restore.compare(tape(2), sound, sample_rate=RATE)
    with pytest.raises(SourceError, match=r"the array: inf at frame 0"):
        stream_restore.degrade(np.full(10, 1e300), sample_rate=RATE)


def test_results_beyond_all_numbers_are_refused_as_in_a_file(model: Model, tmp_path: Path) -> None:
    loud = Restoration(dry=1e39)
    with pytest.raises(SinkError, match="too loud for numbers"):
        stream_restore.restore(tape(2), sample_rate=RATE, model=model, restoration=loud)
    with pytest.raises(SinkError, match="too loud for numbers"):
        joined(stream_restore.restore(in_blocks(tape(2)), sample_rate=RATE, model=model, restoration=loud))
    with pytest.raises(SinkError, match="too loud for numbers"):
        stream_restore.restore(
            stored(tmp_path / "in.wav", tape(2)), tmp_path / "out.wav", model=model, restoration=loud
        )


@pytest.mark.parametrize("rate", [0, -1, 44100.5, float("nan"), float("inf"), 10**9])
def test_rates_that_no_recording_has_are_refused_at_once(rate: float) -> None:
    for sound in (GOOD, iter([GOOD])):
        with pytest.raises(SpecError, match="sample_rate must be a whole number of Hz from 1 to"):
            stream_restore.degrade(sound, sample_rate=rate)


@pytest.mark.parametrize(
    ("call", "cure"),
    [
        (lambda any: any.restore(GOOD, 44100), "output= is for files; an array, given with sample_rate=, comes back"),
        (lambda any: any.degrade(GOOD), "an array does not say its sample rate: give sample_rate=, in Hz"),
        (lambda any: any.restore(GOOD, "out.wav", sample_rate=RATE), "output= is for files"),
        (lambda any: any.degrade(GOOD, sample_rate=RATE, resume=True), "resume= is for files"),
        (lambda any: any.degrade(GOOD, sample_rate=RATE, stored=Output()), "stored= is for files"),
        (lambda any: any.restore(GOOD, sample_rate=RATE, residual="r.wav"), "residual= is for files"),
        (lambda any: any.degrade([0.1, 0.2], sample_rate=RATE), r"got list; np\.asarray makes an array of a list"),
        (lambda any: any.degrade(None, "out.wav"), "got NoneType"),
        (lambda any: any.degrade("in.wav"), "name an output"),
        (lambda any: any.degrade("in.wav", "out.wav", sample_rate=RATE), "sample_rate= is for arrays; a file says"),
        (lambda any: any.compare("in.wav", "out.wav", sample_rate=RATE), "sample_rate= is for arrays; a file says"),
        (lambda any: any.compare(GOOD, GOOD), "give sample_rate="),
        (lambda any: any.compare(GOOD, GOOD[:, :5], sample_rate=RATE), "the estimate ends after 5 frames"),
        (lambda any: any.compare(GOOD, GOOD[:1], sample_rate=RATE), "the estimate has 1 channels"),
    ],
)
def test_calls_that_mix_files_and_arrays_say_what_to_do(call: Callable[[Any], Any], cure: str) -> None:
    with pytest.raises(ConfigError, match=cure):
        call(stream_restore)


def types() -> None:
    """What mypy knows of each call; never run."""
    assert_type(stream_restore.restore("in.wav", "out.wav"), Report)
    assert_type(stream_restore.restore(GOOD, sample_rate=RATE), Audio)
    assert_type(stream_restore.restore(np.zeros(9), sample_rate=float(RATE)), Audio)
    assert_type(stream_restore.restore(iter([GOOD]), sample_rate=RATE), Iterator[Audio])
    assert_type(stream_restore.degrade(Path("in.wav"), "out.wav"), Report)
    assert_type(stream_restore.degrade(GOOD, sample_rate=RATE), Audio)
    assert_type(stream_restore.degrade((block for block in [GOOD]), sample_rate=RATE), Iterator[Audio])
    stream_restore.restore(GOOD)  # type: ignore[call-overload]
    stream_restore.restore(GOOD, "out.wav", sample_rate=RATE)  # type: ignore[call-overload]
    stream_restore.degrade("in.wav")  # type: ignore[call-overload]
