"""`mushra serve`: fifty listeners at once lose nothing, nor does SIGKILL; strangers get nothing in and nothing out."""

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from stream_restore.errors import ConfigError, SinkError, SourceError
from stream_restore.listening.key import Key, Trial, read_key, write_key
from stream_restore.listening.ratings import Rating
from stream_restore.listening.serving import TestServer
from stream_restore.listening.serving.store import STORE, read_store
from stream_restore.listening.submissions import read_ratings

STIMULI = {f"s{number}": name for number, name in enumerate(("reference", "anchor35", "anchor70", "new"))}


def a_test(folder: Path, name: str = "t1") -> Path:
    """A folder such as `mushra build` writes, without sound."""
    trials = [
        Trial(f"trial{n}", f"clip{n}", 0.0, 4, 8000, 1, f"r{n}", {f"{n}{t}": c for t, c in STIMULI.items()})
        for n in range(3)
    ]
    (folder / "page" / "audio").mkdir(parents=True)
    (folder / "page" / "index.html").write_text("<p>page")
    (folder / "page" / "audio" / "s1.js").write_text("stimulus()")
    write_key(folder / "key.json", Key(name, "Title", "seed", trials))
    return folder


@pytest.fixture
def test(tmp_path: Path) -> Path:
    return a_test(tmp_path / "test")


