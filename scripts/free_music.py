"""Free music from Debian's packages, unpacked into a cache; nothing is installed.

All of them are of Debian 12's section main. Each has its licence in usr/share/doc/PACKAGE/copyright: GPL, CC BY-SA,
CC BY, CC0 or one as free.
"""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory

import soundfile

__all__ = ["CACHE", "FRESH", "GAMES", "PACKAGES", "Recording", "free_music", "fresh_music"]

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
"""Electronic, ambient, rock and metal, orchestral and acoustic music, and little else in them."""
GAMES = {
    "a7xpg-data": "sounds",
    "adonthell-data": "audio",
    "amoebax-data": "music",
    "angrydd": "music",
    "ardentryst": "Music",
    "brainparty-data": "brainparty",
    "caveexpress-data": "sounds",
    "colobot-common-sounds": "music",
    "davegnukem-data": "music",
    "enigma-data": "music",
    "freedink-data": "Sound",
    "freedroidrpg-data": "music",
    "freeorion-data": "sound",
    "funnyboat": "data",
    "gigalomania-data": "music",
    "glob2-data": "zik",
    "gunroar-data": "musics",
    "hedgewars-data": "Music",
    "hex-a-hop-data": "hex-a-hop",
    "lordsawar-data": "music",
    "marsshooter-data": "audio",
    "mazeofgalious-data": "jorito",
    "megaglest-data": "music",
    "miceamaze": "music",
    "mu-cade-data": "musics",
    "naev-data": "music",
    "neverball-common": "bgm",
    "nexuiz-music": "cdtracks",
    "noiz2sa-data": "sounds",
    "openclonk-data": "Music.ocg",
    "parsec47-data": "sounds",
    "pathological": "music",
    "pax-britannica-data": "audio",
    "pinball-table-gnu-data": "gnu",
    "pink-pony-data": "music",
    "plee-the-bear-data": "music",
    "pushover-data": "themes",
    "renpy-demo": "game",
    "rrootage-data": "sounds",
    "supertuxkart-data": "music",
    "titanion-data": "musics",
    "torus-trooper-data": "musics",
    "trackballs-data": "music",
    "tumiki-fighters-data": "sounds",
    "tuxmath-data": "sounds",
    "ufoai-music": "music",
    "unknown-horizons": "music",
    "vonsh": "vonsh",
    "warmux-data": "music",
    "widelands-data": "music",
    "wizznic-data": "music",
    "wordwarvi-sound": "sounds",
    "zaz-data": "zaz",
}
"""Packages with other things in them, and the folder that their music lies in: techno, chip and tracker music, folk,
songs, what is played all over the world."""
FRESH = {
    "extremetuxracer-data": "music",
    "flare-game": "music",
    "freecol": "music",
    "frozen-bubble-data": "snd",
    "mrrescue": "sfx",
    "starfighter-data": "music",
    "supertux-data": "music",
}
"""Nothing is ever learnt from these, nor settled with a look at them: pop, orchestral, folk, comic, chip and rock."""
SUFFIXES = (".ogg", ".opus", ".mp3", ".flac")
ARCHIVES = (".pk3", ".love")
"""Zip archives in which games keep what they play."""
NO_MUSIC = ("sounds",)
"""Folders of effects in packages of music."""
SHORTEST_SECONDS = 20.0
"""In a folder of a game: what is shorter is an effect, or a jingle."""

Recording = tuple[str, Path]
"""The package, and the file."""


def free_music(cache: Path = CACHE) -> list[Recording]:
    """The recordings of all packages to learn from that can be had, by package and path."""
    found = []
    for package in PACKAGES:
        paths = _unpacked(package, cache)
        found += [(package, path) for path in paths if not set(NO_MUSIC) & set(path.parts)]
    return found + _of_games(GAMES, cache)


def fresh_music(cache: Path = CACHE) -> list[Recording]:
    """Those of the packages that nothing is learnt from."""
    return _of_games(FRESH, cache)


def _of_games(games: dict[str, str], cache: Path) -> list[Recording]:
    found = []
    for package, place in games.items():
        paths = [path for path in _unpacked(package, cache) if place in path.relative_to(cache / package).parts]
        found += [(package, path) for path in paths if _long_enough(path)]
    return found


def _long_enough(path: Path) -> bool:
    try:
        return bool(soundfile.info(path).duration >= SHORTEST_SECONDS)
    except soundfile.LibsndfileError:
        return False


def _unpacked(package: str, cache: Path) -> list[Path]:
    """The recordings of a package; none, with a word on stderr, where it cannot be had."""
    folder = cache / package
    if not folder.is_dir():
        try:
            _unpack(package, folder)
        except (OSError, subprocess.CalledProcessError, ValueError, tarfile.TarError, zipfile.BadZipFile) as error:
            print(f"left out: the package {package} cannot be had ({error})", file=sys.stderr)
            return []
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and not path.is_symlink())


def _unpack(package: str, folder: Path) -> None:
    """Download a package and keep its recordings and its licence."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as temporary:
        work, kept = Path(temporary), Path(temporary) / "kept"
        kept.mkdir()
        subprocess.run(["apt-get", "download", "-qq", package], cwd=work, check=True, capture_output=True)
        (archive,) = work.glob(f"{package}_*.deb")
        with (
            subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as unpacking,
            tarfile.open(fileobj=unpacking.stdout, mode="r|") as members,
        ):
            wanted = (member for member in members if member.isfile() and _is_kept(member.name))
            members.extractall(kept, wanted, filter="data")
        for path in [path for path in kept.rglob("*") if path.suffix in ARCHIVES]:
            with zipfile.ZipFile(path) as inner:
                names = [name for name in inner.namelist() if _is_kept(name)]
                inner.extractall(path.with_name(f"{path.name}.unpacked"), names)
            path.unlink()
        shutil.move(kept, folder)


def _is_kept(name: str) -> bool:
    path = PurePath(name)
    return path.suffix in (*SUFFIXES, *ARCHIVES) or path.name == "copyright"
