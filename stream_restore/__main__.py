"""`python -m stream_restore`: the command line, where `stream-restore` is not on the path."""

from .cli.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main())
