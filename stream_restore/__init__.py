"""Degrade and restore audio of any length in bounded memory."""

from importlib.metadata import version

__all__: list[str] = []

__version__ = version("stream_restore")
