"""Pictures, lyrics, chapters and all other tags come through, in files and from pipes; ReplayGain does not."""

import base64
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import av
import mutagen
import numpy as np
import pytest
import soundfile
from audio_helpers import ffmpeg, noise
from cheap import COMMAND, NOTHING, run
from folders import names
from mutagen.flac import FLAC, CueSheet, CueSheetTrack, CueSheetTrackIndex, MetadataBlock, Picture, SeekPoint, SeekTable
from mutagen.id3 import APIC, CHAP, CTOC, ID3, POPM, RVA2, SYLT, TIT2, TPE1, TXXX, UFID, USLT
from mutagen.mp4 import MP4, MP4Cover
from stopping import StoppedError, stop_after

from stream_restore import api
from stream_restore.audio import open_source
from stream_restore.audio.tags import native, source_extras
from stream_restore.degradation import Degradation
from stream_restore.errors import RestoreError
from stream_restore.passes.job import Output, Report
from stream_restore.show.png import encode_png

RATE = 44100
KINDS = ["mp3", "flac", "m4a", "ogg", "opus"]
COVER = encode_png(np.random.default_rng(0).integers(0, 256, (300, 300)).astype(np.uint8))
"""90 kB: more than one page of an Ogg, and more than any probe of a pipe."""
TEXT = {"title": "Tape 7", "artist": "Zoë", "album": "Attic", "album_artist": "Various"}
CHAIN = Degradation(cutoff_hz=None, sample_rate=None, snr_db=None)
REPLAY_GAIN = "its ReplayGain is left out, since levels change; measure the result anew"


def picture(data: bytes = COVER, description: str = "front") -> Picture:
    made = Picture()
    made.data, made.mime, made.type, made.desc = data, "image/png", 3, description
    return made


def tag_id3(path: Path) -> None:
    tags = ID3(path)
    tags.add(APIC(encoding=3, mime="image/png", type=3, desc="front", data=COVER))
    second = APIC(encoding=3, mime="image/png", type=4, desc="front", data=COVER[:999])
    second.salt = "2"  # mutagen tells two of one description apart by it
    tags.add(second)
    tags.add(USLT(encoding=3, lang="eng", desc="", text="la la"))
    tags.add(SYLT(encoding=3, lang="eng", format=2, type=1, desc="", text=[("la", 100)]))
    tags.add(TXXX(encoding=3, desc="replaygain_track_gain", text="-3.00 dB"))
    tags.add(RVA2(desc="album", channel=1, gain=-3.0, peak=0.5))
    tags.add(UFID(owner="http://musicbrainz.org", data=b"0123"))
    tags.add(POPM(email="a@b", rating=200, count=3))
    for number, (start, end) in enumerate([(0, 500), (500, 1000)]):
        tags.add(
            CHAP(element_id=f"c{number}", start_time=start, end_time=end, sub_frames=[TIT2(text=f"Part {number}")])
        )
    tags.add(CTOC(element_id="toc", flags=3, child_element_ids=["c0", "c1"], sub_frames=[]))
    tags.save(path, v2_version=4)


def tag_comments(path: Path) -> None:
    file = mutagen.File(path)
    file["ARTIST"] = ["Zoë", "Max"]
    file["LYRICS"] = "la la"
    file["REPLAYGAIN_TRACK_GAIN"] = "-3.00 dB"
    file["R128_TRACK_GAIN"] = "-300"
    file["CHAPTER000"], file["CHAPTER000NAME"] = "00:00:00.000", "Part 0"
    file["CHAPTER001"], file["CHAPTER001NAME"] = "00:00:00.500", "Part 1"
    if isinstance(file, FLAC):
        file.add_picture(picture())
    else:
        file["METADATA_BLOCK_PICTURE"] = base64.b64encode(picture().write()).decode()
    file.save()


def tag_mp4(path: Path) -> None:
    file = MP4(path)
    file["covr"] = [MP4Cover(COVER, MP4Cover.FORMAT_PNG)]
    file["\xa9lyr"] = "la la"
    file["----:com.apple.iTunes:replaygain_track_gain"] = b"-3.00 dB"
    file["----:com.apple.iTunes:iTunSMPB"] = b" 00000000 00000840"
    file["----:org.example:shelf"] = b"B4"
    file["cpil"] = True
    file.save()


