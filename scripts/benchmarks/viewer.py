"""The page of a long recording in a real browser: how soon it is there, what it holds, and how smoothly it moves."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from music import compose
from numpy.typing import NDArray

from stream_restore.measure import Segments
from stream_restore.show.viewer import Track, prepare, write_viewer
from stream_restore.spec import Audio, Spec

from .table import table

if TYPE_CHECKING:
    from browser import Browser

__all__ = ["measure"]

RATE = 32000
"""At which `evaluate` loads its clips."""
PIECE_SECONDS = 30
LOOSE = {"original": (1.0, 0.0), "degraded": (1.0, 0.02), "restored": (0.98, 0.005), "residual": (0.02, 0.005)}
"""The four recordings: gains of a piece of music, over and over, and of noise."""
SLOW_MS = 50.0
LOADED = """new Promise((done) => (function look() {
  const all = [...document.querySelectorAll(".sound canvas")];
  const there = all.length && all.every((c) => Number(c.dataset.visible) > 0 && c.dataset.drawn === c.dataset.visible);
  if (there) done(performance.now()); else requestAnimationFrame(look);
})())"""
RECORD = """(() => {
  const times = window.frameTimes = [];
  requestAnimationFrame(function tick(time) {
    times.push(time);
    if (times === window.frameTimes) requestAnimationFrame(tick);
  });
})()"""
PLACE = "(() => { const c = panels[0].canvas.getBoundingClientRect(); return [c.left, c.top + 60, c.width]; })()"


class Loop:
    """A recording of any length that takes the memory of one piece."""

    def __init__(self, seconds: float, music: float, noise: float) -> None:
        self.spec, self.frames, self._at = Spec(RATE, 1), int(seconds * RATE), 0
        piece = _piece()
        hiss = np.random.default_rng(1).standard_normal(piece.shape)
        self._piece = (music * piece + noise * hiss).astype(np.float32)

    def read(self, frames: int) -> Audio:
        places = np.arange(self._at, min(self._at + frames, self.frames))
        self._at += len(places)
        return np.asarray(self._piece[None, places % self._piece.size])


@cache
def _piece() -> NDArray[np.float32]:
    return np.asarray(compose(PIECE_SECONDS, RATE, seed=1).mean(axis=0), np.float32)


def measure(options: argparse.Namespace, folder: Path) -> str:
    """Two tables: loading, and moving."""
    page = _page(folder, 60 * options.minutes)
    with _browser() as browser:
        browser.send("Performance.enable", timeDomain="threadTicks")
        arrival = _load(browser, page)
        rows = [_row(browser, name, steps, options.seconds) for name, steps in MOVES.items()]
        if browser.problems:
            raise SystemExit("the page complains:\n" + "\n".join(browser.problems))
    head = ["there after", "tiles asked for", "JS heap"]
    said = f"{options.minutes:g} min, {len(LOOSE)} recordings; headless Chromium, drawing in software."
    frames = [
        "moved by",
        "frames",
        "median",
        "95 %",
        "longest",
        f"over {SLOW_MS:g} ms",
        "processor a frame",
        "tiles asked for",
        "kept",
        "JS heap",
    ]
    return "\n\n".join([said, table(head, [arrival]), table(frames, rows)])


def _page(folder: Path, seconds: float) -> Path:
    began = time.monotonic()
    prepare(folder / "page", force=False)
    tracks = [Track(name, Loop(seconds, *gains), matched=name != "residual") for name, gains in LOOSE.items()]
    curve = Segments(RATE, tuple(12 + 6 * np.sin(np.arange(int(seconds)) / 20)))
    page = write_viewer(
        folder / "page", f"{seconds / 60:g} minutes", tracks, sdr={"degraded": curve, "restored": curve}
    )
    print(f"the page took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return page


def _browser() -> "Browser":
    """The one of the tests."""
    sys.path.append(str(Path(__file__).parents[2] / "tests"))
    from browser import Browser

    return Browser()


def _load(browser: "Browser", page: Path) -> list[str]:
    browser.open(page)
    milliseconds = browser.run(LOADED)
    return [f"{milliseconds:.0f} ms", str(_asked(browser)), _heap(browser)]


def _asked(browser: "Browser") -> int:
    return sum(address.endswith(".png") for address in browser.requests)


def _heap(browser: "Browser") -> str:
    browser.send("HeapProfiler.collectGarbage")
    return f"{browser.send('Runtime.getHeapUsage')['usedSize'] / 1e6:.1f} MB"


def _row(browser: "Browser", name: str, steps: Callable[["Browser"], Iterator[None]], seconds: float) -> list[str]:
    """Move for some seconds by real input events, as fast as the page takes them."""
    asked, moves = _asked(browser), steps(browser)
    next(moves)
    busy = _busy_seconds(browser)
    browser.run(RECORD)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        next(moves)
    took = np.diff(browser.run("frameTimes"))
    busy = (_busy_seconds(browser) - busy) / len(took)
    held = [str(_asked(browser) - asked), str(browser.run("store.tiles.size")), _heap(browser)]
    browser.run("zoom(Infinity)")
    figures = [f"{value:.0f} ms" for value in (np.median(took), np.percentile(took, 95), took.max())]
    slow = f"{100 * (took > SLOW_MS).mean():.1f} %"
    return [name, str(len(took)), *figures, slow, f"{1000 * busy:.1f} ms", *held]


def _busy_seconds(browser: "Browser") -> float:
    """Processor time of the page's main thread: other work on the machine does not count."""
    figures = browser.send("Performance.getMetrics")["metrics"]
    return float(next(figure["value"] for figure in figures if figure["name"] == "TaskDuration"))


def _drag(span_seconds: float) -> Callable[["Browser"], Iterator[None]]:
    """From one end of the recording to the other and back, stroke by stroke."""

    def steps(browser: "Browser") -> Iterator[None]:
        browser.run(f"view.span = Math.min({span_seconds}, seconds / 2), move(0)")
        browser.run(LOADED)
        left, y, width = browser.run(PLACE)
        near, far = left + 0.15 * width, left + 0.95 * width
        back = False
        yield
        while True:
            begin, end = (near, far) if back else (far, near)
            browser.mouse("mousePressed", begin, y, button="left", clickCount=1)
            for x in np.linspace(begin, end, 30):
                browser.mouse("mouseMoved", float(x), y, button="left", buttons=1)
                yield
            browser.mouse("mouseReleased", end, y, button="left", clickCount=1)
            at = browser.run("view.start / Math.max(1e-9, seconds - view.span)")
            back = at >= 1 or (back and at > 0)

    return steps


def _wheel(browser: "Browser") -> Iterator[None]:
    """From the whole to single columns and out again, at a place that wanders."""
    left, y, width = browser.run(PLACE)
    yield
    for share in cycle((0.3, 0.7, 0.5)):
        for delta in [-60] * 50 + [60] * 50:
            browser.mouse("mouseWheel", left + share * width, y, deltaX=0, deltaY=delta)
            yield


MOVES = {
    "dragging, 10 min in view": _drag(600),
    "dragging, 20 s in view": _drag(20),
    "the wheel, in and out": _wheel,
}
