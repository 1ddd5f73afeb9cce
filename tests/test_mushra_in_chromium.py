"""A listening test in a real browser, from disk and served, with a reload in the middle, as a listener does it."""

import json
import wave
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import soundfile
from browser import Browser, chromium

from stream_restore.listening.analysis import analyse
from stream_restore.listening.building import build, find_clips
from stream_restore.listening.key import Key, order
from stream_restore.listening.ratings import Rating
from stream_restore.listening.serving import TestServer
from stream_restore.listening.submissions import read_ratings

if chromium() is None:
    pytest.skip("no chromium is installed: apt-get install chromium", allow_module_level=True)

RATE = 16000
SCORES = {"reference": 100, "good": 80, "bad": 35, "anchor70": 50, "anchor35": 20}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Key]:
    home = tmp_path_factory.mktemp("mushra")
    for number in range(2):
        folder = home / f"clip{number}"
        folder.mkdir()
        rng = np.random.default_rng(number)
        at = np.arange(RATE) / RATE
        sound = 0.3 * np.sin(2 * np.pi * 440 * at) + rng.normal(0, 0.02, RATE)
        for name, noise in (("original", 0.0), ("good", 0.01), ("bad", 0.1)):
            soundfile.write(folder / f"{name}.wav", sound + rng.normal(0, 1, RATE) * noise, RATE)
    (home / "test").mkdir()
    return home / "test", build(find_clips([home / "clip0", home / "clip1"]), home / "test", title="Hear & rate")


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with Browser("--lang=en") as chrome:
        yield chrome


@pytest.fixture
def browser(chrome: Browser, made: tuple[Path, Key]) -> Iterator[Browser]:
    """The page from disk, as someone sees it who was never there."""
    visit(chrome, (made[0] / "page" / "index.html").as_uri())
    chrome.run("localStorage.clear()")
    visit(chrome, (made[0] / "page" / "index.html").as_uri())
    yield chrome
    assert chrome.problems == []


READY = "document.readyState === 'complete' && document.querySelector('#name, #next, #json') !== null"


def visit(browser: Browser, url: str) -> None:
    browser.send("Page.navigate", url="about:blank")
    browser.until("location.protocol === 'about:'")
    browser.send("Page.navigate", url=url)
    browser.until(f"location.protocol !== 'about:' && {READY}")


def begin(browser: Browser, name: str = "Ada") -> None:
    browser.run("document.getElementById('name').focus()")
    browser.send("Input.insertText", text=name)
    browser.run("document.querySelector('form button').click()")
    browser.until("saving.state.page === VOLUME && document.getElementById('play') !== null")


def following(browser: Browser) -> None:
    page = browser.run("saving.state.page")
    browser.run("document.getElementById('next').click()")
    browser.until(f"saving.state.page === {page + 1} && document.querySelector('#next, #json') !== null")


def condition(key: Key, token: str) -> str:
    return next(trial.stimuli[token] for trial in key.trials if token in trial.stimuli)


