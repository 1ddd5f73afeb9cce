"""Any number given to an option is worked with or refused in a line; none ends in a traceback."""

import pytest
import soundfile
from cheap import one_node

from stream_restore.cli.main import main
from stream_restore.testing import example_signal

OPTIONS = {
    "restore": ("--threads", "--jobs", "--segment", "--overlap", "--context", "--shifts", "--seed", "--dry"),
    "degrade": ("--cutoff", "--order", "--rate", "--bits", "--snr", "--power", "--seed"),
    "metrics": ("--every", "--split"),
    "spectrogram": ("--rows", "--quietest", "--loudest"),
    "evaluate": ("--sample-rate", "--cutoff", "--order", "--rate", "--bits", "--snr", "--seed"),
}
NUMBERS = ("nan", "inf", "-inf", "-1", "0", "1e308", "1e-308", "9" * 30, "-" + "9" * 30)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    folder = tmp_path_factory.mktemp("odd")
    for seed, name in enumerate(("a.wav", "b.wav")):
        soundfile.write(folder / name, example_signal(2, 4000, seed=seed).T, 8000)
    network = one_node(folder / "same.onnx", rate=8000, frames=4000, channels=2)
    sound, chain = folder / "a.wav", ["--rate", "none", "--cutoff", "none"]
    return {
        "restore": [sound, "-o", folder / "out.wav", "-n", network, "--force"],
        "degrade": [sound, "-o", folder / "out.wav", "--force", *chain],
        "metrics": [sound, folder / "b.wav"],
        "spectrogram": [sound, "-o", folder / "pictures", "--force"],
        "evaluate": [sound, "-o", folder / "all", "-n", network, "--force", "--sample-rate", 8000, *chain],
    }


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(("command", "option"), [(name, each) for name, all_ in OPTIONS.items() for each in all_])
def test_a_number_is_taken_or_refused_in_a_line(
    command: str, option: str, number: str, words: dict[str, list[object]], capfd: pytest.CaptureFixture[str]
) -> None:
    code = main([command, *map(str, words[command]), "-q", f"{option}={number}"])
    said = capfd.readouterr().err
    assert code in (0, 1)
    assert "Warning" not in said
    assert code == 0 or option.strip("-") in said or said.startswith("stream-restore: ")
    assert len(said.splitlines()) <= 4
