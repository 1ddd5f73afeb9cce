"""Real recordings: the samples ffmpeg decodes, from file and pipe alike."""

import os
from pathlib import Path

import numpy as np
import pytest
from audio_helpers import drip, ffmpeg, read_all

from stream_restore.audio import open_source

FOLDER = os.environ.get("STREAM_RESTORE_AUDIO")


@pytest.mark.skipif(FOLDER is None, reason="STREAM_RESTORE_AUDIO names no folder of recordings")
def test_recordings_decode_as_ffmpeg_decodes_them() -> None:
    recordings = sorted((Path(FOLDER or "") / "eval").glob("*.ogg"), key=lambda path: path.stat().st_size)[:3]
    assert recordings
    for path in recordings:
        with open_source(path) as file, open_source(drip(path.read_bytes(), 1 << 16)) as pipe:
            sound = read_all(file, 1 << 16)
            assert (read_all(pipe, 12345) == sound).all()
            assert file.frames == sound.shape[1]
            assert file.warnings == pipe.warnings == []
        raw = ffmpeg("-i", str(path), "-f", "f32le", "-c:a", "pcm_f32le", "-")
        expected = np.frombuffer(raw, "<f4").reshape(-1, file.spec.channels).T
        assert sound.shape == expected.shape
        assert np.abs(sound - expected).max() < 2e-6