def rate(browser: Browser, token: str, score: int) -> None:
    """Listen to a signal and bring its slider where it should be, by keys."""
    browser.run(f"document.querySelector('button[data-token=\"{token}\"]').click()")
    slider = f"view.signals.find((signal) => signal.token === '{token}').input"
    browser.run(f"{slider}.focus()")
    # From one end: Home and End would need codes; the value is set as a pointer sets it.
    browser.run(
        f"(() => {{ const s = {slider}; s.value = {score}; s.dispatchEvent(new Event('input', {{bubbles: true}}));"
        " s.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


def rate_all(browser: Browser, key: Key, shift: int = 0) -> None:
    for token in browser.run("view.record.order"):
        rate(browser, token, SCORES[condition(key, token)] - shift)


def wanted(key: Key, listener: str) -> dict[tuple[str, str, str], float]:
    return {(listener, trial.name, name): float(score) for trial in key.trials for name, score in SCORES.items()}


def scores(ratings: list[Rating]) -> dict[tuple[str, str, str], float]:
    return {rating.place: rating.score for rating in ratings}


def take_the_test(browser: Browser, key: Key, name: str) -> None:
    """From the first page to the last."""
    begin(browser, name)
    following(browser)
    following(browser)
    for _ in key.trials:
        rate_all(browser, key)
        following(browser)


def test_a_whole_test_from_disk_with_a_reload_in_the_middle(
    browser: Browser, made: tuple[Path, Key], tmp_path: Path
) -> None:
    test, key = made
    begin(browser)
    following(browser)
    assert browser.run("document.querySelector('h2').textContent") == "Training"
    rate_all(browser, key, shift=7)  # does not count
    following(browser)
    half = browser.run("view.record.order")[:2]
    for token in half:
        rate(browser, token, SCORES[condition(key, token)])
    visit(browser, (test / "page" / "index.html").as_uri())
    assert browser.run("document.querySelector('h2').textContent") == "Trial 1 of 2"
    shown = browser.run(
        "view.signals.map(({token, input}) => [token, input.valueAsNumber, token in view.record.scores])"
    )
    assert {token: value for token, value, rated in shown if rated} == {t: SCORES[condition(key, t)] for t in half}
    for token in browser.run("view.record.order")[2:]:
        rate(browser, token, SCORES[condition(key, token)])
    following(browser)
    rate_all(browser, key)
    following(browser)
    assert browser.run("document.querySelector('h2').textContent") == "Thank you"
    (tmp_path / "ada.json").write_text(browser.run("saving.json()"), "utf-8")
    (tmp_path / "ada.csv").write_text(browser.run("saving.csv()"), "utf-8")
    for name in ("ada.json", "ada.csv"):
        ratings, _ = read_ratings([tmp_path / name], test / "key.json")
        assert scores(ratings) == wanted(key, "Ada")
    found = analyse(ratings, key.figures)
    assert {each.name: each.mean for each in found.conditions} == SCORES
    assert next(each for each in found.correlations if each.figure == "sdr_db").count == 8


def test_the_order_is_that_of_the_listener(browser: Browser, made: tuple[Path, Key]) -> None:
    _, key = made
    begin(browser, "Zoë 中")
    following(browser)
    following(browser)
    trials = order(key.order_seed, "Zoë 中", [trial.token for trial in key.trials])
    assert browser.run("trials().map(({id}) => id)") == trials
    first = key.trial(trials[0])
    assert first is not None
    assert browser.run("view.record.order") == order(key.order_seed, "Zoë 中", list(first.stimuli))


def test_the_trial_goes_on_only_when_all_was_heard_and_rated(browser: Browser, made: tuple[Path, Key]) -> None:
    begin(browser)
    following(browser)
    following(browser)
    browser.run("document.getElementById('next').click()")
    assert browser.run("document.getElementById('status').textContent") == "Please listen to A, B, C, D, E first."
    for letter in "abcde":
        browser.key(letter)
    browser.run("document.getElementById('next').click()")
    assert browser.run("document.getElementById('status').textContent") == "Please rate A, B, C, D, E first."
    assert browser.run("document.getElementById('next').getAttribute('aria-disabled')") == "true"
    rate_all(browser, made[1])
    assert browser.run("document.getElementById('next').getAttribute('aria-disabled')") == "false"


def test_keys_do_what_buttons_do(browser: Browser) -> None:
    begin(browser)
    following(browser)
    assert not browser.run("view.player.playing")
    browser.run("document.getElementById('main').focus()")
    browser.key(" ")
    assert browser.run("view.player.playing")
    browser.key("c")
    assert browser.run("view.player.heard === view.signals[2].token")
    pressed = "[...document.querySelectorAll('button[data-token][aria-pressed=true]')].map((b) => b.textContent)"
    assert browser.run(pressed) == ["C"]
    browser.key("r")
    assert browser.run(pressed) == ["Reference"]
    browser.until("view.player.position > 0.3")
    browser.key("]")
    assert browser.run("view.player.loop[1] < view.trial.frames")
    browser.key("\\")
    assert browser.run("view.player.loop") == [0, RATE]
    browser.key(" ")
    assert not browser.run("view.player.playing")


def test_it_speaks_italian(browser: Browser) -> None:
    browser.run("(() => { const s = document.getElementById('language'); s.value = 'it'; "
                "s.dispatchEvent(new Event('change')); })()")  # fmt: skip
    assert browser.run("document.documentElement.lang") == "it"
    begin(browser)
    following(browser)
    assert browser.run("document.querySelector('h2').textContent") == "Esercizio"
    assert browser.run("[...document.querySelectorAll('.scale span')].map((s) => s.textContent)") == [
        "Eccellente", "Buono", "Discreto", "Scadente", "Pessimo",
    ]  # fmt: skip
    assert browser.run("JSON.stringify(Object.keys(WORDS.it)) === JSON.stringify(Object.keys(WORDS.en))")


# Sound: rendered off line by the same player, sample by sample

RENDER = """(async () => {
  const context = new OfflineAudioContext(1, %(frames)d, %(rate)d);
  const player = new Player(context, 1);
  const tone = (level) => {
    const buffer = context.createBuffer(1, %(rate)d, %(rate)d);
    const samples = buffer.getChannelData(0);
    for (let at = 0; at < samples.length; at++) samples[at] = level * Math.sin(2 * Math.PI * %(hertz)d * at / %(rate)d);
    return buffer;
  };
  player.buffers = new Map([["a", tone(0.5)], ["b", tone(0.25)]]);
  player.frames = %(rate)d;
  player.loop = [0, %(rate)d];
  player.heard = "a";
  %(before)s
  player.play(0);
  for (const [when, act] of %(acts)s) context.suspend(when).then(() => { act(player); context.resume(); });
  return [...(await context.startRendering()).getChannelData(0)];
})()"""


def rendered(browser: Browser, acts: str = "[]", seconds: float = 1.0, before: str = "", hertz: int = 440) -> Any:
    told = {"frames": int(seconds * RATE), "rate": RATE, "acts": acts, "before": before, "hertz": hertz}
    return np.array(browser.run(RENDER % told))


def clicks(sound: Any, hertz: int = 440) -> float:
    """The largest second difference, over that of the tone alone: what a jump makes large."""
    return float(np.abs(np.diff(sound, 2)).max() / (0.5 * (2 * np.pi * hertz / RATE) ** 2))


def test_what_is_heard_is_the_sound_itself(browser: Browser) -> None:
    sound = rendered(browser)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    assert np.abs(sound - tone)[1200:-100].max() < 1e-6


def test_a_switch_is_in_step_and_does_not_click(browser: Browser) -> None:
    # Suspended at a multiple of 128 frames.
    sound = rendered(browser, "[[0.5, (p) => p.hear('b')]]")
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    assert np.abs(sound - 0.5 * tone)[1200:7900].max() < 1e-6
    assert np.abs(sound - 0.25 * tone)[9200:-200].max() < 1e-6
    assert clicks(sound) < 1.3
    # The measure finds a click: the same switch without a fade.
    assert clicks(np.concatenate([0.5 * tone[:8010], 0.25 * tone[8010:]])) > 1.5


def test_fast_switching_does_not_click(browser: Browser) -> None:
    acts = ",".join(f"[{0.2 + 0.008 * n}, (p) => p.hear('{'ba'[n % 2]}')]" for n in range(60))
    assert clicks(rendered(browser, f"[{acts}]")) < 1.3


def test_a_loop_repeats_to_the_sample_and_does_not_click(browser: Browser) -> None:
    first, last = 1600, 5003
    sound = rendered(browser, seconds=1.5, before=f"player.loop = [{first}, {last}];", hertz=333)
    length = last - first
    for start in range(length, len(sound) - length, length):  # the first is faded in
        assert np.abs(sound[start : start + length] - sound[length : 2 * length]).max() < 1e-6
    tone = 0.5 * np.sin(2 * np.pi * 333 * np.arange(first, last) / RATE)
    assert np.abs(sound[length : 2 * length] - tone)[90:-90].max() < 1e-6
    # The fade of 5 ms bends the tone more than the tone itself does, a jump would by far more.
    assert clicks(sound, 333) < 1.5
    jump = np.concatenate([tone, tone])
    assert clicks(jump, 333) > 3


def test_pausing_does_not_click_and_goes_on_where_it_was(browser: Browser) -> None:
    sound = rendered(browser, "[[0.304, (p) => p.pause()], [0.504, (p) => p.play(0.512)]]")
    assert np.abs(sound[6000:8100]).max() < 1e-6
    assert clicks(sound) < 2
    cut = np.where(np.arange(RATE) < 4890, 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE), 0)
    assert clicks(cut) > 5
    at = int(0.512 * RATE)
    tone = 0.5 * np.sin(2 * np.pi * 440 * (np.arange(2000) + 0.304 * RATE) / RATE)
    assert np.abs(sound[at + 1000 : at + 2000] - tone[1000:]).max() < 1e-3


