"""Places in a recording, as messages name them."""

__all__ = ["clock", "place"]


def clock(seconds: float) -> str:
    """A time as hours, minutes, seconds and milliseconds.

    >>> clock(3725.5)
    '1:02:05.500'
    """
    whole = round(seconds * 1000)
    minutes, milliseconds = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{milliseconds / 1000:06.3f}"


def place(frame: int, sample_rate: int) -> str:
    """A frame together with its time.

    >>> place(1234, 44100)
    'frame 1234 (0:00:00.028)'
    """
    return f"frame {frame} ({clock(frame / sample_rate)})"
