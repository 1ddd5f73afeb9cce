"""A film keeps what it holds beside its sound: packet for packet, at its time, in bounded memory, after a stop too."""

import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_helpers import child, ffmpeg, noise, read_all, tool, write_all
from cheap import COMMAND, EAGER, run
from folders import names
from stopping import KILLS, StoppedError, killed, stop_after

from stream_restore import api
from stream_restore.audio import open_sink, open_source
from stream_restore.audio.formats import written_suffix
from stream_restore.errors import ConfigError
from stream_restore.passes.job import Output
from stream_restore.restoration import Restoration

FPS = 25
PICTURE = ["-f", "lavfi", "-i", f"testsrc2=duration=2:size=64x48:rate={FPS}"]
TONE = ["-f", "lavfi", "-i", "sine=440:duration=2:sample_rate=48000"]
REORDERED = ["-c:v", "libx264", "-x264-params", "b-adapt=0:bframes=3"]
LATE = ["-itsoffset", "0.5"]
"""Before an input: it begins later than the film."""
NOTHING = ["--repair", "none"]


def film(path: Path, *inputs: list[str], codecs: list[str] | None = None) -> Path:
    """A film that ffmpeg made."""
    words = [word for each in inputs or (PICTURE, TONE) for word in each]
    count = words.count("-i")
    maps = [word for index in range(count) for word in ("-map", str(index))]
    ffmpeg(*words, *maps, "-ac", "2", *(codecs or [*REORDERED, "-c:a", "aac"]), str(path))
    return path


def restored(path: Path, out: Path, *words: object, code: int = 0) -> str:
    return run("restore", path, "-o", out, *NOTHING, *words, code=code)


def probed(path: Path, *words: str) -> Any:
    return json.loads(tool("ffprobe", "-v", "error", "-of", "json", *words, str(path)))


def streams(path: Path) -> list[Any]:
    found: list[Any] = probed(path, "-show_streams")["streams"]
    return found


def packets(path: Path, kind: str = "v") -> bytes:
    """The checksum of all packets of the streams of a kind, undecoded."""
    return ffmpeg("-i", str(path), "-map", f"0:{kind}", "-c", "copy", "-f", "streamhash", "-")


def pictures(path: Path) -> bytes:
    """Checksums of the decoded pictures, without their times."""
    lines = ffmpeg("-i", str(path), "-map", "0:v", "-vsync", "0", "-f", "framemd5", "-").splitlines()
    return b"".join(line.rpartition(b",")[2] for line in lines if not line.startswith(b"#"))


def shown(path: Path) -> list[float]:
    """When each picture is shown, in seconds after the sound begins."""
    frames = [probed(path, "-select_streams", kind, "-show_entries", "frame=pts_time") for kind in ("v:0", "a:0")]
    times, heard = ([float(frame["pts_time"]) for frame in each["frames"]] for each in frames)
    return [time - heard[0] for time in times]


FILMS = {
    "aac.mp4 to mp4": ([PICTURE, TONE], "mp4"),
    "late picture, aac.mp4 to mp4": ([[*LATE, *PICTURE], TONE], "mp4"),
    "late picture, flac.mkv to mkv": ([[*LATE, *PICTURE], TONE], "mkv"),
    "late sound, flac.mkv to mkv": ([PICTURE, [*LATE, *TONE]], "mkv"),
    "late sound, opus.webm to webm": ([PICTURE, [*LATE, *TONE]], "webm"),
    "late sound, pcm.mov to mkv": ([PICTURE, [*LATE, *TONE]], "mkv"),
    "mp2.ts to mkv": ([PICTURE, TONE], "mkv"),
    "late sound, mp2.ts to mov": ([PICTURE, [*LATE, *TONE]], "mov"),
}
CODECS = {
    "aac.mp4": [*REORDERED, "-c:a", "aac"],
    "flac.mkv": [*REORDERED, "-c:a", "flac"],
    "opus.webm": ["-c:v", "libvpx", "-c:a", "libopus"],
    "pcm.mov": [*REORDERED, "-c:a", "pcm_s16le"],
    "mp2.ts": [*REORDERED, "-c:a", "mp2"],
}


