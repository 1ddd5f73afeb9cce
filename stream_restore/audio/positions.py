"""Positions in a recording, formatted for messages."""

__all__ = ["format_position", "format_timestamp"]


def format_timestamp(seconds: float) -> str:
    """A time as hours, minutes, seconds and milliseconds.

    >>> format_timestamp(3725.5)
    '1:02:05.500'
    """
    whole = round(seconds * 1000)
    minutes, milliseconds = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{milliseconds / 1000:06.3f}"


def format_position(frame: int, sample_rate: int) -> str:
    """A frame number and its time.

    >>> format_position(1234, 44100)
    'frame 1234 (0:00:00.028)'
    """
    return f"frame {frame} ({format_timestamp(frame / sample_rate)})"
