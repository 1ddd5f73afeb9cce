"""`python -m stream_restore.cli`, and the entry point of `stream-restore`."""

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line; an interrupt during its import is handled like a later one."""
    try:
        from .main import main as run

        return run()
    except KeyboardInterrupt:
        print("stream-restore: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
