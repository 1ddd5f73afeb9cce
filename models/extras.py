"""Optional packages: imported when used, and named with their cure when absent."""

from importlib import import_module
from types import ModuleType

from ..errors import ModelError

__all__ = ["optional"]


def optional(module: str, extra: str, purpose: str) -> ModuleType:
    """Import `module`, which is installed with the extra `extra`.

    Raises:
        ModelError: it, or something it imports, is not installed; names the install line.

    >>> optional("json", "torch", "nothing").__name__
    'json'
    """
    try:
        return import_module(module, __package__)
    except ImportError as error:
        missing = error.name or module
        raise ModelError(
            f"{purpose} needs the package {missing!r}, which cannot be imported ({error}): "
            f"pip install 'stream_restore[{extra}]'"
        ) from error