@pytest.fixture
def server(test: Path) -> Iterator[TestServer]:
    with TestServer(test, port=0) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(port: int, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
    """Status and body. A body that is no bytes becomes JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    told = {} if body is None else {"Content-Type": "application/json"}
    connection.request(method, path, data, told | {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def port_of(server: TestServer) -> int:
    return int(server.server_address[1])


def begin(port: int, listener: str = "Ada") -> str:
    status, body = ask(port, "POST", "/api/session", {"test": "t1", "listener": listener, "language": "en"})
    assert status == 200, body
    return str(json.loads(body)["session"])


def scores_of(listener: int, trial: int, step: int) -> dict[str, int]:
    return {
        f"{trial}{token}": (7 * listener + 13 * trial + 29 * place + step) % 101 for place, token in enumerate(STIMULI)
    }


def ratings(session: str, trial: int = 0, step: int = 1, **more: Any) -> dict[str, Any]:
    scores = scores_of(0, trial, step)
    told = {"session": session, "id": f"trial{trial}", "step": step, "order": list(scores), "scores": scores}
    return {**told, "seconds": 1.5, "done": False, **more}


def kept(test: Path) -> list[Rating]:
    return read_ratings([test])[0]


# What listeners send is kept


def listen(port: int, listener: int) -> dict[tuple[str, str], dict[str, int]]:
    """A whole test, every step of it sent twice; what must be kept in the end."""
    session, last = begin(port, f"L{listener}"), {}
    step = 0
    for trial in range(3):
        for _ in range(4):
            step += 1
            scores = scores_of(listener, trial, step)
            for _ in range(2):
                assert ask(port, "POST", "/api/ratings", ratings(session, trial, step, scores=scores))[0] == 200
            last[f"L{listener}", f"clip{trial}"] = scores
    assert ask(port, "POST", "/api/finish", {"session": session})[0] == 200
    return last


def test_fifty_listeners_at_once_lose_nothing(server: TestServer, test: Path) -> None:
    with ThreadPoolExecutor(50) as pool:
        told = list(pool.map(lambda number: listen(port_of(server), number), range(50)))
    found = kept(test)
    assert len(found) == 50 * 3 * 4
    expected = {place: scores for each in told for place, scores in each.items()}
    for (listener, clip), scores in expected.items():
        got = {r.condition: r.score for r in found if (r.listener, r.trial) == (listener, clip)}
        assert got == {STIMULI[token[1:]]: score for token, score in scores.items()}


def start(test: Path) -> "tuple[subprocess.Popen[str], int]":
    words = [sys.executable, "-m", "stream_restore.cli", "mushra", "serve", str(test), "--port", "0"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline().rstrip("/\n").rpartition(":")[2])


def test_what_was_acknowledged_survives_sigkill(test: Path) -> None:
    process, port = start(test)
    acknowledged: dict[int, int] = {}

    def send(listener: int) -> None:
        session = begin(port, f"L{listener}")
        for step in range(1, 10_000):
            told = ratings(session, 0, step, scores={"0s3": step % 101}, seconds=step)
            try:
                if ask(port, "POST", "/api/ratings", told)[0] == 200:
                    acknowledged[listener] = step
            except OSError:
                return
            except http.client.HTTPException:
                return
            if listener == 0 and step == 30:
                os.kill(process.pid, signal.SIGKILL)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(8)))
    process.wait()
    assert acknowledged[0] >= 29
    found = {r.listener: r.seconds for r in kept(test)}
    for listener, step in acknowledged.items():
        # One that was not acknowledged may have been kept, too.
        assert found[f"L{listener}"] in (step, step + 1)
    again, port = start(test)
    assert ask(port, "GET", "/api/test")[0] == 200
    again.send_signal(signal.SIGTERM)
    assert again.wait() == 130
    assert {r.listener: r.seconds for r in kept(test)} == found


def test_later_steps_count_in_whatever_order_they_arrive(server: TestServer, test: Path) -> None:
    session = begin(port_of(server))
    for step in (1, 5, 3, 5, 2):
        told = ratings(session, step=step, scores={"0s1": 10 * step})
        assert ask(port_of(server), "POST", "/api/ratings", told)[0] == 200
    assert [(r.condition, r.score) for r in kept(test)] == [("anchor35", 50)]


def test_a_finished_session_stays_as_it_is(server: TestServer, test: Path) -> None:
    session = begin(port_of(server))
    ask(port_of(server), "POST", "/api/ratings", ratings(session))
    before = kept(test)
    for _ in range(2):
        assert ask(port_of(server), "POST", "/api/finish", {"session": session})[0] == 200
    assert ask(port_of(server), "POST", "/api/ratings", ratings(session, step=9))[0] == 409
    assert kept(test) == before


def test_two_of_one_name_are_two(server: TestServer, test: Path) -> None:
    for name in ("Ada", "Ada (2)", "Ada"):
        ask(port_of(server), "POST", "/api/ratings", ratings(begin(port_of(server), name)))
    assert list(dict.fromkeys(r.listener for r in kept(test))) == ["Ada", "Ada (2)", "Ada (3)"]


def test_a_name_is_data(server: TestServer, test: Path) -> None:
    name = "Robert'); DROP TABLE sessions;-- \"é\u202f中"
    assert ask(port_of(server), "POST", "/api/session", {"test": "t1", "listener": "a\nb", "language": "en"})[0] == 400
    ask(port_of(server), "POST", "/api/ratings", ratings(begin(port_of(server), name.replace("\u202f", ""))))
    assert kept(test)[0].listener == name.replace("\u202f", "")


# What strangers try


@pytest.mark.parametrize(
    "path",
    [
        "/key.json", "/../key.json", "/audio/../../key.json", "/%2e%2e/key.json", "/audio/..%2f..%2fkey.json",
        "//key.json", "/..\\key.json", "/ratings.sqlite", "/../ratings.sqlite", "/etc/passwd", "/audio/", "/audio",
        "/.", "/index.html/", "/audio/s1.js%00", "/AUDIO/s1.js", "/api", "/\x7f",
    ],
)  # fmt: skip
def test_nothing_but_the_page_can_be_read(server: TestServer, path: str) -> None:
    with socket.create_connection(("127.0.0.1", port_of(server))) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        answer = b""
        while data := client.recv(1 << 16):
            answer += data
    assert answer.split()[1] in (b"404", b"400")
    assert b"trial" not in answer


def test_the_page_is_served_with_its_type_and_a_policy(server: TestServer) -> None:
    assert ask(port_of(server), "GET", "/?from=mail") == (200, b"<p>page")
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server))
    connection.request("GET", "/audio/s1.js")
    answer = connection.getresponse()
    assert (answer.read(), answer.getheader("Content-Type")) == (b"stimulus()", "text/javascript; charset=utf-8")
    assert "default-src 'none'" in str(answer.getheader("Content-Security-Policy"))
    assert ask(port_of(server), "HEAD", "/") == (200, b"")


def other(told: dict[str, Any], **change: Any) -> dict[str, Any]:
    return {name: value for name, value in (told | change).items() if value is not ...}


FORGED: dict[str, dict[str, Any]] = {
    "of no trial": {"id": "trial9"},
    "of no stimulus": {"scores": {"1s0": 5}},
    "by the name of the condition": {"scores": {"reference": 5}},
    "above 100": {"scores": {"0s0": 101}},
    "below 0": {"scores": {"0s0": -1}},
    "not whole": {"scores": {"0s0": 50.5}},
    "a truth": {"scores": {"0s0": True}},
    "not a number": {"scores": {"0s0": float("nan")}},
    "a text": {"scores": {"0s0": "50"}},
    "a list": {"scores": [50]},
    "no scores": {"scores": ...},
    "in another order": {"order": ["0s0"]},
    "in an order of things": {"order": [1, None, {}, []]},
    "of no step": {"step": 0},
    "of a huge step": {"step": 10**30},
    "of no time": {"seconds": float("inf")},
    "done for now": {"done": "yes"},
    "of a session of another form": {"session": "' OR 1=1 --"},
    "of no session": {"session": ...},
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_submission_is_refused_and_changes_nothing(what: str, server: TestServer, test: Path) -> None:
    session = begin(port_of(server))
    told = other(ratings(session, step=2), **FORGED[what])
    status, body = ask(port_of(server), "POST", "/api/ratings", told)
    assert status == 400, body
    assert json.loads(body)["error"]
    assert kept(test) == []


def test_a_guessed_session_is_refused(server: TestServer, test: Path) -> None:
    begin(port_of(server))
    assert ask(port_of(server), "POST", "/api/ratings", ratings("0" * 32))[0] == 404
    assert ask(port_of(server), "POST", "/api/finish", {"session": "0" * 32})[0] == 404
    assert kept(test) == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 60000, b'{"a":' * 9000])
def test_what_is_no_json_object_is_refused(body: bytes, server: TestServer) -> None:
    assert ask(port_of(server), "POST", "/api/ratings", body)[0] == 400


def test_an_oversized_submission_is_refused_unread(server: TestServer) -> None:
    for length, status in (("65537", b"413"), ("9" * 40, b"413"), ("-1", b"411"), ("1_0", b"411"), ("٣", b"411")):
        with socket.create_connection(("127.0.0.1", port_of(server)), timeout=30) as client:
            head = "POST /api/ratings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
            client.sendall(f"{head}\r\nContent-Length: {length}\r\n\r\n".encode())
            assert client.recv(1 << 16).split()[1] == status


def test_other_pages_cannot_send_or_read(server: TestServer, test: Path) -> None:
    port, told = port_of(server), {"test": "t1", "listener": "Eve", "language": "en"}
    assert ask(port, "POST", "/api/session", told, Origin="http://evil.example")[0] == 403
    assert ask(port, "POST", "/api/session", told, Origin="null")[0] == 403
    assert ask(port, "POST", "/api/session", told, Content_Type="text/plain")[0] == 415
    # A name of theirs for our address.
    assert ask(port, "POST", "/api/session", told, Host=f"evil.example:{port}")[0] == 403
    assert ask(port, "GET", "/", Host=f"evil.example:{port}")[0] == 421
    assert ask(port, "POST", "/api/session", told, Origin=f"http://127.0.0.1:{port}")[0] == 200
    assert kept(test) == []


def test_other_methods_are_refused(server: TestServer) -> None:
    for method in ("PUT", "DELETE", "OPTIONS", "TRACE"):
        assert ask(port_of(server), method, "/")[0] == 501


# What cannot be served


def test_it_listens_to_this_machine_alone(server: TestServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_named(server: TestServer, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"127.0.0.1:{port_of(server)} cannot be listened on"):
        TestServer(a_test(tmp_path / "other"), port=port_of(server))


def test_ratings_of_another_test_are_left_alone(test: Path, tmp_path: Path) -> None:
    with TestServer(test, port=0):
        pass
    other_test = a_test(tmp_path / "other", "t2")
    (test / STORE).rename(other_test / STORE)
    with pytest.raises(SinkError, match="ratings of another test"):
        TestServer(other_test, port=0)
    with pytest.raises(SourceError, match="ratings of another test"):
        read_store(other_test / STORE, read_key(other_test / "key.json"))


def test_what_is_no_test_is_refused(tmp_path: Path, test: Path) -> None:
    with pytest.raises(SourceError, match="key of a test cannot be read"):
        TestServer(tmp_path, port=0)
    (test / "page" / "index.html").unlink()
    with pytest.raises(SourceError, match="holds no page of a test"):
        TestServer(test, port=0)


def test_a_file_of_ratings_that_is_none_is_refused(test: Path) -> None:
    with pytest.raises(SourceError, match="has the test been served"):
        kept(test)
    (test / STORE).write_bytes(b"no database" * 999)
    with pytest.raises(SinkError, match="cannot be opened as a file of ratings"):
        TestServer(test, port=0)
    with pytest.raises(SourceError, match="is no file of ratings"):
        kept(test)


def test_a_full_disk_is_told_and_nothing_is_acknowledged(test: Path) -> None:
    said: list[str] = []
    with TestServer(test, port=0, warn=said.append) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        session = begin(port_of(server))
        with sqlite3.connect(test / STORE) as base:
            base.execute("CREATE TRIGGER full BEFORE INSERT ON trials BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        assert ask(port_of(server), "POST", "/api/ratings", ratings(session))[0] == 503
        with sqlite3.connect(test / STORE) as base:
            base.execute("DROP TRIGGER full")
        assert ask(port_of(server), "POST", "/api/ratings", ratings(session))[0] == 200
        server.shutdown()
        thread.join()
    assert len(said) == 1
    assert "disk full" in said[0]