TAGGERS: dict[str, Callable[[Path], None]] = {"mp3": tag_id3, "m4a": tag_mp4}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of noise in every kind, with tags."""
    folder = tmp_path_factory.mktemp("inputs")
    soundfile.write(folder / "bare.wav", noise(2, RATE, level=0.05).T, RATE)
    chapters = ";FFMETADATA1\n" + "".join(f"{name}={text}\n" for name, text in TEXT.items())
    for number in range(2):
        chapters += f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={500 * number}\nEND={500 * number + 500}\ntitle=Part {number}\n"
    (folder / "meta.txt").write_text(chapters)
    for kind in KINDS:
        path = folder / f"in.{kind}"
        options = ["-map", "0:a", "-map_metadata", "1", "-map_chapters", "1" if kind == "m4a" else "-1"]
        ffmpeg("-i", str(folder / "bare.wav"), "-i", str(folder / "meta.txt"), *options, str(path))
        TAGGERS.get(kind, tag_comments)(path)
    return folder


def copy(source: Path, target: Path, feed: str = "file", **options: Any) -> Report:
    """Through the chain of `degrade`, with 8 bits, from a file or a real pipe."""
    stored = Output(force=options.pop("force", False), **options)
    if feed == "file":
        return api.degrade(source, target, degradation=CHAIN, stored=stored)
    with subprocess.Popen(["cat", source], stdout=subprocess.PIPE) as pipe:
        return api.degrade(cast("BinaryIO", pipe.stdout), target, degradation=CHAIN, stored=stored)


def probed(path: Path) -> tuple[dict[str, str], list[tuple[float, str]], list[bytes]]:
    """Tags in lower case, chapters and pictures, as FFmpeg finds them."""
    with av.open(path) as found:
        tags = {**found.streams.audio[0].metadata, **found.metadata}
        chapters = [
            (float(each["start"] * (each["time_base"] or 1)), each["metadata"]["title"]) for each in found.chapters()
        ]
        pictures = (
            [bytes(packet) for packet in found.demux(*found.streams.video) if packet.size]
            if found.streams.video
            else []
        )
    return {name.lower(): text for name, text in tags.items()}, chapters, pictures


def has_cover(path: Path) -> bool:
    """Whether FFmpeg finds the picture, byte for byte; pytest would print how bytes differ for minutes."""
    return COVER in probed(path)[2]


def same_bytes(first: Path, second: Path) -> bool:
    return first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("feed", ["file", "pipe"])
@pytest.mark.parametrize("target", KINDS)
@pytest.mark.parametrize("source", KINDS)
def test_every_kind_gives_every_kind_its_picture_and_texts(
    source: str, target: str, feed: str, inputs: Path, tmp_path: Path
) -> None:
    out = tmp_path / f"out.{target}"
    report = copy(inputs / f"in.{source}", out, feed)
    assert has_cover(out)
    tags, chapters, _ = probed(out)
    assert {name: tags[name] for name in TEXT} | {"artist": ""} == TEXT | {"artist": ""}
    assert tags["artist"].startswith("Zoë")
    assert "la la" in [text for name, text in tags.items() if name.startswith("lyrics")]
    assert not [name for name in tags if "replaygain" in name or "r128" in name]
    assert chapters == [(0.0, "Part 0"), (0.5, "Part 1")]
    assert [text.partition(": ")[2] for text in report.warnings] == [REPLAY_GAIN]
    with open_source(out) as sound:
        assert sound.read(100).shape == (2, 100)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipe_gives_the_bytes_of_a_file(kind: str, inputs: Path, tmp_path: Path) -> None:
    for feed in ("file", "pipe"):
        copy(inputs / f"in.{kind}", tmp_path / f"{feed}.{kind}", feed)
    assert same_bytes(tmp_path / f"file.{kind}", tmp_path / f"pipe.{kind}")


def test_an_mp3_keeps_every_frame_but_those_of_level(inputs: Path, tmp_path: Path) -> None:
    copy(inputs / "in.mp3", tmp_path / "out.mp3")
    before, after = ID3(inputs / "in.mp3"), ID3(tmp_path / "out.mp3")
    gone = {"TXXX:replaygain_track_gain", "RVA2:album", "TSSE"}
    assert gone < set(before)
    assert set(after) == set(before) - gone
    assert [after[key].pprint() for key in after] == [before[key].pprint() for key in after]
    assert {frame.type: len(frame.data) for frame in after.getall("APIC")} == {3: len(COVER), 4: 999}


def test_an_older_id3_stays_as_old(inputs: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.mp3"
    source.write_bytes((inputs / "in.mp3").read_bytes())
    tags = ID3(source)
    tags.update_to_v23()
    tags.save(source, v2_version=3)
    copy(source, tmp_path / "out.mp3")
    assert ID3(source).version == ID3(tmp_path / "out.mp3").version == (2, 3, 0)
    assert has_cover(tmp_path / "out.mp3")


@pytest.mark.parametrize("kind", ["flac", "ogg", "opus"])
def test_comments_stay_in_order_with_all_their_values(kind: str, inputs: Path, tmp_path: Path) -> None:
    copy(inputs / f"in.{kind}", tmp_path / f"out.{kind}")
    before, after = mutagen.File(inputs / f"in.{kind}"), mutagen.File(tmp_path / f"out.{kind}")
    left = ("encoder", "replaygain_track_gain", "r128_track_gain")
    assert [pair for pair in after.tags if pair[0].lower() != "encoder"] == [
        p for p in before.tags if p[0].lower() not in left
    ]
    assert after["artist"] == ["Zoë", "Max"]


def test_an_mp4_keeps_every_atom_but_those_of_level_and_encoder(inputs: Path, tmp_path: Path) -> None:
    copy(inputs / "in.m4a", tmp_path / "out.m4a")
    before, after = MP4(inputs / "in.m4a").tags, MP4(tmp_path / "out.m4a").tags
    gone = {"----:com.apple.iTunes:replaygain_track_gain", "----:com.apple.iTunes:iTunSMPB", "\xa9too"}
    assert set(after) == set(before) - gone
    assert [name for name in after if after[name] != before[name]] == []


def cue_sheet() -> CueSheet:
    sheet = CueSheet(None)
    sheet.media_catalog_number, sheet.lead_in_samples = b"1234567890123", 88200
    for number, start in ((1, 0), (2, 22050), (170, RATE)):
        track = CueSheetTrack(number, start)
        track.indexes = [] if number == 170 else [CueSheetTrackIndex(1, 0)]
        sheet.tracks.append(track)
    return sheet


def application(data: bytes) -> MetadataBlock:
    block = MetadataBlock(data)
    block.code = 2
    return block


def test_a_flac_keeps_its_cue_sheet_and_what_programs_put_there_but_no_seek_table(tmp_path: Path) -> None:
    source = tmp_path / "in.flac"
    soundfile.write(source, noise(2, RATE).T, RATE, "PCM_16")
    file = FLAC(source)
    file.cuesheet, file.seektable = cue_sheet(), SeekTable(None)
    file.seektable.seekpoints = [SeekPoint(0, 0, 4096)]
    file.metadata_blocks.append(application(b"peemhello"))
    file.save()
    assert copy(source, tmp_path / "same.flac").warnings == []
    same = FLAC(tmp_path / "same.flac")
    assert same.cuesheet.write() == cue_sheet().write()
    assert [block.data for block in same.metadata_blocks if block.code == 2] == [b"peemhello"]
    assert same.seektable is None
    # What programs put there may describe samples as they were stored.
    said = copy(source, tmp_path / "wide.flac", encoding="s24").warnings
    assert "blocks for another rate or sample format are left out" in "".join(said)
    assert FLAC(tmp_path / "wide.flac").cuesheet.write() == cue_sheet().write()
    assert len(ffmpeg("-i", str(tmp_path / "wide.flac"), "-f", "s16le", "-")) == 4 * RATE


@pytest.mark.parametrize("target", ["wav", "aiff"])
@pytest.mark.parametrize("source", KINDS)
def test_files_of_chunks_get_the_picture_in_an_id3_chunk(
    source: str, target: str, inputs: Path, tmp_path: Path
) -> None:
    out = tmp_path / f"out.{target}"
    copy(inputs / f"in.{source}", out)
    assert has_cover(out)
    assert any(frame.data == COVER for frame in mutagen.File(out).tags.getall("APIC"))
    assert soundfile.info(out).frames == len(ffmpeg("-i", str(out), "-f", "s8", "-ac", "1", "-"))
    # And from there again into tags of another kind.
    copy(out, tmp_path / "again.flac")
    assert has_cover(tmp_path / "again.flac")


@pytest.mark.parametrize("kind", ["m4a", "ogg"])
def test_an_encoded_pipe_has_texts_and_says_that_it_has_no_picture(kind: str, inputs: Path, tmp_path: Path) -> None:
    with (tmp_path / "piped").open("wb") as out:
        said = run("degrade", inputs / "in.mp3", "-o", "-", "-f", kind, *NOTHING, command=COMMAND, stdout=out)
    assert "in.mp3: its pictures cannot go into a pipe; name a file with -o to keep them" in said
    assert said.count(REPLAY_GAIN) == 1
    assert probed(tmp_path / "piped")[0]["title"] == "Tape 7"


def test_what_cannot_hold_a_picture_says_so(inputs: Path, tmp_path: Path) -> None:
    said = run("restore", inputs / "in.m4a", "-o", tmp_path / "out.au", "--repair", "clicks")
    assert "in.m4a: au cannot hold its pictures" in said
    assert "in.m4a: its chapters are left out" in said


# Without mutagen

WITHOUT = [
    sys.executable,
    "-c",
    "import sys; sys.modules['mutagen'] = None; from stream_restore.cli.main import main; sys.exit(main())",
]


@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg"])
def test_without_mutagen_texts_come_through_and_one_line_says_what_to_install(
    kind: str, inputs: Path, tmp_path: Path
) -> None:
    out = tmp_path / f"out.{kind}"
    said = run("degrade", inputs / f"in.{kind}", "-o", out, *NOTHING, command=WITHOUT)
    assert said.count("its pictures are left out; pip install 'stream_restore[tags]' to keep them") == 1
    assert REPLAY_GAIN in said
    tags, _, _ = probed(out)
    assert tags["title"] == "Tape 7"
    assert not [name for name in tags if "replaygain" in name or "r128" in name]


def test_without_mutagen_nothing_is_said_where_there_is_no_picture(inputs: Path, tmp_path: Path) -> None:
    ffmpeg("-i", str(inputs / "bare.wav"), "-metadata", "title=Tape", str(tmp_path / "in.mp3"))
    assert run("degrade", tmp_path / "in.mp3", "-o", tmp_path / "a.mp3", *NOTHING, command=WITHOUT) == ""


# Runs that are stopped


@pytest.mark.usefixtures("every_block")
@pytest.mark.parametrize("kind", ["mp3", "flac", "ogg", "m4a", "wav"])
def test_a_stopped_run_goes_on_to_the_same_bytes(kind: str, inputs: Path, tmp_path: Path) -> None:
    source = inputs / ("in.mp3" if kind == "wav" else f"in.{kind}")
    copy(source, tmp_path / f"whole.{kind}")
    out = tmp_path / f"out.{kind}"
    with pytest.raises(StoppedError):
        api.degrade(source, out, degradation=CHAIN, progress=stop_after(RATE // 2))
    api.degrade(source, out, degradation=CHAIN, resume=True)
    assert same_bytes(out, tmp_path / f"whole.{kind}")
    assert names(tmp_path) == {f"whole.{kind}", f"out.{kind}"}


# Hostile tags


def id3(*frames: bytes, size: int | None = None) -> bytes:
    """An ID3v2.3 tag of frames."""
    body = b"".join(frames)
    size = len(body) if size is None else size
    return b"ID3\3\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


def frame(name: bytes, body: bytes, flags: int = 0) -> bytes:
    return struct.pack(">4sIH", name, len(body), flags) + body


def untagged_mp3(inputs: Path) -> bytes:
    return ffmpeg("-i", str(inputs / "bare.wav"), "-f", "mp3", "-id3v2_version", "0", "-write_xing", "1", "-")


def test_a_compressed_frame_cannot_fill_the_memory() -> None:
    """64 MiB in 64 kB."""
    packed = zlib.compress(b"\0image/png\0\3\0" + bytes(1 << 26))
    compressed = frame(b"APIC", struct.pack(">I", 1 << 26) + packed, 0x80)
    tracemalloc.start()
    try:
        found = native.read_native("mp3", BytesIO(id3(frame(b"TIT2", b"\0Tape"), compressed)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found is not None
    assert set(found.tags) == {"TIT2"}
    assert peak < 1 << 22


def test_millions_of_tiny_frames_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_READS", 1000)
    with pytest.raises(ValueError, match="too many entries"):
        native.read_native("mp3", BytesIO(id3(*[frame(b"TIT2", b"\0a")] * 1001)))


@pytest.mark.parametrize("feed", ["file", "pipe"])
@pytest.mark.parametrize("kind", KINDS)
def test_pictures_beyond_the_limit_are_left_out_with_a_warning(
    kind: str, feed: str, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is lowered, since 64 MiB take long."""
    for module in (native, source_extras):
        monkeypatch.setattr(module, "LIMIT", len(COVER) - 1000)
    out = tmp_path / f"out.{kind}"
    said = "".join(copy(inputs / f"in.{kind}", out, feed).warnings)
    assert "pictures are left out" in said
    tags, _, pictures = probed(out)
    assert tags["title"] == "Tape 7"
    assert pictures == []


