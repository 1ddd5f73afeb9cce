"""`python -m stream_restore.cli`, and what the command `stream-restore` calls."""

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line; an interrupt while it is being imported ends as one later does."""
    try:
        from .main import main as run

        return run()
    except KeyboardInterrupt:
        print("stream-restore: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
