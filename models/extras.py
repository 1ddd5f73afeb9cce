"""Optional packages, imported on use; if one is absent, the error has the install command."""

from importlib import import_module
from types import ModuleType

from ..errors import ModelError

__all__ = ["EXPORT", "OPENVINO", "TORCH", "optional"]

TORCH = "'stream_restore[torch]'"
EXPORT = "'stream_restore[export]'"
OPENVINO = "'stream_restore[openvino]'"


def optional(module: str, install: str, purpose: str) -> ModuleType:
    """Import `module`, which `pip install INSTALL` provides.

    Raises:
        ModelError: if it or one of its imports is not installed; the message has the install command.

    >>> optional("json", "json", "nothing").__name__
    'json'
    """
    try:
        return import_module(module, __package__)
    except ImportError as error:
        missing = error.name or module
        raise ModelError(
            f"{purpose} needs the package {missing!r}, which cannot be imported ({error}): pip install {install}"
        ) from error
