"""What `scripts/demo` runs: degrade a recording, restore it, measure both against the original, and draw them."""

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

from music import compose

from stream_restore.audio import open_sink, open_source
from stream_restore.show.picture import Difference, Mel, draw, mel
from stream_restore.spec import Spec

__all__ = ["main"]

COMMAND = Path(sys.executable).with_name("stream-restore")
FIGURES = ("sdr_db", "si_sdr_db")


def main() -> None:
    options = _options()
    folder: Path = options.output
    folder.mkdir(parents=True, exist_ok=True)
    original = options.recording or _composed(folder / "original.wav", options.seconds)
    degraded, restored, drawn = (folder / name for name in ("degraded.wav", "restored.wav", "spectrograms.png"))
    _run("degrade", original, "-o", degraded, "--snr", options.snr, "--force")
    _run("restore", degraded, "-o", restored, "-n", options.name, "--force")
    before, after = (_measured(original, estimate) for estimate in (degraded, restored))
    draw(_panels(original, degraded, restored, before, after), drawn)
    print(f"\n{_table(before, after)}\n")
    paths = {"original": original, "degraded": degraded, "restored": restored, "picture": drawn}
    print("\n".join(f"{word:9} {path}" for word, path in paths.items()))


def _composed(path: Path, seconds: float) -> Path:
    """Music of our own, as a 16-bit file."""
    print(f"composing {seconds:g} s of music")
    spec = Spec(44100, 2)
    with open_sink(path, spec, encoding="s16", force=True) as sink:
        sink.write(compose(seconds, spec.sample_rate, seed=6))
    return path


def _run(*words: object) -> None:
    """Run `stream-restore` as a person would, and show how."""
    arguments = [str(word) for word in words]
    print(f"$ stream-restore {shlex.join(arguments)}", flush=True)
    if subprocess.run([COMMAND, *arguments]).returncode:
        raise SystemExit(1)  # it has said why


def _measured(original: Path, estimate: Path) -> dict[str, float]:
    """SDR and SI-SDR in dB of an estimate."""
    done = subprocess.run([COMMAND, "metrics", original, estimate, "--json"], stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(1)
    found = json.loads(done.stdout)
    return {name: float("nan" if found[name] is None else found[name]) for name in FIGURES}


def _table(before: dict[str, float], after: dict[str, float]) -> str:
    rows = [f"{'':9}{'SDR':>11}{'SI-SDR':>11}"]
    rows += [
        f"{word:9}" + "".join(f"{figures[name]:8.2f} dB" for name in FIGURES)
        for word, figures in (("degraded", before), ("restored", after))
    ]
    gains = [f"{after[name] - before[name]:+8.2f} dB" for name in FIGURES]
    return "\n".join([*rows, f"{'gain':9}" + "".join(gains)])


def _panels(
    original: Path, degraded: Path, restored: Path, before: dict[str, float], after: dict[str, float]
) -> dict[str, Mel]:
    """Four spectrograms by title."""
    return {
        "original": _mel(original),
        f"degraded: {_words(before)}": _mel(degraded),
        f"restored: {_words(after)}": _mel(restored),
        "residual: original \N{MINUS SIGN} restored": _mel(original, restored),
    }


def _mel(recording: Path, less: Path | None = None) -> Mel:
    with open_source(recording) as source:
        if less is None:
            return mel(source)
        with open_source(less) as other:
            return mel(Difference(source, other))


def _words(figures: dict[str, float]) -> str:
    return "SDR {sdr_db:.2f} dB, SI-SDR {si_sdr_db:.2f} dB".format(**figures)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="Degrade, restore, measure and draw a recording, or music made here."
    )
    parser.add_argument("recording", nargs="?", type=Path, metavar="RECORDING", help="of any format and length")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), metavar="DIR", help="(default %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of music, without RECORDING (default %(default)g)")
    parser.add_argument("--snr", default="10", metavar="DB", help="of the noise that is added (default %(default)s)")
    parser.add_argument("-n", "--name", default="compact", help="of the model (default %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
