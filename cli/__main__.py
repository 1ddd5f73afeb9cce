"""`python -m stream_restore.cli`, and the entry point of `stream-restore`."""

import os
import sys

__all__ = ["main"]

BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def main() -> int:
    """Run the command line; an interrupt during its import is handled like a later one."""
    # NumPy's matrices are small here: several threads of BLAS gain nothing, and on busy cores they wait for each other
    # ten times as long as the work takes. Read once, when NumPy is imported.
    os.environ.setdefault(BLAS_THREADS, "1")
    try:
        from .main import main as run

        return run()
    except KeyboardInterrupt:
        print("stream-restore: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
