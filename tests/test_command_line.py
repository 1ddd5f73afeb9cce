"""The command, as a process: pipes, files, exit codes, and what it says."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_restore.testing import example_signal

COMMAND = [sys.executable, "-m", "stream_restore.cli"]
RATE, FRAMES = 44100, 50_001
NOTHING = ["--cutoff", "none", "--rate", "none", "--bits", "none", "--snr", "none"]


def run(*arguments: str | Path, stdin: bytes | None = None, code: int = 0) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([*COMMAND, *map(str, arguments)], input=stdin, capture_output=True, check=False)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "clean.wav"
    soundfile.write(path, example_signal(2, FRAMES).T, RATE, subtype="PCM_16")
    return path


def samples(path: Path) -> np.ndarray:
    return np.asarray(soundfile.read(path, dtype="int16", always_2d=True)[0])


def piped(data: bytes, size: int, arguments: Sequence[str | Path]) -> bytes:
    """The output for an input that is written in pieces of `size` bytes."""
    with subprocess.Popen([*COMMAND, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        descriptor = child.stdin.fileno()
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            while piece:
                piece = piece[os.write(descriptor, piece) :]
        child.stdin.close()
        output = child.stdout.read()
    assert child.returncode == 0
    return output


def body(wav: bytes) -> bytes:
    """The samples of a WAV: what follows the data chunk's size."""
    return wav[wav.index(b"data") + 8 :]


@pytest.mark.parametrize("command", ["restore", "degrade"])
def test_file_pipe_and_single_bytes_give_the_same_bytes(
    command: str, recording: Path, small_model: Path, tmp_path: Path
) -> None:
    options = ["-n", str(small_model)] if command == "restore" else ["--seed", "3"]
    run(command, recording, "-o", tmp_path / "file.wav", *options)
    whole = piped(recording.read_bytes(), 1 << 30, [command, "-", *options])
    bytewise = piped(recording.read_bytes(), 1, [command, "-", *options])
    from_file = run(command, recording, "-o", "-", *options).stdout
    assert whole == bytewise == from_file
    kept = (tmp_path / "file.wav").read_bytes()
    assert body(kept)[: 4 * FRAMES] == body(whole)[: 4 * FRAMES]
    assert samples(tmp_path / "file.wav").shape == (FRAMES, 2)


