"""Memory follows neither the length of a recording nor what a header claims; starting up loads no decoder."""

import subprocess
import sys

import pytest
from audio_helpers import child

MEGABYTES = 16
"""What a longer recording may cost at most."""

COPY = """
import resource, sys
from stream_restore.audio import open_sink, open_source, parse_raw
container, raw = sys.argv[1], sys.argv[2]
with open_source("-", raw=parse_raw(raw) if raw else None) as source:
    with open_sink("-", source.spec, like=source.format, container=container) as sink:
        while (block := source.read(16384)).shape[1]:
            sink.write(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
"""


def peak(seconds: int, container: str, kind: str) -> int:
    """Megabytes that a process takes to turn a tone in a pipe into `container`."""
    tone = ["-f", "lavfi", "-i", f"sine=duration={seconds}", "-ac", "2", "-f", kind, "-"]
    feeder = subprocess.Popen(["ffmpeg", "-v", "error", *tone], stdout=subprocess.PIPE)
    with feeder:
        command = [sys.executable, "-c", COPY, container, ""]
        done = subprocess.run(
            command, stdin=feeder.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True
        )
    return int(done.stderr)


@pytest.mark.parametrize(("kind", "container"), [("wav", "wav"), ("flac", "ogg"), ("ogg", "flac"), ("mp3", "mp3")])
def test_minutes_take_the_memory_of_seconds(kind: str, container: str) -> None:
    long = 1200 if kind == "wav" else 60
    assert peak(long, container, kind) - peak(5, container, kind) < MEGABYTES


def test_a_header_allocates_nothing() -> None:
    # 1024 channels of 64-bit floats at the highest rate, 2^62 bytes of them, and a read of 2^40 frames.
    code = """
import io, resource, struct
from stream_restore.audio import open_source
fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1024, 1536000, 0, 8192, 64)
sizes = struct.pack("<4sIQQQI", b"ds64", 28, 2**62, 2**62 - 8, 2**49, 0)
data = b"RF64" + struct.pack("<I", 2**32 - 1) + b"WAVE" + sizes + fmt + struct.pack("<4sI", b"data", 2**32 - 1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open_source(io.BytesIO(data + bytes(8192 * 3))) as source:
    assert source.read(2**40).shape == (1024, 3)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    done = child(code)
    assert done.stderr == b""
    assert int(done.stdout) < MEGABYTES


def test_starting_up_loads_no_decoder() -> None:
    code = "import sys, stream_restore.audio; print({'av', 'soundfile', 'soxr'} & set(sys.modules))"
    assert child(code).stdout == b"set()\n"