@pytest.mark.parametrize("feed", ["file", "pipe"])
def test_sizes_that_lie_do_no_harm(feed: str, inputs: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.mp3"
    for tag in (id3(frame(b"TIT2", b"\0Tape"), struct.pack(">4sIH", b"APIC", 2**31, 0)), id3(frame(b"APIC", b"\0"))):
        source.write_bytes(tag + untagged_mp3(inputs))
        copy(source, tmp_path / "out.mp3", feed, force=True)
        assert len(ffmpeg("-i", str(tmp_path / "out.mp3"), "-f", "s16le", "-")) >= 4 * RATE


@pytest.mark.parametrize("kind", ["mp3", "flac", "m4a"])
def test_damaged_tags_cost_no_sound(kind: str, inputs: Path, tmp_path: Path) -> None:
    """What mutagen makes of them is a warning at most; FFmpeg may refuse the file, in one line."""
    whole, generator = (inputs / f"in.{kind}").read_bytes(), np.random.default_rng(1)
    source, out = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    restored = 0
    for _ in range(8):
        data = bytearray(whole)
        for at in generator.integers(0, len(data), 3) if kind == "m4a" else generator.integers(0, 3000, 3):
            data[at] = generator.integers(256)
        source.write_bytes(data)
        with suppress(RestoreError):
            copy(source, out, force=True)
            restored += 1
    assert restored
    assert names(tmp_path) <= {source.name, out.name}


@pytest.mark.parametrize("kind", ["ogg", "opus"])
def test_a_comment_that_is_no_picture_costs_no_sound(kind: str, inputs: Path, tmp_path: Path) -> None:
    """A page with a wrong bit is refused by its checksum, so this damage is inside a good one."""
    source = tmp_path / f"in.{kind}"
    source.write_bytes((inputs / f"in.{kind}").read_bytes())
    file = mutagen.File(source)
    file["METADATA_BLOCK_PICTURE"] = ["%%%", base64.b64encode(b"short").decode(), base64.b64encode(bytes(32)).decode()]
    file.save()
    copy(source, tmp_path / f"out.{kind}")
    assert probed(tmp_path / f"out.{kind}")[0]["title"] == "Tape 7"


def test_a_picture_too_large_for_a_flac_is_named(inputs: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.m4a"
    source.write_bytes((inputs / "in.m4a").read_bytes())
    file = MP4(source)
    file["covr"] = [*file["covr"], MP4Cover(bytes(2**24), MP4Cover.FORMAT_PNG)]
    file.save()
    said = copy(source, tmp_path / "out.flac").warnings
    assert f"{tmp_path / 'out.flac'}: a picture of 16 MiB or more does not fit into a FLAC" in said
    assert has_cover(tmp_path / "out.flac")


def test_tags_that_cannot_be_written_cost_the_tags_not_the_work(inputs: Path, tmp_path: Path) -> None:
    """An MP4 holds no picture but JPEG and PNG."""
    source = tmp_path / "in.flac"
    source.write_bytes((inputs / "in.flac").read_bytes())
    file = FLAC(source)
    file.pictures[0].mime = "image/webp"
    file.save()
    said = copy(source, tmp_path / "out.m4a").warnings
    assert f"{tmp_path / 'out.m4a'}: only pictures in JPEG and PNG fit into an MP4" in said
    assert probed(tmp_path / "out.m4a")[0]["title"] == "Tape 7"


def test_a_full_disk_while_tags_are_written_leaves_nothing(inputs: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.mp3"
    source.write_bytes((inputs / "in.mp3").read_bytes())
    tags = ID3(source)
    tags.add(APIC(encoding=3, mime="image/png", type=3, desc="large", data=os.urandom(1 << 20)))
    tags.add(TPE1(encoding=3, text="Zoë"))
    tags.save()
    command = ["bash", "-c", 'ulimit -f 600; exec "$@"', "-", *COMMAND]
    said = run("degrade", source, "-o", tmp_path / "out.mp3", *NOTHING, command=command, code=1)
    assert "out.mp3: cannot write: File too large" in said
    assert names(tmp_path) == {"in.mp3"}
