"""At equal loudness, each track of a display is turned down to the level of the quietest; none is turned up."""

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stream_restore.audio import open_source
from stream_restore.show.viewer import Track, write_viewer


def gains(folder: Path, *levels: float) -> list[float]:
    """In dB, of tracks of a constant level; the last is a residual."""
    with ExitStack() as stack:
        tracks = []
        for number, level in enumerate(levels, 1):
            path = folder / f"{number}.wav"
            soundfile.write(path, np.full(1000, level), 8000, subtype="FLOAT")
            source = stack.enter_context(open_source(path))
            tracks.append(Track(str(number), source, path.name, matched=number < len(levels)))
        write_viewer(folder, "levels", tracks)
    data = json.loads((folder / "recording.js").read_text("utf-8").partition(" = ")[2].rstrip(";\n"))
    return [track["gain_db"] for track in data["tracks"]]


@pytest.mark.parametrize("quietest", [1.0, 0.5, 2.0])
def test_all_come_to_the_level_of_the_quietest(quietest: float, tmp_path: Path) -> None:
    """A level of 1 is 0 dB, a level as any other."""
    found = gains(tmp_path, 4 * quietest, quietest, 2 * quietest, 0.01)
    assert found == pytest.approx([-20 * np.log10(4), 0, -20 * np.log10(2), 0])


def test_silence_has_no_level(tmp_path: Path) -> None:
    assert gains(tmp_path, 1.0, 0.0, 2.0, 0.01) == pytest.approx([0, 0, -20 * np.log10(2), 0])