@pytest.mark.parametrize("name", FILMS)
def test_video_is_copied_and_stays_in_step_with_the_sound(name: str, tmp_path: Path) -> None:
    inputs, suffix = FILMS[name]
    kind = name.rpartition(", ")[2].split(" ")[0]
    path = film(tmp_path / kind, *inputs, codecs=CODECS[kind])
    out = tmp_path / f"out.{suffix}"
    assert api.restore(path, out, restoration=Restoration(repairs=())).warnings == []
    if not kind.endswith("ts"):  # from which H.264 is stored in another way
        assert packets(out) == packets(path)
    assert pictures(out) == pictures(path)
    before, after = shown(path), shown(out)
    assert len(after) == len(before) >= 2 * FPS
    assert np.abs(np.subtract(after, before)).max() <= 0.0011  # Matroska counts milliseconds
    with open_source(path) as source, open_source(out) as result:
        sound, heard = read_all(source), read_all(result)
    assert heard.shape == sound.shape
    if kind.startswith(("flac", "pcm")) and suffix in ("mkv", "mov"):
        assert (heard == sound).all()


def test_sound_that_begins_late_stays_late_where_its_codec_has_a_delay(tmp_path: Path) -> None:
    """MP4 says no delay of a codec beside a late start: 1024 frames of silence come before, and time is right."""
    path = film(tmp_path / "in.mkv", PICTURE, [*LATE, *TONE], codecs=CODECS["flac.mkv"])
    assert restored(path, tmp_path / "out.mp4") == ""
    first, second = shown(path), shown(tmp_path / "out.mp4")
    assert np.abs(np.subtract(second, first) - 1024 / 48000).max() <= 0.0011
    with open_source(tmp_path / "out.mp4") as result:
        heard = read_all(result)
    assert heard.shape[1] == 96_000 + 1024
    assert np.abs(heard[:, :900]).max() < 0.01 < np.abs(heard[:, 1100:2000]).max()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Matroska of video, sound, subtitles, a font, a cover, and chapters."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "a.srt").write_text("1\n00:00:00,500 --> 00:00:01,000\nHello\n\n2\n00:00:01,100 --> 00:00:01,500\nBye\n")
    chapters = ";FFMETADATA1\ntitle=Film\n"
    for start, title in ((0, "One"), (800, "Two")):
        chapters += f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={start + 800}\ntitle={title}\n"
    (folder / "chapters").write_text(chapters)
    (folder / "font.ttf").write_bytes(b"a font")
    ffmpeg("-f", "lavfi", "-i", "color=red:size=16x16:duration=0.04", str(folder / "cover.png"))
    words = [*PICTURE, *TONE, "-i", str(folder / "a.srt"), "-i", str(folder / "chapters"), "-map_metadata", "3"]
    words += ["-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-c:a", "flac", "-c:s", "srt"]
    words += ["-metadata:s:a:0", "language=ita", "-metadata:s:s:0", "language=eng", "-disposition:s:0", "forced"]
    for number, (name, mime) in enumerate((("font.ttf", "font/ttf"), ("cover.png", "image/png"))):
        words += ["-attach", str(folder / name), f"-metadata:s:t:{number}", f"mimetype={mime}"]
    ffmpeg(*words, str(folder / "full.mkv"))
    return folder / "full.mkv"


