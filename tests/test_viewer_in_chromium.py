"""The viewer, in a real browser, from disk: tiles appear, zoom loads finer ones, switching keeps the place."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, chromium

from stream_restore.measure import Segments
from stream_restore.show.tiles import Axes
from stream_restore.show.viewer import Track, prepare, write_viewer
from stream_restore.spec import Audio, Spec

if chromium() is None:
    pytest.skip("no chromium is installed: apt-get install chromium", allow_module_level=True)

RATE, SECONDS, ROWS = 4000, 3600, 32
TILE_SECONDS = 8.192
"""Of the finest level: 512 columns of 64 frames."""


class Tone:
    """A tone that rises for an hour, at a level of its own."""

    def __init__(self, level: float) -> None:
        self.spec, self.frames, self._level, self._at = Spec(RATE, 1), RATE * SECONDS, level, 0

    def read(self, frames: int) -> Audio:
        at = np.arange(self._at, min(self._at + frames, self.frames))
        self._at += len(at)
        hertz = 150 + 1500 * (at / self.frames)
        return (self._level * np.sin(2 * np.pi * hertz * (at / RATE)))[None].astype(np.float32)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("viewer") / "tone"
    prepare(folder, force=False)
    tracks = [Track("original", Tone(0.5)), Track("restored", Tone(0.25)), Track("residual", Tone(0.01), matched=False)]
    sdr = {"restored": Segments(RATE, tuple(10 + (second % 60) / 10 for second in range(SECONDS)))}
    return write_viewer(folder, "A rising tone", tracks, sdr=sdr, axes=Axes(rows=ROWS))


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with Browser() as chrome:
        yield chrome


@pytest.fixture
def browser(chrome: Browser, page: Path) -> Iterator[Browser]:
    """The page, opened anew."""
    chrome.send("Page.navigate", url="about:blank")
    chrome.until("location.protocol === 'about:'")
    chrome.requests.clear()
    chrome.open(page)
    chrome.until(LOADED)
    yield chrome
    assert chrome.problems == []
    assert all(address.startswith(("file:", "data:", "about:")) for address in chrome.requests)


CANVASES = "[...document.querySelectorAll('.sound:not([hidden]) canvas')]"
LOADED = f"{CANVASES}.every((c) => Number(c.dataset.visible) > 0 && c.dataset.drawn === c.dataset.visible)"
LEVEL = f"Number({CANVASES}[0].dataset.level)"


def tiles(browser: Browser) -> list[str]:
    return [address for address in browser.requests if address.endswith(".png")]


def colour(browser: Browser, time: float, hertz: float) -> int:
    """How light the first track is at a place, from a screenshot: a canvas with pictures from disk cannot be read."""
    import base64
    import io

    from PIL import Image

    shot = Image.open(io.BytesIO(base64.b64decode(browser.send("Page.captureScreenshot")["data"]))).convert("RGB")
    x, y = browser.run(
        f"""(() => {{ const c = {CANVASES}[0].getBoundingClientRect(), s = panels[0].spectrogram;
        return [c.left + LEFT + ({time} - view.start) / view.span * (c.width - LEFT),
                c.top + c.height * (1 - s.place({hertz}))]; }})()"""
    )
    return sum(shot.getpixel((int(x), int(y))))  # type: ignore[arg-type]


def test_an_hour_is_shown_by_a_few_coarse_tiles(browser: Browser) -> None:
    assert browser.run("document.title") == "A rising tone"
    assert browser.run("panels.length") == 3
    assert browser.run(LEVEL) == 7
    # Four of level 7 for each track, and its coarsest, of 880 tiles a track.
    assert len(tiles(browser)) <= 15
    # The tone is light where it sounds, and what is above it dark.
    assert colour(browser, 1800, 1650) > 300 > 150 > colour(browser, 1800, 700)


def test_zooming_loads_finer_tiles_and_only_those_in_view(browser: Browser) -> None:
    before = len(tiles(browser))
    for _ in range(10):
        browser.key("+")
    browser.until(f"{LEVEL} === 0 && {LOADED}")
    assert browser.run("view.span") == pytest.approx(SECONDS / 2**10)
    assert 0 < len(tiles(browser)) - before < 100
    # Of 440 tiles of the finest level, those that the last views show.
    assert sum("/tracks/0/0/" in address for address in tiles(browser)) <= 8
    browser.key("0")
    assert browser.run("view.span") == SECONDS


def test_only_what_is_in_view_and_its_neighbours_are_loaded(browser: Browser) -> None:
    browser.run("view.span = 12, move(1800)")
    browser.until(f"{LEVEL} === 0 && {LOADED}")
    browser.run("new Promise((done) => requestAnimationFrame(() => done()))")
    wanted = range(int(1800 / TILE_SECONDS) - 1, int(1812 / TILE_SECONDS) + 2)
    loaded = [address for address in tiles(browser) if "/0/" in address.split("/tracks/")[1][1:]]
    assert sorted(loaded) == sorted({*loaded})
    assert {address.split("/tracks/")[1] for address in loaded} == {
        f"{track}/0/{number}.png" for track in range(3) for number in wanted
    }


def test_an_hour_is_walked_through_in_bounded_memory(browser: Browser) -> None:
    held, before = 100 * 512 * ROWS, len(tiles(browser))
    browser.run(f"store.most = {held}, view.span = 15, move(0)")
    for share in range(150):
        pixels = browser.run(
            f"move({share} / 149 * seconds), new Promise((done) => requestAnimationFrame(() => done(store.pixels)))"
        )
        # What is in view, with its neighbours, is kept whatever it takes: at most five tiles a track.
        assert pixels <= held + 15 * 512 * ROWS
    browser.until(LOADED)
    assert len(tiles(browser)) - before > 3 * 150
    assert browser.run("store.tiles.size") < 200
    pictures = "[...store.tiles.values()].filter((tile) => tile.picture).map((tile) => tile.picture)"
    assert browser.run(f"{pictures}.reduce((sum, each) => sum + each.width * each.height, 0)") == browser.run(
        "store.pixels"
    )


def test_a_screen_that_shows_more_than_is_kept_is_drawn_whole(browser: Browser) -> None:
    browser.run("store.most = 0, view.span = 15, move(600)")
    browser.until(f"{LEVEL} === 0 && {LOADED}")
    count = len(tiles(browser))
    for _ in range(5):
        browser.run("redraw(), new Promise((done) => requestAnimationFrame(() => done()))")
    assert browser.run(LOADED)
    assert len(tiles(browser)) <= count + 6  # the neighbours; nothing is loaded over and over


def test_switching_keeps_position_and_level(browser: Browser) -> None:
    browser.run("seek(1000)")
    browser.key(" ")
    browser.until("player.playing && player.now() > 1000.2")
    before = browser.run("player.now()")
    browser.key("2")
    assert browser.run("player.heard") == 1
    assert before - 0.1 < browser.run("player.now()") < before + 5
    assert browser.run("player.elements.map((audio) => audio.muted)") == [True, False, True]
    # The louder one is turned down to the level of the other; the residual is left alone.
    assert browser.run("player.elements.map((audio) => audio.volume)") == pytest.approx([0.5, 1, 1], abs=0.01)
    browser.until("player.now() > 1000.8")
    browser.key(" ")
    stopped = browser.run("player.now()")
    browser.key("1")
    assert browser.run("player.now()") == stopped
    assert browser.run("player.playing") is False
    browser.run("document.getElementById('matched').click()")
    assert browser.run("player.elements.map((audio) => audio.volume)") == [1, 1, 1]


def test_mouse_sets_the_cursor_zooms_and_moves(browser: Browser) -> None:
    x, y = browser.run(
        f"(() => {{ const c = {CANVASES}[0].getBoundingClientRect(); return [c.left + LEFT + 500, c.top + 60]; }})()"
    )
    browser.mouse("mouseMoved", x, y)
    browser.until("(told => told.includes('Hz') && told.includes('restored'))(find('readout').textContent)")
    for kind in ("mousePressed", "mouseReleased"):
        browser.mouse(kind, x, y, button="left", clickCount=1)
    cursor = browser.run("player.now()")
    assert cursor == pytest.approx(browser.run("timeAt(LEFT + 500)"), abs=10)
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-400)
    span = browser.until("view.span < 3000 && view.span")
    assert browser.run("timeAt(LEFT + 500)") == pytest.approx(cursor, abs=10)  # what is under the pointer stays
    begin = browser.run("view.start")
    browser.mouse("mousePressed", x, y, button="left", clickCount=1)
    browser.mouse("mouseMoved", x - 100, y, button="left", buttons=1)
    browser.mouse("mouseReleased", x - 100, y, button="left", clickCount=1)
    assert browser.run("view.start") > begin
    assert browser.run("view.span") == span
    assert browser.run("player.now()") == cursor  # a drag is no click


def test_two_fingers_zoom(browser: Browser) -> None:
    x, y = browser.run(
        f"(() => {{ const c = {CANVASES}[0].getBoundingClientRect(); return [c.left + 600, c.top + 60]; }})()"
    )
    for spread in (20, 60, 120):
        points = [{"x": x - spread, "y": y, "id": 1}, {"x": x + spread, "y": y, "id": 2}]
        browser.send("Input.dispatchTouchEvent", type="touchStart" if spread == 20 else "touchMove", touchPoints=points)
    browser.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    assert browser.run("view.span") < 1800


def test_only_the_one_heard_is_shown_for_blinking(browser: Browser) -> None:
    browser.key("b")
    browser.until(f"{CANVASES}.length === 1 && {LOADED}")
    browser.key("3")
    browser.until("!panels[2].box.hidden && panels[0].box.hidden")
    browser.key("b")
    browser.until(f"{CANVASES}.length === 3")


def test_keys_and_screen_readers(browser: Browser) -> None:
    slider = "document.getElementById('stage')"
    browser.run(f"{slider}.focus()")
    browser.key("ArrowRight")
    assert float(browser.run(f"{slider}.ariaValueNow")) == 36.0
    assert browser.run(f"{slider}.ariaValueText") == "0:36.0, hearing original"
    browser.key("ArrowDown")
    assert browser.run("document.getElementById('said').textContent") == "Hearing restored"
    tree = browser.send("Accessibility.getFullAXTree")["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node.get("ignored")}
    for role, name in (
        ("button", "Play"),
        ("radio", "2 restored"),
        ("button", "Zoom in"),
        ("checkbox", "equal loudness"),
    ):
        assert any(found == role and name in told for found, told in named), (role, name, sorted(named))
    assert not [role for role, told in named if role in ("button", "radio", "checkbox", "slider") and not told]


def test_light_and_dark(browser: Browser) -> None:
    shade = "getComputedStyle(document.body).backgroundColor"
    light = browser.run(shade)
    browser.key("t")
    dark = browser.run(shade)
    assert sum(map(int, light[4:-1].split(","))) > 600 > 150 > sum(map(int, dark[4:-1].split(",")))


def test_a_narrow_screen_needs_no_scrolling_sideways(browser: Browser) -> None:
    browser.send("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=2, mobile=True)
    browser.until(LOADED)
    width = browser.run("document.documentElement.scrollWidth")
    browser.send("Emulation.clearDeviceMetricsOverride")
    assert width <= 390
