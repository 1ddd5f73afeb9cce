"""Everything that stream_restore raises on purpose.

::

    RestoreError
    ├── ConfigError (ValueError)      a parameter that cannot work
    │   └── SpecError                 rates, channels or shapes that do not join
    ├── StreamError (RuntimeError)    a stage or stream used out of order
    │   └── FinishedError             process or flush after flush; `reset` starts again
    ├── SourceError (OSError)         an input that cannot be read to its end: path, frame, time
    ├── SinkError (OSError)           an output that cannot be written: disk full, read-only, exists
    │   ├── BusyError                 another run is writing it
    │   └── ClosedPipeError           the reader of a pipe went away
    └── ModelError                    unknown name, missing extra, wrong checksum, absent provider

Each message carries the offending value and the cure.
"""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [
    "BusyError",
    "ClosedPipeError",
    "ConfigError",
    "FinishedError",
    "ModelError",
    "RestoreError",
    "SinkError",
    "SourceError",
    "SpecError",
    "StreamError",
    "errors_as",
]


class RestoreError(Exception):
    """Base of every error that stream_restore raises on purpose."""


class ConfigError(RestoreError, ValueError):
    """A parameter that cannot work."""


class SpecError(ConfigError):
    """Sample rates, channels or shapes that do not join."""


class StreamError(RestoreError, RuntimeError):
    """A stage or a stream used out of order."""


class FinishedError(StreamError):
    """The stream was flushed; `reset` starts a new one."""


class SourceError(RestoreError, OSError):
    """An input that cannot be read."""


class SinkError(RestoreError, OSError):
    """An output that cannot be written."""


class BusyError(SinkError):
    """Another run is writing the output."""


class ClosedPipeError(SinkError):
    """The reader at the other end of a pipe went away."""


class ModelError(RestoreError):
    """A model that cannot be found, loaded or run."""


@contextmanager
def errors_as(kind: type[SinkError] | type[SourceError], what: str) -> Iterator[None]:
    """Within this context an error of the system becomes one of ours: `what`, then its reason. Ours pass unchanged."""
    try:
        yield
    except RestoreError:
        raise
    except OSError as error:
        raise kind(f"{what}: {error.strerror or error}") from error