def test_sounds_arrive_to_the_sample(browser: Browser, made: tuple[Path, Key]) -> None:
    test, key = made
    begin(browser)
    following(browser)
    for token in browser.run("[...view.player.buffers.keys()]"):
        (path,) = test.glob(f"webmushra/configs/resources/*/{token}.wav")
        with wave.open(str(path)) as file:
            words = np.frombuffer(file.readframes(RATE), "<i2")
        got = browser.run(f"[...view.player.buffers.get('{token}').getChannelData(0)]")
        assert np.array_equal(np.array(got) * 32768, words)
    assert browser.run("context.sampleRate") == RATE
    assert key.title == browser.run("document.title")


# Served


@pytest.fixture
def server(made: tuple[Path, Key]) -> Iterator[TestServer]:
    for path in made[0].glob("ratings.sqlite*"):
        path.unlink()
    with TestServer(made[0], port=0) as server:
        running = serving(server)
        yield server
        server.shutdown()
        running.join()


def serving(server: TestServer) -> Thread:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    return thread


def test_a_whole_test_served(chrome: Browser, server: TestServer, made: tuple[Path, Key]) -> None:
    visit(chrome, server.url)
    take_the_test(chrome, made[1], "Bob")
    chrome.until("document.getElementById('told').textContent.startsWith('Your ratings have arrived')")
    assert scores(read_ratings([made[0]])[0]) == wanted(made[1], "Bob")
    # A policy that the page breaks would be told here.
    assert chrome.problems == []


