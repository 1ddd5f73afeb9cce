"""`scripts/fuzz TARGET [SECONDS]`: atheris, which looks for bytes that reach new code."""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["stream_restore"]):
    from .targets import SEEDS, TARGETS

    if "weights" in sys.argv:  # slow to import, and followed only if imported here
        import stream_restore.models.weights  # noqa: F401

__all__ = ["main"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("seconds", type=int, nargs="?", default=60, help="(default %(default)d)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stream_restore-corpus-") as corpus:
        for number, seed in enumerate(SEEDS[options.target]):
            (Path(corpus) / str(number)).write_bytes(seed)
        # A minute for one input is a hang; what is found is left as crash-* in the current folder.
        flags = [f"-max_total_time={options.seconds}", "-timeout=60", "-max_len=4096", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], *flags, corpus], TARGETS[options.target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
