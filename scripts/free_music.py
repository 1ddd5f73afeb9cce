"""Free music from Debian's packages, unpacked into a cache; nothing is installed.

Each package has its licence in usr/share/doc/PACKAGE/copyright: GPL, CC BY-SA, CC BY or CC0.
"""

import subprocess
import sys
from pathlib import Path

__all__ = ["CACHE", "PACKAGES", "Recording", "free_music"]

CACHE = Path.home() / ".cache/stream_restore/music"
PACKAGES = (
    "asc-music",
    "fretsonfire-songs-muldjord",
    "fretsonfire-songs-sectoid",
    "hyperrogue-music",
    "lincity-ng-data",
    "planetblupi-music-ogg",
    "singularity-music",
    "warzone2100-music",
    "wesnoth-1.16-music",
)
"""Electronic, ambient, rock and metal, orchestral and acoustic music."""
SUFFIXES = (".ogg", ".opus", ".mp3", ".flac")
NO_MUSIC = ("sounds",)
"""Folders of effects."""

Recording = tuple[str, Path]
"""The package, and the file."""


def free_music(cache: Path = CACHE) -> list[Recording]:
    """The recordings of all packages that can be had, by package and path."""
    found = []
    for package in PACKAGES:
        if _unpack(package, cache / package):
            paths = sorted(path for path in (cache / package).rglob("*") if path.suffix in SUFFIXES)
            found += [(package, path) for path in paths if not set(NO_MUSIC) & set(path.parts)]
    return found


def _unpack(package: str, folder: Path) -> bool:
    """Download and unpack a package unless it is there; False, with a word on stderr, where that cannot be done."""
    if folder.is_dir():
        return True
    archives = folder.parent / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["apt-get", "download", "-qq", package], cwd=archives, check=True, capture_output=True)
        (archive,) = archives.glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, folder], check=True)
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        print(f"left out: the package {package} cannot be had ({error})", file=sys.stderr)
        return False
    return True
