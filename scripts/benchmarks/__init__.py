"""Figures about this project beside those of the `demucs` command, each measured in one run on one machine."""

__all__: list[str] = []
