"""What lies in a folder of storage."""

from collections.abc import Mapping
from glob import has_magic
from typing import Any

from .remote import VERSIONS, Remote

__all__ = ["below", "matching"]


def below(folder: Remote) -> list[Remote]:
    """The objects in a folder at any depth, sorted; none if there is no such folder in a bucket that exists.

    Raises:
        ConfigError: if its scheme is unknown, or the library of it is not installed.
        OSError: if it cannot be reached.
    """
    base = Remote(folder.url.rstrip("/"))
    return _named(base, base.ask(lambda storage, path: storage.find(path, detail=True)))


def matching(pattern: Remote) -> tuple[Remote, list[Remote]]:
    """The folder above the first wildcard of a URL, and the objects that fit the URL, sorted: ** is for any depth.

    Raises:
        ConfigError, OSError: as `below`.
    """
    parts = pattern.url.split("/")
    base = Remote("/".join(parts[: next(number for number, part in enumerate(parts) if has_magic(part))]))
    found = pattern.ask(lambda storage, path: storage.glob(path, detail=True))
    return base, _named(base, found)


def _named(base: Remote, found: Mapping[str, Mapping[str, Any]]) -> list[Remote]:
    """The objects of a list, by URLs: its names lack host and user."""
    above = base.ask(lambda storage, path: path.rstrip("/"))
    files = {name: info for name, info in found.items() if info.get("type") == "file" and name.startswith(f"{above}/")}
    return [
        Remote(f"{base.url}{name[len(above) :]}", {key: files[name].get(key) for key in ("size", *VERSIONS)})
        for name in sorted(files)
        if not name.endswith("/")
    ]