def test_a_lost_connection_loses_nothing(chrome: Browser, made: tuple[Path, Key]) -> None:
    test, key = made
    for path in test.glob("ratings.sqlite*"):
        path.unlink()
    with TestServer(test, port=0) as first:
        running, url, port = serving(first), first.url, int(first.server_address[1])
        visit(chrome, url)
        chrome.run("localStorage.clear()")
        visit(chrome, url)
        begin(chrome, "Eve")
        following(chrome)
        following(chrome)
        rate_all(chrome, key)
        following(chrome)
        chrome.until("!saving.waiting")
        first.shutdown()
        running.join()
    rate_all(chrome, key)
    following(chrome)
    chrome.until("document.getElementById('saved').textContent.startsWith('No connection')")
    assert len(read_ratings([test])[0]) == len(SCORES)
    with TestServer(test, port=port) as second:
        running = serving(second)
        chrome.until("!saving.waiting")
        second.shutdown()
        running.join()
    assert scores(read_ratings([test])[0]) == wanted(key, "Eve")
    assert all("ERR_CONNECTION_REFUSED" in problem for problem in chrome.problems)
    chrome.problems.clear()


# For everybody


def test_everything_that_can_be_worked_has_a_name_and_enough_contrast(browser: Browser) -> None:
    begin(browser)
    following(browser)
    nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
    worked = [n for n in nodes if n.get("role", {}).get("value") in ("button", "slider", "textbox", "combobox")]
    names = [(node["role"]["value"], node["name"]["value"]) for node in worked]
    assert all(name for _, name in names)
    assert len(set(names)) == len(names)
    assert ("slider", "Score of signal A") in names
    assert ("button", "Signal E") in names
    rate(browser, browser.run("view.record.order[0]"), 72)
    assert browser.run("view.signals[0].input.getAttribute('aria-valuetext')") == "72 Good"
    assert contrast(browser) >= 4.5
    browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    assert contrast(browser) >= 4.5
    browser.send("Emulation.setEmulatedMedia", features=[])


def contrast(browser: Browser) -> float:
    """The least of text on its ground, after WCAG 2.2."""
    pairs = browser.run(
        "[...document.querySelectorAll('h1, p, button, select, output, label, span')].map((e) => { let ground = e;"
        " const at = getComputedStyle, none = 'rgba(0, 0, 0, 0)';"
        " while (at(ground).backgroundColor === none && ground.parentElement)"
        " ground = ground.parentElement; return [at(e).color, at(ground).backgroundColor]; })"
    )
    return min(ratio(*(luminance(colour) for colour in pair)) for pair in pairs)


def luminance(colour: str) -> float:
    parts = np.array([float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def ratio(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_on_a_small_screen_nothing_is_cut_off(browser: Browser) -> None:
    browser.send("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=True)
    begin(browser)
    following(browser)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    sizes = browser.run("[...document.querySelectorAll('main button, .signal input')].map((e) => "
                        "{ const r = e.getBoundingClientRect(); return Math.min(r.width, r.height); })")  # fmt: skip
    assert min(sizes) >= 24
    browser.send("Emulation.clearDeviceMetricsOverride")


def test_results_can_be_saved_as_json(browser: Browser, made: tuple[Path, Key], tmp_path: Path) -> None:
    browser.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    take_the_test(browser, made[1], "Ada L.")
    browser.run("document.getElementById('json').click()")
    path = tmp_path / f"ratings-{made[1].test}-Ada_L_.json"
    browser.until("true")
    for _ in range(200):
        if path.exists():
            break
        browser.run("new Promise((done) => setTimeout(done, 50))")
    assert len(json.loads(path.read_text("utf-8"))["ratings"]) == 2 * len(SCORES)
