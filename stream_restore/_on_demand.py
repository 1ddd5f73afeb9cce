"""Names that a package offers, each imported from its module when it is used (PEP 562).

Importing a module imports all packages around it first. So `inspect` would load everything that `restore` needs.
"""

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any

__all__ = ["on_demand"]


def on_demand(package: str, homes: Mapping[str, Collection[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of a package.

    Args:
        homes: modules below it, and which names each gives.

    >>> on_demand("collections", {"abc": ["Mapping"]})("Mapping").__name__
    'Mapping'
    """
    modules = {name: home for home, names in homes.items() for name in names}

    def look_up(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f".{modules[name]}", package), name)

    return look_up