def test_subtitles_chapters_attachments_cover_and_languages_are_kept(full: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    assert restored(full, out) == ""

    def facts(path: Path) -> list[tuple[str, str, str | None, str | None, int]]:
        return sorted(
            (
                stream["codec_type"],
                stream.get("codec_name", ""),
                stream["tags"].get("language"),
                stream["tags"].get("filename"),
                stream["disposition"]["forced"],
            )
            for stream in streams(path)
        )

    assert facts(out) == facts(full)
    assert len(facts(out)) == 5
    assert packets(out, "s") == packets(full, "s")
    chapters = [probed(path, "-show_chapters")["chapters"] for path in (full, out)]
    assert [(each["start_time"], each["tags"]["title"]) for each in chapters[0]] == [
        (each["start_time"], each["tags"]["title"]) for each in chapters[1]
    ]
    assert probed(out, "-show_format")["format"]["tags"]["title"] == "Film"
    for path in (full, out):
        ffmpeg("-dump_attachment:t:0", str(tmp_path / f"{path.stem}.font"), "-i", str(path), "-f", "null", "-")
    assert (tmp_path / "out.font").read_bytes() == (tmp_path / "full.font").read_bytes() == b"a font"


def test_a_cover_and_a_turned_picture_are_kept_in_mp4(tmp_path: Path) -> None:
    path = film(tmp_path / "plain.mp4")
    ffmpeg("-f", "lavfi", "-i", "color=red:size=16x16:duration=0.04", str(tmp_path / "cover.png"))
    words = ["-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic", "-metadata:s:v:0", "rotate=90"]
    ffmpeg("-i", str(path), "-i", str(tmp_path / "cover.png"), *words, str(tmp_path / "in.mp4"))
    for suffix in ("mp4", "mkv"):
        out = tmp_path / f"out.{suffix}"
        assert restored(tmp_path / "in.mp4", out) == ""
        video, cover = (stream for stream in streams(out) if stream["codec_type"] == "video")
        assert [side["rotation"] for side in video["side_data_list"]] in ([90], [-90])
        assert (cover["codec_name"], cover["disposition"]["attached_pic"]) == ("png", 1)


@pytest.mark.parametrize(
    ("name", "said", "kinds"),
    [
        (
            "out.mp4",
            "subtitle (srt), attachment (font.ttf) left out: OUT does not hold that; .mkv holds most kinds",
            "av",
        ),
        (
            "out.webm",
            "video (h264), subtitle (srt), attachment (font.ttf), picture (png) left out: OUT does not hold that;"
            " .mkv holds most kinds",
            "a",
        ),
        ("out.mka", "video (h264), subtitle (srt) left out: OUT does not hold that; .mkv holds most kinds", "av"),
        (
            "out.wav",
            "video (h264), subtitle (srt), attachment (font.ttf) left out: OUT holds only sound; .mkv, .mp4, .mov and"
            " .webm hold more",
            "a",
        ),
        (
            "out.m4a",
            "video (h264), subtitle (srt), attachment (font.ttf) left out: OUT holds only sound; .mkv, .mp4, .mov and"
            " .webm hold more",
            "a",
        ),
    ],
)
def test_what_the_output_cannot_hold_is_said_once(name: str, said: str, kinds: str, full: Path, tmp_path: Path) -> None:
    out = tmp_path / name
    first, *more = restored(full, out).splitlines()
    assert first == f"stream-restore: warning: {full}: {said.replace('OUT', str(out))}"
    chapters = f"stream-restore: warning: {full}: its chapters are left out"
    assert more == ([chapters] if name == "out.wav" else [])
    assert {stream["codec_type"][0] for stream in streams(out)} - {"d"} == set(kinds)


def test_a_film_in_a_pipe_gives_its_sound_and_says_so(full: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    with full.open("rb") as file:
        said = run("restore", "-", "-o", out, *NOTHING, stdin=file)
    kept = "video (h264), subtitle (srt), attachment (font.ttf)"
    cure = "a pipe is read once; give the name of the file"
    assert said.splitlines()[0] == f"stream-restore: warning: stdin: {kept} left out: {cure}"
    assert [stream["codec_type"] for stream in streams(out)] == ["audio"]
    with open_source(full) as source, open_source(out) as result:
        assert (read_all(result) == read_all(source)).all()


def test_a_film_is_written_to_a_pipe(full: Path, tmp_path: Path) -> None:
    words = [*COMMAND, "restore", str(full), "-o", "-", "-f", "mkv", *NOTHING]
    (tmp_path / "out.mkv").write_bytes(subprocess.run(words, capture_output=True, check=True).stdout)
    assert packets(tmp_path / "out.mkv", "v:0") == packets(full, "v:0")
    assert packets(tmp_path / "out.mkv", "s") == packets(full, "s")


def test_other_outputs_of_a_film_get_sound_alone(full: Path, tmp_path: Path) -> None:
    assert "video" not in restored(full, tmp_path / "out.mkv", "--residual", tmp_path / "rest.mkv")
    assert packets(tmp_path / "out.mkv") == packets(full)
    assert [stream["codec_type"] for stream in streams(tmp_path / "rest.mkv")] == ["audio"]


@pytest.mark.parametrize(("name", "default"), [("clip.mkv", "clip.restored.mkv"), ("clip.avi", "clip.restored.mkv")])
def test_without_a_name_a_film_stays_a_film(name: str, default: str, tmp_path: Path) -> None:
    path = film(tmp_path / name, codecs=["-c:v", "mpeg4", "-c:a", "mp2"])
    assert run("restore", path, *NOTHING) == ""
    assert names(tmp_path) == {name, default}
    assert packets(tmp_path / default) == packets(path)


def test_default_suffixes_are_those_that_are_written() -> None:
    kept = [".mkv", ".mka", ".webm", ".mp4", ".m4v", ".mov", ".wv", ".tta", ".caf"]
    assert [written_suffix(suffix) for suffix in kept] == kept
    assert {written_suffix(suffix) for suffix in (".ts", ".avi", ".flv", ".wmv", ".mpg")} == {".mkv"}
    assert {written_suffix(suffix) for suffix in (".wma", ".ac3", ".ape", ".amr")} == {".wav"}


# Several sounds

TWO = [PICTURE, TONE, ["-f", "lavfi", "-i", "sine=880:duration=2:sample_rate=48000"]]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    told = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ita", "-metadata:s:a:1", "title=Tape"]
    return film(tmp_path_factory.mktemp("two") / "two.mkv", *TWO, codecs=["-c:v", "libx264", "-c:a", "flac", *told])


def pitch(path: Path) -> int:
    """The frequency of a tone of two seconds, in Hz."""
    with open_source(path) as source:
        return int(np.abs(np.fft.rfft(read_all(source)[0])).argmax()) // 2


def test_of_several_sounds_the_one_that_is_taken_is_named(two: Path, tmp_path: Path) -> None:
    said = restored(two, tmp_path / "out.mkv")
    assert said == f"stream-restore: warning: {two}: has 2 sound streams; this is 0 (eng), --stream takes 0 to 1\n"
    assert pitch(tmp_path / "out.mkv") == 440


@pytest.mark.parametrize("number", ["1", "a:1"])
def test_another_sound_is_chosen_by_its_number(number: str, two: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mkv"
    assert restored(two, out, "--stream", number) == ""
    assert pitch(out) == 880
    (sound,) = (stream for stream in streams(out) if stream["codec_type"] == "audio")
    assert (sound["tags"]["language"], sound["tags"]["title"]) == ("ita", "Tape")
    with two.open("rb") as file:
        run("degrade", "-", "-o", tmp_path / "piped.wav", "--stream", number, stdin=file)
    assert pitch(tmp_path / "piped.wav") == 880


def test_a_sound_that_is_not_there_is_refused(two: Path, recording: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"two\.mkv: has 2 sound streams, counted from 0; there is no stream 2"):
        open_source(two, track=2)
    with pytest.raises(ConfigError, match="has one sound stream, counted from 0; there is no stream 1"):
        open_source(recording, track=1)
    open_source(recording, track=0).close()
    for number in ("-1", "x", "a:", "1.5"):
        assert "is no number of a sound stream" in restored(two, tmp_path / "out.mkv", f"--stream={number}", code=1)
    assert names(tmp_path) == set()


# Partition, restarts, memory


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
def test_blocks_do_not_change_a_byte_of_a_film(suffix: str, full: Path, tmp_path: Path) -> None:
    written = []
    for block in (96_000, 777, 5):
        with open_source(full) as source:
            sink = open_sink(tmp_path / f"{block}.{suffix}", source.spec, like=source.format, film=source.film)
            write_all(sink, read_all(source)[:, : 96_000 if block > 5 else 999], block)
        written.append((tmp_path / f"{block}.{suffix}").read_bytes())
    assert written[0] == written[1] != written[2]
    assert packets(tmp_path / f"5.{suffix}", "v:0") == packets(full, "v:0")  # all of it, although the sound is short


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
@pytest.mark.usefixtures("every_block")
def test_a_stopped_film_goes_on(suffix: str, full: Path, two: Path, tmp_path: Path) -> None:
    how: dict[str, Any] = {"restoration": Restoration(repairs=()), "stored": Output(seed=1)}
    whole, out = tmp_path / f"whole.{suffix}", tmp_path / f"out.{suffix}"
    api.restore(full, whole, **how)
    with pytest.raises(StoppedError):
        api.restore(full, out, progress=stop_after(80_000), **how)
    assert names(tmp_path) == {f"whole.{suffix}", f"out.{suffix}.part", f"out.{suffix}.journal"}
    with pytest.raises(ConfigError, match="cannot go on, since input"):
        api.restore(two, out, resume=True, **how)
    api.restore(full, out, resume=True, **how)
    assert out.read_bytes() == whole.read_bytes()
    assert names(tmp_path) == {f"whole.{suffix}", f"out.{suffix}"}


def test_another_sound_of_a_film_does_not_go_on_with_the_first(two: Path, tmp_path: Path, every_block: None) -> None:
    out = tmp_path / "out.mkv"
    with pytest.raises(StoppedError):
        api.restore(two, out, restoration=Restoration(repairs=()), track=1, progress=stop_after(80_000))
    with pytest.raises(ConfigError, match="cannot go on, since work"):
        api.restore(two, out, restoration=Restoration(repairs=()), resume=True)


def test_a_film_killed_at_random_times_goes_on(tmp_path: Path) -> None:
    long = [[word.replace("duration=2", "duration=20") for word in each] for each in (PICTURE, TONE)]
    path = film(tmp_path / "in.mp4", *long, codecs=["-c:v", "mpeg4", "-c:a", "aac"])
    whole, out = tmp_path / "whole" / "out.mp4", tmp_path / "out" / "out.mp4"
    for folder in (whole.parent, out.parent):
        folder.mkdir()
    assert restored(path, whole) == ""
    words = [*EAGER, "restore", str(path), "-o", str(out), *NOTHING, "--resume", "-q"]
    for _ in killed(words, out, 1.0, kills=max(2, KILLS // 4), begun=out.with_name("out.mp4.part")):
        assert out.read_bytes() == whole.read_bytes()
        assert names(out.parent) == {"out.mp4"}
        out.unlink()


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_without_room_no_film_is_left(suffix: str, full: Path, tmp_path: Path) -> None:
    code = """
import resource, sys
from stream_restore import api
from stream_restore.errors import SinkError
from stream_restore.restoration import Restoration
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    api.restore(sys.argv[1], sys.argv[2], restoration=Restoration(repairs=()))
except SinkError as error:
    print(error)
"""
    out = tmp_path / f"out.{suffix}"
    done = child(code, full, out)
    assert done.stdout.decode() == f"{out}: cannot write: File too large\n"
    assert names(tmp_path) == set()


PEAK = """
import resource, sys
from stream_restore import api
from stream_restore.restoration import Restoration
api.restore(sys.argv[1], sys.argv[2], restoration=Restoration(repairs=("hum",)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_the_video_that_waits_for_the_sound_takes_no_memory(suffix: str, tmp_path: Path) -> None:
    """Sound that comes half a minute after it is read, beside 2 MB of video a second."""
    picture = "nullsrc=size=320x240:rate=25:duration={},geq=random(1)*255:128:128"
    peaks = []
    for seconds in (4, 40):
        path = tmp_path / f"{seconds}.mkv"
        one = ["-f", "lavfi", "-i", picture.format(1)]
        ffmpeg(*one, "-c:v", "mjpeg", "-q:v", "2", str(tmp_path / "one.mkv"))
        loop = ["-stream_loop", str(seconds - 1), "-i", str(tmp_path / "one.mkv")]
        tone = ["-f", "lavfi", "-i", f"sine=440:duration={seconds}:sample_rate=8000"]
        ffmpeg(*loop, *tone, "-c:v", "copy", "-c:a", "aac", str(path))
        peaks.append(int(child(PEAK, path, tmp_path / f"{seconds}.out.{suffix}").stdout))
    assert os.path.getsize(tmp_path / f"40.out.{suffix}") > 40_000_000
    assert peaks[1] - peaks[0] < 16


def test_sound_of_a_film_is_that_of_the_same_bytes_in_a_pipe(full: Path) -> None:
    with open_source(full) as file, open_source(io.BytesIO(full.read_bytes())) as pipe:
        assert (read_all(file) == read_all(pipe)).all()
        assert file.film is not None
        assert pipe.film is not None
        assert file.film.streams == pipe.film.streams
        assert pipe.film.reopen is None


def test_a_recording_is_no_film(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=red:size=16x16:duration=0.04", str(tmp_path / "cover.png"))
    picture = ["-i", str(tmp_path / "cover.png")]
    film(tmp_path / "a.m4a", TONE, picture, codecs=["-c:a", "aac", "-c:v", "copy", "-disposition:v:0", "attached_pic"])
    write_all(open_sink(tmp_path / "a.wav", open_source(tmp_path / "a.m4a").spec), noise(2, 100), 100)
    for name in ("a.m4a", "a.wav"):
        with open_source(tmp_path / name) as source:
            assert source.film is None