def test_between_ffmpeg_and_sox(recording: Path, small_model: Path, tmp_path: Path) -> None:
    tape, out = tmp_path / "tape.m4a", tmp_path / "out.flac"
    subprocess.run(["ffmpeg", "-loglevel", "error", "-i", recording, tape], check=True)
    decode = subprocess.Popen(["ffmpeg", "-loglevel", "error", "-i", tape, "-f", "wav", "-"], stdout=subprocess.PIPE)
    restore = subprocess.Popen(
        [*COMMAND, "restore", "-", "-n", small_model, "-o", "-"], stdin=decode.stdout, stdout=subprocess.PIPE
    )
    encode = subprocess.run(["sox", "-V1", "-t", "wav", "-", out], stdin=restore.stdout, check=False)
    assert (decode.wait(), restore.wait(), encode.returncode) == (0, 0, 0)
    decoded = subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", tape, "-f", "s16le", "-"], capture_output=True, check=True
    ).stdout
    assert samples(out).shape == (len(decoded) // 4, 2)


def test_the_output_is_what_the_input_was(small_model: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    with soundfile.SoundFile(source, "w", 48000, 1, "PCM_24") as file:
        file.title = "Tape 3"
        file.write(example_signal(1, 12_345)[0])
    run("restore", source, "-o", out, "-n", small_model)
    with soundfile.SoundFile(out) as file:
        found = (file.samplerate, file.channels, file.frames, file.subtype, file.title)
    assert found == (48000, 1, 12_345, "PCM_24", "Tape 3")


def test_six_channels(small_model: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "in.wav", tmp_path / "out.flac"
    soundfile.write(source, example_signal(6, 9000).T, RATE, subtype="PCM_16")
    run("restore", source, "-o", out, "-n", small_model)
    assert samples(out).shape == (9000, 6)


def test_stems_and_residual_add_up_to_the_input(recording: Path, small_model: Path, tmp_path: Path) -> None:
    out, residual, stems = tmp_path / "out.wav", tmp_path / "residual.wav", tmp_path / "stems"
    run("restore", recording, "-o", out, "-n", small_model, "--residual", residual, "--save-stems", stems, "--float32")
    clean, restored, removed, artifacts = (
        soundfile.read(path, dtype="float64")[0] for path in (recording, out, residual, stems / "artifacts.wav")
    )
    assert np.abs(restored + removed - clean).max() < 1e-6
    assert np.abs(removed - artifacts).max() < 1e-6


@pytest.mark.parametrize("option", [["-j", "2"], ["--threads", "1"], ["--progress", "json"]])
def test_how_it_is_run_does_not_change_a_bit(
    option: list[str], recording: Path, small_model: Path, tmp_path: Path
) -> None:
    for name, more in (("one.wav", ["--threads", "1"]), ("two.wav", ["--threads", "1", *option])):
        run("restore", recording, "-o", tmp_path / name, "-n", small_model, *more)
    assert (tmp_path / "one.wav").read_bytes() == (tmp_path / "two.wav").read_bytes()


def test_another_backend_gives_the_same_sound(recording: Path, small_model: Path, tmp_path: Path) -> None:
    for backend in ("onnx", "openvino"):
        run("restore", recording, "-o", tmp_path / f"{backend}.wav", "-n", small_model, "--backend", backend)
    one, other = (samples(tmp_path / f"{backend}.wav").astype(int) for backend in ("onnx", "openvino"))
    assert np.abs(one - other).max() <= 1 + 1e-4 * np.abs(one).max()


def test_degrade_leaves_steps_out(recording: Path, tmp_path: Path) -> None:
    run("degrade", recording, "-o", tmp_path / "out.wav", *NOTHING)
    assert (samples(tmp_path / "out.wav") == samples(recording)).all()


def test_degrade_with_a_stated_level_reads_a_pipe_once(recording: Path) -> None:
    measured = run("degrade", recording, "-o", "-", "--rate", "none", "--bits", "none", "--cutoff", "none").stdout
    power = 10 * np.log10(np.square(samples(recording) / 32768).mean())
    options = ["--rate", "none", "--bits", "none", "--cutoff", "none", "--power", repr(float(power))]
    stated = piped(recording.read_bytes(), 4096, ["degrade", "-", *options])
    pair = [np.frombuffer(body(wav), np.int16).astype(int) for wav in (measured, stated)]
    assert np.abs(pair[0] - pair[1]).max() <= 1


def test_raw_samples_in_and_out(recording: Path) -> None:
    raw = body(recording.read_bytes())
    assert run("degrade", "-", "--raw", "s16le:44100:2", "-f", "raw", *NOTHING, stdin=raw).stdout == raw


def test_metrics_speak_json(recording: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.wav"
    soundfile.write(half, samples(recording) // 2, RATE, subtype="PCM_16")
    found = json.loads(run("metrics", recording, half, "--json").stdout)
    assert (found["sample_rate"], found["channels"], found["frames"]) == (RATE, 2, FRAMES)
    assert found["sdr_db"] == pytest.approx(20 * np.log10(2), abs=0.01)
    assert found["scale"] == pytest.approx(0.5, abs=0.001)
    same = json.loads(run("metrics", recording, recording, "--json").stdout)
    assert (same["sdr_db"], same["si_sdr_db"]) == ("inf", "inf")


def test_metrics_of_chosen_names_are_those_of_all(recording: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.wav"
    soundfile.write(late, np.roll(samples(recording) // 2, 99, axis=0), RATE, subtype="PCM_16")
    every = json.loads(run("metrics", recording, late, "--json").stdout)
    found = json.loads(run("metrics", recording, late, "--json", "--only", "sdr, si-sdr").stdout)
    about = {"sample_rate", "channels", "frames", "split_hz", "shifted_frames", "gain", "warnings"}
    assert found.keys() == {*about, "sdr_db", "si_sdr_db"}
    for names in ("snr,si-sdr-zero-mean,sdr-below,sdr-above", "lsd", "segmental-sdr,scale", "bss-sdr,delay"):
        found |= json.loads(run("metrics", recording, late, "--json", "--only", names).stdout)
    assert found == every


def test_metrics_of_different_lengths_are_refused(recording: Path, tmp_path: Path) -> None:
    shorter = tmp_path / "short.wav"
    soundfile.write(shorter, samples(recording)[:-7], RATE)
    for pair in ((recording, shorter), (shorter, recording)):
        message = run("metrics", *pair, code=1).stderr.decode()
        assert f"short.wav ends after {FRAMES - 7} frames" in message


def test_progress_for_programs(recording: Path, small_model: Path, tmp_path: Path) -> None:
    done = run("restore", recording, "-o", tmp_path / "o.wav", "-n", small_model, "--progress", "json", "--float32")
    lines = [json.loads(line) for line in done.stderr.decode().splitlines()]
    assert lines[-1]["frames"] == lines[-1]["total"] == FRAMES
    assert set(lines[-1]) == {"frames", "total", "elapsed_seconds", "eta_seconds"}
    assert done.stdout == b""


def test_nothing_but_the_result_goes_to_stdout(recording: Path, small_model: Path, tmp_path: Path) -> None:
    done = run("restore", recording, "-o", tmp_path / "o.wav", "-n", small_model, "--float32")
    assert done.stdout == done.stderr == b""


def test_the_result_lies_beside_the_input(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.flac", example_signal(1, 5000)[0], RATE)
    run("degrade", tmp_path / "song.flac")
    assert samples(tmp_path / "song.degraded.flac").shape == (5000, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["restore", "missing.wav", "-o", "x.wav", "-n", "{model}"], 2, "missing.wav"),
        (["restore", "text.wav", "-o", "x.wav", "-n", "{model}"], 2, "text.wav"),
        (["restore", "in.wav", "-o", "exists.wav", "-n", "{model}"], 1, "--force"),
        (["restore", "in.wav", "-o", "in.wav", "--force", "-n", "{model}"], 1, "in.wav"),
        (["restore", "in.wav", "-o", "x.wav", "-n", "nonsense"], 1, "htdemucs"),
        (["restore", "in.wav", "-o", "x.wav", "-n", "{model}", "--overlap", "1"], 1, "overlap"),
        (["restore", "in.wav", "-o", "x.wav", "-n", "{model}", "--stems", "bass"], 1, "artifacts"),
        (["restore", "in.wav", "-o", "x.wav", "-n", "{model}", "--provider", "Nonsense"], 1, "CPUExecutionProvider"),
        (
            ["restore", "in.wav", "-o", "x.wav", "-n", "{model}", "--precision", "bf16"],
            1,
            "bf16 on the backend openvino",
        ),
        (["restore", "in.wav", "-o", "x.wav", "-n", "{model}", "--int16", "--int24"], 1, "exclude each other"),
        (["restore", "in.wav", "-o", "nowhere/x.wav", "-n", "{model}"], 1, "nowhere"),
        (["restore"], 1, "IN"),
        (["restore", "in.wav", "--nonsense"], 1, "--nonsense"),
        (["degrade", "in.wav", "-o", "x.wav", "--cutoff", "30000"], 1, "22050"),
        (["degrade", "in.wav", "-o", "x.wav", "--cutoff", "low"], 1, "--cutoff"),
        (["degrade", "in.wav", "-o", "x.wav", "--bits", "8.5"], 1, "--bits"),
        (["degrade", "in.wav", "-o", "x.xyz"], 1, "xyz"),
        (["degrade", "-", "-o", "x.wav", "--raw", "s17le:44100:2"], 1, "s16"),
        (["metrics", "in.wav", "other.wav"], 1, "1 channels at 8000 Hz"),
        (["metrics", "-", "-"], 1, "stdin can be given once"),
        (["metrics", "in.wav", "in.wav", "--only", "sdr,pesq"], 1, "no figure is called pesq; there are sdr, si-sdr"),
        (["evaluate", "in.wav", "-", "-o", "x"], 1, "evaluate reads files, more than once, and not stdin"),
        (["restore", "in.wav", "--save-stems", "-"], 1, "'-' is stdout"),
        (["evaluate", "in.wav", "-o", "-"], 1, "'-' is stdout"),
        (["batch", ".", "-"], 1, "'-' is stdout"),
        (["export", "htdemucs", "-o", "-"], 1, "'-' is stdout"),
        (["export", "compact", "-o", "x.onnx"], 1, "'compact' is an .onnx file already: use it with -n compact, or"),
        (["export", "{model}", "-o", "x.onnx"], 1, "is an .onnx file already: use it with -n {model}, or copy it from"),
        (["models", "info", "nonsense"], 1, "compact"),
        (["models", "info", "hf://"], 1, "'' cannot be the name of a model"),
        (["models", "info", "hf://user/"], 1, "'' cannot be the name of a model"),
        (["models", "info", "hf://a/b/c"], 1, "'a/b' cannot be the name of a model"),
    ],
)
def test_errors_name_the_thing_and_the_cure(
    arguments: list[str], code: int, message: str, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write("in.wav", example_signal(2, 500).T, RATE)
    soundfile.write("exists.wav", example_signal(2, 500).T, RATE)
    soundfile.write("other.wav", example_signal(1, 500)[0], 8000)
    Path("text.wav").write_text("this is no sound, whatever its name says")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    done = run(*(argument.format(model=small_model) for argument in arguments), code=code)
    assert message.format(model=small_model) in done.stderr.decode()
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_name_cannot_break_a_line_or_move_a_terminal(tmp_path: Path) -> None:
    odd = "a\nb \x1b[2J\u202e é.wav"
    said = r"a\nb \x1b[2J\u202e é.wav"
    missing = run("degrade", odd, "-o", tmp_path / "o.wav", code=2).stderr.decode()
    assert missing == f"stream-restore: {said}: cannot be opened: No such file or directory\n"
    (tmp_path / odd).touch()
    begun, failed, *_ = run("batch", tmp_path, tmp_path / "out", code=3).stderr.decode().splitlines()
    assert (begun, failed) == (f"1/1 {tmp_path}/{said}", f"stream-restore: {tmp_path}/{said}: is empty")


def test_a_closed_stdout_ends_quietly(recording: Path) -> None:
    command = f"{' '.join(COMMAND)} degrade '{recording}' -o - | head -c 100 >/dev/null; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("0", "")


@pytest.mark.parametrize("mode", ["auto", "json"])
def test_clipped_samples_are_counted_and_reported(mode: str, tmp_path: Path) -> None:
    loud = np.array([1.5, 0.5, -2.0, 0.25], np.float32)
    soundfile.write(tmp_path / "loud.wav", loud, RATE, subtype="FLOAT")
    done = run("degrade", tmp_path / "loud.wav", "-o", tmp_path / "o.wav", "--int16", "--progress", mode, *NOTHING)
    line = done.stderr.decode().splitlines()[-1]
    said = json.loads(line)["warning"] if mode == "json" else line
    assert "o.wav: 2 samples clipped" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing_under_the_final_name(number: signal.Signals, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    raw = ["--raw", "s16le:44100:2", "--power", "-20"]
    with subprocess.Popen(
        [*COMMAND, "degrade", "-", "-o", out, *raw], stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write(bytes(400_000))
        child.stdin.flush()
        while not list(tmp_path.glob("*.part")):
            assert child.poll() is None
        child.send_signal(number)
        message = child.stderr.read().decode()
    assert child.returncode == 130
    assert message == "stream-restore: interrupted\n"
    assert not out.exists()


def test_help_shows_defaults() -> None:
    text = run("restore", "--help").stdout.decode()
    for words in ("[default: compact]", "[default: 0.25]", "NAME.restored.SUFFIX"):
        assert words in " ".join(text.split())


def test_models_list_and_info(small_model: Path) -> None:
    assert "htdemucs_ft" in run("models", "list").stdout.decode()
    text = run("models", "info", small_model).stdout.decode()
    assert "artifacts" in text
    assert "44100" in text


def test_models_info_shows_the_short_form_of_a_card_and_nothing_that_moves_a_terminal(tmp_path: Path) -> None:
    text = run("models", "info", "compact").stdout.decode()
    card = (Path(__file__).parents[1] / "models/compact.md").read_text("utf-8")
    assert text.endswith("\n\n" + card[: card.index("\n## ")].strip() + "\n")
    assert all(word in text for word in ("SI-SDR", "fails", "MIT"))
    shutil.copy(Path(__file__).parents[1] / "models/compact.onnx", tmp_path / "mine.onnx")
    (tmp_path / "mine.md").write_text("# mine\n\n\x1b[2Jbold\n\n## More\n\nnever shown\n")
    shown = run("models", "info", tmp_path / "mine.onnx").stdout.decode()
    assert shown.endswith("\n\n# mine\n\n[2Jbold\n")


def test_an_exported_model_says_how_close_it_is(tmp_path: Path) -> None:
    import networks

    networks.write_pickle(networks.restorer(), tmp_path / "s.th")
    (tmp_path / "mine.yaml").write_text("models: ['s']\n")
    done = run("export", "mine", "--repo", tmp_path, "-o", tmp_path / "mine.onnx")
    assert "largest difference to PyTorch" in done.stderr.decode()
    assert "mine.onnx" in done.stderr.decode()
    assert "parity" in run("models", "info", tmp_path / "mine.onnx").stdout.decode()
